"""Force errors of two pair styles on the same held-out DFT frames, both evaluated by LAMMPS."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.io import read
from prior import FILES
from throughput_models import SYMBOLS
from throughput_sides import InLammps

from ocvf_lmp.fit.frames import split_frames
from ocvf_lmp.lammps.cells import write_data
from ocvf_lmp.lammps.run import run_lammps
from ocvf_lmp.system.structure import from_ase

FRAME = """
clear
units metal
atom_style atomic
box tilt large
read_data frame_{k}.data
pair_style {style}
pair_coeff * * {coefficients}
run 0
write_dump all custom forces_{k}.dump id fx fy fz modify sort id format float %.16g
"""


@dataclass(frozen=True, slots=True)
class Reference:
    """A frame, with the name of its source as `split_frames` wants it."""

    source: str
    atoms: Atoms


def held_out(folder: Path, seed: int) -> list[Reference]:
    """The frames that the shipped prior's training has not seen; none where the data are absent.

    Args:
        folder: of the extxyz files.
        seed: of the training.
    """
    paths = [folder / name for name in FILES]
    if not all(path.is_file() for path in paths):
        return []
    frames: Any = [Reference(p.stem, atoms) for p in paths for atoms in _images(p)]
    return split_frames(frames, seed)[2]  # pyright: ignore


def force_errors(side: InLammps, frames: Sequence[Reference], folder: Path) -> dict[str, float]:
    """Root-mean-square force errors (meV/Å, a component) over all frames, and over each source."""
    assert side.lammps is not None
    text, references = "", []
    for k, frame in enumerate(frames):
        triangular, rotation = frame.atoms.cell.standard_form()
        turned = frame.atoms.copy()
        turned.set_cell(triangular, scale_atoms=True)
        write_data(folder / f"frame_{k}.data", from_ase(turned, SYMBOLS))
        references.append(frame.atoms.get_forces() @ rotation.T)
        text += FRAME.format(k=k, style=side.style, coefficients=side.coefficients)
    (folder / "in.forces").write_text(text)
    run_lammps(side.lammps, folder / "in.forces", folder)
    squares: dict[str, list[np.ndarray]] = {"all": []}
    for k, (frame, reference) in enumerate(zip(frames, references, strict=True)):
        found = np.loadtxt(folder / f"forces_{k}.dump", skiprows=9)[:, 1:]
        square = np.square(found - reference)
        squares["all"].append(square)
        squares.setdefault(frame.source, []).append(square)
    return {
        name: 1e3 * float(np.concatenate(parts).mean()) ** 0.5 for name, parts in squares.items()
    }


def _images(path: Path) -> list[Atoms]:
    found: Any = read(path, index=":")
    return found
