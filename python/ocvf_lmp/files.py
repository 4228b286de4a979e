"""Writing files so that a good one is never replaced by half of a new one."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from ocvf_lmp.errors import OcvfError


def partial_of(path: Path) -> Path:
    """Where this process writes a file until it is complete."""
    return path.with_name(f".{path.name}.{os.getpid()}.partial")


def forget_partials(folder: Path, patterns: Iterable[str]) -> None:
    """Deletes what killed processes have left of files that they were writing.

    Args:
        folder: of the files.
        patterns: names of the files, as `Path.glob` takes them.
    """
    for pattern in patterns:
        for path in folder.glob(f".{pattern}.*.partial"):
            path.unlink(missing_ok=True)


def write_text_atomically(path: Path, text: str) -> None:
    """`write_atomically` for a text in UTF-8."""
    write_atomically(path, lambda partial: _write_text(partial, text))


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Writes a file beside its final place and moves it there when it is complete.

    Args:
        path: final place.
        write: writes the whole file to the path that it is given.

    Raises:
        OcvfError: the file could not be written (a full disk, no permission); what stood at
            `path` before is untouched.
    """
    partial = partial_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(partial)
        with partial.open("rb") as handle:
            os.fsync(handle.fileno())
        partial.replace(path)
    except (OSError, RuntimeError) as reason:  # torch.save reports a full disk as RuntimeError
        partial.unlink(missing_ok=True)
        raise OcvfError(
            f"expected to write {path}, found: {reason}. Free disk space or choose another folder;"
            " the file that stood there before, if any, is unchanged"
        ) from reason
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
