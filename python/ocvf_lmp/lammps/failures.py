"""How a model ends a LAMMPS that does not do so itself.

The plugin asks all ranks whether one has failed. ML-IAP of LAMMPS does not: if one rank raises, the
others wait for it for ever.
"""

import sys
from pathlib import Path
from typing import Any, NoReturn

from ocvf_lmp.errors import OcvfError
from ocvf_lmp.mpi import abort, n_ranks, rank_name, running_mpi


def end_all_ranks(error: BaseException) -> NoReturn:
    """Ends the run: raises where LAMMPS handles it, else ends all processes with the message."""
    if n_ranks() == 1:
        raise error
    kind = "" if isinstance(error, OcvfError) else f"{type(error).__name__}: "
    abort(f"ERROR: the model failed on rank {rank_name()}\n{kind}{error}")


def gathered(values: Any) -> list[Any] | None:
    """A numpy array of every rank, on every rank; None where that cannot be had.

    Without mpi4py there is no way, and in a LAMMPS divided by `-partition` the other partitions
    may not take part.
    """
    world = running_mpi()
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
