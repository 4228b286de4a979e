"""One process at a time in a run folder.

The lock is the kernel's (`flock`), on a file in the folder: it is gone with the process that holds
it, however that ends.
"""

import fcntl
import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from ocvf_lmp.errors import InputError, OcvfError

LOCK = ".lock"
"""Name of the file; it says who holds it."""

logger = logging.getLogger(__name__)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keeps other processes out of a run folder until the block is left.

    Args:
        folder: made if it does not exist; removed again if it is then left empty.

    Raises:
        InputError: another process is in it.
        OcvfError: the folder cannot be written to.
    """
    made = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = _held(folder / LOCK)
    except OSError as reason:
        raise OcvfError(
            f"expected a run folder that can be written to, found: {reason}; choose another one"
        ) from reason
    try:
        yield
    finally:
        (folder / LOCK).unlink(missing_ok=True)  # while it is held: see `_held`
        handle.close()
        if made:
            with suppress(OSError):  # it is not empty
                folder.rmdir()


def _held(path: Path) -> TextIO:
    """The locked file; the lock ends when it is closed."""
    while True:
        handle = path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as reason:
            with handle:
                raise _refusal(path.parent, handle) from reason
        except OSError as reason:
            logger.warning("nothing keeps other processes out of %s: %s", path.parent, reason)
        if _is_at(handle, path):
            break
        handle.close()  # whoever held it has just deleted it
    handle.truncate(0)
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    handle.write(f"process {os.getpid()} on {socket.gethostname()} since {since}\n")
    handle.flush()
    return handle


def _is_at(handle: TextIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _refusal(folder: Path, handle: TextIO) -> InputError:
    handle.seek(0)
    holder = handle.read().strip() or "a process that has just begun"
    return InputError(
        f"expected to be alone in the run folder {folder}, found {holder} at work in it; wait for"
        " it, end it, or name another folder"
    )
