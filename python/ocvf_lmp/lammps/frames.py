"""What LAMMPS writes of a run: frames in dump files, thermodynamics in the log."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ocvf_lmp.errors import LammpsError


@dataclass(frozen=True, slots=True)
class DumpedFrame:
    """A frame of a dump.

    Attributes:
        positions: as they stand in the dump, Å, (atoms, 3).
        cell: rows, Å, (3, 3).
        velocities: Å/ps, (atoms, 3), if the dump has them.
    """

    positions: torch.Tensor
    cell: torch.Tensor
    velocities: torch.Tensor | None


def read_frames(path: Path, number: int) -> list[DumpedFrame]:
    """Frames of a dump ``id type xu yu zu [vx vy vz]``, atoms sorted by id.

    Args:
        path: of the dump.
        number: of the frames that it must hold.

    Raises:
        LammpsError: the file is missing or broken off, or holds another number of frames.
    """
    from ase import units  # noqa: PLC0415 (slow import)
    from ase.io import iread  # noqa: PLC0415

    try:
        found = list(iread(path, format="lammps-dump-text", index=":", units="metal"))
    except Exception as reason:
        raise LammpsError(
            f"expected complete frames in {path}, found {reason!r}; was LAMMPS interrupted?"
        ) from reason
    if len(found) != number:
        raise LammpsError(
            f"expected {number} frames in {path}, found {len(found)}; was LAMMPS interrupted?"
        )
    return [
        DumpedFrame(
            torch.from_numpy(np.array(atoms.positions)),
            torch.from_numpy(np.array(atoms.cell.array)),
            torch.from_numpy(np.array(atoms.get_velocities()) * (1e3 * units.fs))
            if atoms.has("momenta")
            else None,
        )
        for atoms in found
    ]


def read_thermo(path: Path) -> dict[int, list[float]]:
    """Columns after ``Step`` of a log's last run, by the number of the step.

    Raises:
        LammpsError: the file is missing or has no thermodynamics.
    """
    rows: dict[int, list[float]] = {}
    inside = False
    try:
        for line in path.read_text(errors="replace").splitlines():
            words = line.split()
            if words[:1] == ["Step"]:
                rows, inside = {}, True
            elif line.startswith("Loop time"):
                inside = False
            elif inside and words and words[0].isdigit():
                rows[int(words[0])] = [float(word) for word in words[1:]]
    except (OSError, ValueError) as reason:
        raise LammpsError(f"expected a log of LAMMPS in {path}, found {reason!r}") from reason
    if not rows:
        raise LammpsError(f"expected thermodynamics in {path}, found none; did the run begin?")
    return rows
