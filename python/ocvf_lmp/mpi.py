"""How many processes there are, and how to speak to them, without starting MPI where none runs."""

import ctypes
import os
import sys
import time
from types import ModuleType
from typing import Any, NoReturn

SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE", "PALS_SIZE", "SLURM_NTASKS")
RANK = ("PMI_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK", "PALS_RANKID", "SLURM_PROCID")

PAUSE = 1.0
"""s; launchers lose what a rank has written just before it ends them."""


def running_mpi() -> ModuleType | None:
    """mpi4py's MPI if it is there and is the MPI that this process has started, else None.

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


def launched_ranks() -> int:
    """Number of processes that a launcher says it has started."""
    return max((int(os.environ.get(name, "1") or 1) for name in SIZES), default=1)


def n_ranks() -> int:
    """Number of processes of this run, as far as it can be known."""
    world = running_mpi()
    return launched_ranks() if world is None else int(world.COMM_WORLD.Get_size())


def is_first_rank() -> bool:
    """Whether this process may speak for all."""
    return all(int(os.environ.get(name, "0") or 0) == 0 for name in RANK)


def rank_name() -> str:
    """The number of this process, as the launcher gave it; ``?`` if it did not."""
    return next((os.environ[name] for name in RANK if name in os.environ), "?")


def communicator() -> Any | None:
    """All ranks of this run, with MPI started; None where there is only one process.

    Raises:
        ImportError: a launcher has started several processes and mpi4py is missing.
    """
    if launched_ranks() == 1:
        return None
    from mpi4py import MPI  # noqa: PLC0415 (its import starts MPI)

    return MPI.COMM_WORLD if MPI.COMM_WORLD.Get_size() > 1 else None


def abort(message: str) -> NoReturn:
    """Ends all processes of the run with a message of this one."""
    sys.stderr.write(message + "\n")
    sys.stderr.flush()
    sys.stdout.flush()
    time.sleep(PAUSE)
    world = running_mpi()
    if world is not None:
        world.COMM_WORLD.Abort(1)
    os._exit(1)  # the launcher ends the other ranks
