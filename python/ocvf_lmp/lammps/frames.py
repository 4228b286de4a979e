"""What LAMMPS writes of a run: frames in dump files, thermodynamics in the log."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from ocvf_lmp.arrays import Species
from ocvf_lmp.errors import LammpsError

if TYPE_CHECKING:
    from ase import Atoms

COLUMNS = ("Temp", "PotEng", "Pxx", "Pyy", "Pzz", "Pxy", "Pxz", "Pyz")
"""Headings of the thermodynamics that a frame needs."""


@dataclass(frozen=True, slots=True)
class DumpedFrame:
    """A frame of a dump.

    Attributes:
        step: number of the step.
        types: LAMMPS' atom types, from 1, in the order of the ids, (atoms,).
        positions: as they stand in the dump, Å, (atoms, 3).
        cell: rows, Å, (3, 3).
        velocities: Å/ps, (atoms, 3), if the dump has them.
    """

    step: int
    types: torch.Tensor
    positions: torch.Tensor
    cell: torch.Tensor
    velocities: torch.Tensor | None


def read_frames(path: Path, steps: Sequence[int], species: Species) -> list[DumpedFrame]:
    """Frames of a dump ``id type xu yu zu [vx vy vz]``, atoms sorted by id.

    Args:
        path: of the dump.
        steps: whose frames are wanted; others may be there.
        species: of the atoms, which their types in the dump must follow, (atoms,).

    Raises:
        LammpsError: the file is missing or broken off, lacks a frame, or holds other atoms.
    """
    from ase.io import iread  # noqa: PLC0415

    try:
        found = list(
            # among MPI ranks each reads its own file: ASE would hand the first rank's to all
            iread(path, format="lammps-dump-text", index=":", units="metal", parallel=False)
        )
    except Exception as reason:
        raise LammpsError(
            f"expected complete frames in {path}, found {reason!r}; was LAMMPS interrupted?"
        ) from reason
    frames = {frame.step: frame for frame in map(_dumped, found)}
    missing = sorted(set(steps) - set(frames))
    if missing:
        raise LammpsError(
            f"expected frames of {len(steps)} steps in {path}, found none of step {missing[0]}"
            f" ({len(missing)} are missing); was LAMMPS interrupted, or does the input not count"
            " its steps from 0?"
        )
    wanted = [frames[step] for step in steps]
    for frame in wanted:
        if not torch.equal(frame.types, species.cpu() + 1):
            raise LammpsError(
                f"expected the {len(species)} atoms of start.data in {path}, with their types,"
                f" found {len(frame.types)} atoms, or other types; dump those atoms alone"
            )
    return wanted


def _dumped(atoms: "Atoms") -> DumpedFrame:
    from ase import units  # noqa: PLC0415 (slow import)

    velocities = None
    if atoms.has("momenta"):
        velocities = torch.from_numpy(np.array(atoms.get_velocities()) * (1e3 * units.fs))
    return DumpedFrame(
        int(atoms.info["timestep"]),
        torch.from_numpy(np.array(atoms.numbers, dtype=np.int64)),  # ASE takes types for elements
        torch.from_numpy(np.array(atoms.positions)),
        torch.from_numpy(np.array(atoms.cell.array)),
        velocities,
    )


def read_thermo(path: Path) -> dict[int, dict[str, float]]:
    """Thermodynamics of a log's last run: columns by their headings, by the number of the step.

    Raises:
        LammpsError: the file is missing, has no thermodynamics, or lacks a column.
    """
    rows: dict[int, dict[str, float]] = {}
    names: list[str] = []
    inside = False
    try:
        for line in path.read_text(errors="replace").splitlines():
            words = line.split()
            if words[:1] == ["Step"]:
                rows, names, inside = {}, words[1:], True
            elif line.startswith("Loop time"):
                inside = False
            elif inside and words and words[0].isdigit():
                numbers = [float(word) for word in words[1:]]
                rows[int(words[0])] = dict(zip(names, numbers, strict=True))
    except (OSError, ValueError) as reason:
        raise LammpsError(f"expected a log of LAMMPS in {path}, found {reason!r}") from reason
    if not rows:
        raise LammpsError(f"expected thermodynamics in {path}, found none; did the run begin?")
    lacking = [name for name in COLUMNS if name not in names]
    if lacking:
        raise LammpsError(
            f"expected the columns Step, {', '.join(COLUMNS)} in {path}, found no"
            f" {', '.join(lacking)}; use thermo_style custom step temp pe pxx pyy pzz pxy pxz pyz"
        )
    return rows
