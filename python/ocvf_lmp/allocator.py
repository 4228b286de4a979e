"""Lets a process keep memory that it will need again at the next time step.

By default glibc returns large blocks to the system as soon as they are free, and every step pays
for fresh pages: a seventh of the processor time of a 320-atom run in LAMMPS.
"""

import ctypes

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # of glibc's malloc.h
_KEPT = 1 << 30
_PAD = 64 << 20


def keep_memory() -> bool:
    """Sets the allocator; False where it is not glibc's."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    settings = ((_MMAP_THRESHOLD, _KEPT), (_TRIM_THRESHOLD, _KEPT), (_TOP_PAD, _PAD))
    return all(mallopt(option, value) == 1 for option, value in settings)
