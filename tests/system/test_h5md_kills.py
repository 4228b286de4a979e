"""Killed between any two of the pieces in which HDF5 writes: a trajectory is read and continued.

The pieces are seen by letting HDF5 write through a file of Python's; a kill would leave what lies
on the disk before each of them.
"""

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from ocvf_lmp.system import h5md, h5md_layout
from ocvf_lmp.system.h5md import H5mdWriter
from ocvf_lmp.system.structure import perovskite
from ocvf_lmp.system.trajectory import read_trajectory

STRUCTURE = perovskite(("Ba", "Ti", "O"), (1, 1, 1), (4.0, 4.0, 4.1))
BLOCK = 3
"""Frames by which files grow here, so that the few of a test make them grow."""


def positions(step: int) -> torch.Tensor:
    return STRUCTURE.positions + 0.1 * step


def write(path: Path, steps: range, restart_step: int) -> None:
    with H5mdWriter(path, STRUCTURE, restart_step=restart_step) as writer:
        for step in steps:
            values = {"temperature": 300.0 + step}
            writer.append(step, 0.002 * step, positions(step), STRUCTURE.cell, values)


def read(path: Path) -> int:
    """Number of frames, all of which must be what was written, from step 1 on."""
    found = read_trajectory(path)
    steps = range(1, len(found) + 1)
    assert found.step.tolist() == list(steps)
    assert all(np.array_equal(found.positions[k - 1], positions(k).numpy()) for k in steps)
    if len(found):
        assert found.observables["temperature"].tolist() == [300.0 + step for step in steps]
        assert np.array_equal(found.cells, np.stack([STRUCTURE.cell.numpy()] * len(found)))
    return len(found)


class Disk:
    """Keeps what a file contains before every change of anything on the disk."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path, self.states = path, []
        real = h5py.File

        def opened(name, mode="r", **options):
            return real(Pieces(name, self), mode) if mode == "r+" else real(name, mode, **options)

        monkeypatch.setattr(h5py, "File", opened)
        for owner, name in ((os, "posix_fallocate"), (os, "truncate"), (Path, "replace")):
            monkeypatch.setattr(owner, name, self.watched(getattr(owner, name)))

    def watched(self, function):
        def call(*arguments):
            self.look()
            return function(*arguments)

        return call

    def look(self) -> None:
        now = self.path.read_bytes() if self.path.exists() else b""
        if not self.states or now != self.states[-1]:
            self.states.append(now)


class Pieces:
    """A file for HDF5, whose every change the disk sees."""

    def __init__(self, path: Path, disk: Disk) -> None:
        self.file, self.path, self.disk = path.open("r+b", buffering=0), path, disk
        self.readinto, self.seek, self.tell = self.file.readinto, self.file.seek, self.file.tell

    def __del__(self) -> None:
        self.file.close()

    def __repr__(self) -> str:  # what h5py takes for the file's name
        return str(self.path)

    def read(self, *size):
        return self.file.read(*size)

    def write(self, data):
        self.disk.look()
        return self.file.write(data)

    def truncate(self, *size):
        self.disk.look()
        return self.file.truncate(*size)

    def flush(self) -> None:
        pass


@pytest.mark.parametrize(
    ("there", "checkpoint", "last"),
    [(0, 0, 5), (8, 8, 10), (8, 2, 6)],
    ids=["begins", "continues", "drops frames"],
)
def test_no_piece_of_a_write_leaves_a_file_that_cannot_be_continued(
    tmp_path, monkeypatch, there, checkpoint, last
):
    for module in (h5md, h5md_layout):
        monkeypatch.setattr(module, "BLOCK", BLOCK)
    path = tmp_path / "t.h5"
    write(path, range(1, there + 1), 0)
    with monkeypatch.context() as watched:
        disk = Disk(path, watched)
        write(path, range(checkpoint + 1, last + 1), checkpoint)
        disk.look()
    assert len(disk.states) > 3 * (last - checkpoint)
    counts = []
    for number, state in enumerate(disk.states):
        killed = tmp_path / f"killed{number}.h5"
        killed.write_bytes(state)
        counts.append(read(killed))
        write(killed, range(checkpoint + 1, last + 1), checkpoint)
        assert read(killed) == last
    assert min(counts) == checkpoint
    grown = counts[counts.index(checkpoint) :]
    assert grown == sorted(grown)
    assert grown[-1] == last
