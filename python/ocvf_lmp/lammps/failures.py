"""How a model ends a LAMMPS that does not do so itself.

The plugin asks all ranks whether one has failed. ML-IAP of LAMMPS does not: if one rank raises, the
others wait for it for ever.
"""

import ctypes
import os
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from ocvf_lmp.errors import OcvfError

RANKS = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE", "PALS_SIZE", "SLURM_NTASKS")
RANK = ("PMI_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK", "PALS_RANKID", "SLURM_PROCID")

PAUSE = 1.0
"""s; launchers lose what a rank has written just before it ends them."""


def mpi() -> ModuleType | None:
    """mpi4py's MPI if it is there and is the MPI that LAMMPS has started, else None.

    mpi4py is imported only where MPI runs: once it is loaded, other packages (ASE) take the process
    for one that has started MPI.
    """
    if not _mpi_runs():
        return None
    try:
        import mpi4py  # noqa: PLC0415 (optional, and its import must not start MPI)

        mpi4py.rc.initialize = False
        mpi4py.rc.finalize = False
        from mpi4py import MPI  # noqa: PLC0415
    except (ImportError, RuntimeError, OSError):
        return None
    return MPI if MPI.Is_initialized() and not MPI.Is_finalized() else None


def _mpi_runs() -> bool:
    """Whether this process has an MPI library that has been started."""
    flag = ctypes.c_int(0)
    try:
        ctypes.CDLL(None).MPI_Initialized(ctypes.byref(flag))
    except (AttributeError, OSError):
        return False
    return bool(flag.value)


def n_ranks() -> int:
    """Number of processes of this run, as far as it can be known."""
    world = mpi()
    if world is not None:
        return int(world.COMM_WORLD.Get_size())
    return max((int(os.environ.get(name, "1") or 1) for name in RANKS), default=1)


def is_first_rank() -> bool:
    """Whether this process may speak for all."""
    return all(int(os.environ.get(name, "0") or 0) == 0 for name in RANK)


def end_all_ranks(error: BaseException) -> NoReturn:
    """Ends the run: raises where LAMMPS handles it, else ends all processes with the message."""
    if n_ranks() == 1:
        raise error
    kind = "" if isinstance(error, OcvfError) else f"{type(error).__name__}: "
    rank = next((os.environ[name] for name in RANK if name in os.environ), "?")
    sys.stderr.write(f"ERROR: the model failed on rank {rank}\n{kind}{error}\n")
    sys.stderr.flush()
    sys.stdout.flush()
    time.sleep(PAUSE)
    world = mpi()
    if world is not None:
        world.COMM_WORLD.Abort(1)
    os._exit(1)  # the launcher ends the other ranks


def gathered(values: Any) -> list[Any] | None:
    """A numpy array of every rank, on every rank; None where that cannot be had.

    Without mpi4py there is no way, and in a LAMMPS divided by `-partition` the other partitions
    may not take part.
    """
    world = mpi()
    if world is None:
        return [values] if n_ranks() == 1 else None
    if world.COMM_WORLD.Get_size() == 1:
        return [values]
    return None if _is_partitioned() else world.COMM_WORLD.allgather(values)


def _is_partitioned() -> bool:
    try:
        words = Path("/proc/self/cmdline").read_bytes().split(b"\0")
    except OSError:
        words = [word.encode() for word in sys.argv]
    return b"-partition" in words or b"-p" in words
