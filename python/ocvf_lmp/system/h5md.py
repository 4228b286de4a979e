"""Writing trajectories as H5MD 1.1 files.

A frame is handed to the operating system before the next one is computed, its number last: a run
that is killed loses at most the frame it was writing, and a full disk none of those before. What is
more than numbers in their places (space for further frames, frames dropped) changes in a copy that
then replaces the file: HDF5 writes such a change in many pieces, and to be killed between two of
them leaves a file that nobody can open. A resumed run continues the same file without duplicates.
"""

import contextlib
import shutil
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch

from ocvf_lmp.errors import InputError
from ocvf_lmp.files import partial_of, write_atomically
from ocvf_lmp.system.h5md_layout import (
    BLOCK,
    GROUP,
    H5,
    UNITS,
    close,
    complete_steps,
    elements_of,
    growing,
    open_copy,
    open_file,
    reserve,
    start_file,
    time_dependent,
)
from ocvf_lmp.system.structure import Structure

_METADATA = 1 << 18
"""Bytes that a block of frames may need beside the data themselves, generously."""


class H5mdWriter:
    """Appends frames to an H5MD file; use it as a context manager.

    Args:
        path: of the file.
        structure: of the atoms; species and masses are stored once.
        restart_step: None starts a new file and replaces an old one. A number continues the file,
            if there is one: frames of later steps, left by an interrupted run, are dropped.
        units: of observables that `UNITS` does not know, by name.
        author: whose run it is.

    Raises:
        DataError: the file to be continued is damaged, or holds other atoms.
        OcvfError: the file cannot be made.
    """

    def __init__(
        self,
        path: str | Path,
        structure: Structure,
        *,
        restart_step: int | None = None,
        units: Mapping[str, str] | None = None,
        author: str = "unknown",
    ) -> None:
        self.path, self._units = Path(path), UNITS | dict(units or {})
        if restart_step is None or not self.path.exists():
            write_atomically(self.path, lambda partial: start_file(partial, structure, author))
        self._file = open_file(self.path, structure)
        self._values: dict[str, H5] = {}
        self._find_elements()
        self._steps = complete_steps(self._file)
        self._capacity = min((len(data) for data in time_dependent(self._file)), default=0)
        if restart_step is not None:
            self.truncate_after(restart_step)

    def __enter__(self) -> "H5mdWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._resize(self.n_frames)
            close(self._file, self.path)
        except (OSError, RuntimeError) as reason:
            if value is None:
                raise OSError(f"{self.path} could not be closed: {reason}") from reason

    @property
    def n_frames(self) -> int:
        """Number of complete frames in the file."""
        return len(self._steps)

    def append(
        self,
        step: int,
        time: float,
        positions: Any,
        cell: Any,
        observables: Mapping[str, float] | None = None,
        velocities: Any = None,
    ) -> None:
        """Adds a frame and hands it to the operating system.

        Args:
            step: number of the step, 0 or more; must grow from frame to frame.
            time: ps.
            positions: Å, (atoms, 3); they may lie outside the cell.
            cell: rows, Å, (3, 3).
            observables: scalars by name; the same names in all frames of a file.
            velocities: Å/ps, (atoms, 3); in all frames or in none.

        Raises:
            InputError: a step that does not grow, another shape, or other observables than before.
            OSError: the disk is full; the frames before are intact.
        """
        values = {f"{GROUP}/position": _array(positions), f"{GROUP}/box/edges": _array(cell)}
        if velocities is not None:
            values[f"{GROUP}/velocity"] = _array(velocities)
        for name, number in (observables or {}).items():
            values[f"observables/{name}"] = np.asarray(number, dtype=np.float64)
        if self._values:
            self._check(step, values)
        n = self.n_frames
        try:
            if n == self._capacity:
                self._grow(values)
            for element, value in values.items():
                self._values[element][n] = value
            self._time[n] = time
            self._file.flush()  # before the step, which declares the frame complete
            self._step[n] = step
            self._file.flush()
        except RuntimeError as reason:  # how h5py reports some failures of the disk
            raise OSError(f"{self.path} could not be written: {reason}") from reason
        self._steps.append(step)

    def truncate_after(self, step: int) -> None:
        """Drops the frames whose step is larger than `step`."""
        del self._steps[bisect_right(self._steps, step) :]
        self._resize(self.n_frames)

    def _check(self, step: int, values: Mapping[str, np.ndarray]) -> None:
        if set(self._values) != set(values):
            strange = ", ".join(sorted(set(self._values) ^ set(values)))
            raise InputError(
                f"expected every frame of {self.path} to hold the same data, found a difference in"
                f" {strange}; start a new file for other data"
            )
        for element, value in values.items():
            shape = self._values[element].shape[1:]
            if value.shape != shape:
                raise InputError(
                    f"expected {element} of shape {shape} for {self.path}, found {value.shape};"
                    " write every system to a file of its own"
                )
        if self._steps and step <= self._steps[-1]:
            raise InputError(
                f"expected a step after {self._steps[-1]} for {self.path}, found {step}; open the"
                " file with restart_step to replace later frames"
            )

    def _grow(self, values: Mapping[str, np.ndarray]) -> None:
        """Takes space for a block of frames, so that writing them changes no metadata."""
        size = sum(value.nbytes + 64 for value in values.values())
        block = max(BLOCK, self._capacity // 8)  # copying long files takes little time in all
        with self._copy():
            reserve(self._file, block * size + _METADATA)
            if not self._values:
                self._make_elements(values)
            self._extend(self._capacity + block)
        self._capacity += block

    def _resize(self, n_frames: int) -> None:
        if n_frames != self._capacity:
            with self._copy():
                self._extend(n_frames)
            self._capacity = n_frames

    def _extend(self, n_frames: int) -> None:
        for data in time_dependent(self._file):
            data.resize(n_frames, axis=0)

    @contextlib.contextmanager
    def _copy(self) -> Iterator[None]:
        """The file is a copy until the block is left, which then replaces the original.

        After an error, the original is as it was.
        """
        original, partial = self._file, partial_of(self.path)
        try:
            shutil.copyfile(self.path, partial)
            self._file = open_copy(partial)
            yield
            self._file.flush()
            partial.replace(self.path)
        except BaseException:
            copy, self._file = self._file, original
            with contextlib.suppress(OSError, RuntimeError):
                if copy is not original:
                    copy.close()
            partial.unlink(missing_ok=True)
            raise
        else:
            original.close()
        finally:
            self._find_elements()

    def _make_elements(self, values: Mapping[str, np.ndarray]) -> None:
        position = self._file.create_group(f"{GROUP}/position")
        growing(position, "step", (), np.int64(-1), None)
        growing(position, "time", (), np.float64(np.nan), "ps")
        units = {"position": "Angstrom", "edges": "Angstrom", "velocity": "Angstrom ps-1"}
        for element, value in values.items():
            group = self._file.require_group(element)
            name = element.rsplit("/", 1)[1]
            unit = (self._units if element.startswith("observables") else units).get(name)
            growing(group, "value", value.shape, np.float64(np.nan), unit)
            if group != position:
                group["step"], group["time"] = position["step"], position["time"]  # hard links
        self._find_elements()

    def _find_elements(self) -> None:
        self._values = {name: self._file[f"{name}/value"] for name in elements_of(self._file)}
        if self._values:
            position = self._file[f"{GROUP}/position"]
            self._step, self._time = position["step"], position["time"]


def _array(value: Any) -> np.ndarray:
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy()
    return np.asarray(value, dtype=np.float64)
