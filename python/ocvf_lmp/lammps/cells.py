"""Cells to compare LAMMPS and Python on, and their data files."""

from collections.abc import Sequence
from pathlib import Path

import torch

from ocvf_lmp.errors import InputError
from ocvf_lmp.system.structure import PEROVSKITE_SITES, Structure

ATOM_STYLES = {
    "atomic": "{kind}",
    "charge": "{kind} 0.0",
    "bond": "0 {kind}",
    "angle": "0 {kind}",
    "molecular": "0 {kind}",
    "full": "0 {kind} 0.0",
}
"""What LAMMPS' atom styles have between number and position, of neutral atoms in no molecule."""


def distorted_cell(
    symbols: Sequence[str], repeat: tuple[int, int, int], seed: int, *, tilted: bool = True
) -> Structure:
    """A perovskite supercell, strained and displaced at random by up to 0.15 Å.

    Args:
        symbols: species; with three, A, B and the anion.
        repeat: unit cells along a, b, c.
        seed: of the displacements.
        tilted: let all three angles differ from 90 degrees.
    """
    generator = torch.Generator().manual_seed(seed)
    corners = torch.cartesian_prod(*(torch.arange(n, dtype=torch.float64) for n in repeat))
    sites = torch.tensor(PEROVSKITE_SITES, dtype=torch.float64)
    fractional = (corners[:, None] + sites[None]).reshape(-1, 3)
    unit = torch.tensor([[3.98, 0.0, 0.0], [0.21, 4.03, 0.0], [-0.17, 0.26, 4.08]])
    unit = unit.to(torch.float64) if tilted else torch.diag(torch.diagonal(unit)).to(torch.float64)
    shifts = 0.3 * (torch.rand(fractional.shape, generator=generator, dtype=torch.float64) - 0.5)
    species = torch.tensor([0, 1, 2, 2, 2]).clamp(max=len(symbols) - 1).repeat(len(corners))
    cell = torch.tensor(repeat, dtype=torch.float64)[:, None] * unit
    return Structure(fractional @ unit + shifts, cell, species, tuple(symbols))


def write_data(
    path: Path,
    structure: Structure,
    velocities: torch.Tensor | None = None,
    atom_style: str = "atomic",
) -> None:
    """A LAMMPS data file, to all digits, of a lower triangular cell.

    Args:
        path: to write.
        structure: atoms.
        velocities: Å/ps, (atoms, 3).
        atom_style: one of `ATOM_STYLES`; molecules and charges are zero.

    Raises:
        InputError: another atom style.
    """
    if atom_style not in ATOM_STYLES:
        raise InputError(
            f"expected an atom style of {', '.join(ATOM_STYLES)}, found {atom_style!r}; choose one"
            " of them"
        )
    a, b, c = structure.cell.tolist()
    lines = [
        "written by ocvf-lmp\n",
        f"{structure.n_atoms} atoms\n{len(structure.symbols)} atom types\n",
        f"0 {a[0]!r} xlo xhi\n0 {b[1]!r} ylo yhi\n0 {c[2]!r} zlo zhi",
        f"{b[0]!r} {c[0]!r} {c[1]!r} xy xz yz\n\nMasses\n",
    ]
    masses = dict(zip(structure.species.tolist(), structure.masses.tolist(), strict=True))
    lines += [f"{k + 1} {masses.get(k, 1.0)!r}" for k in range(len(structure.symbols))]
    lines.append(f"\nAtoms # {atom_style}\n")
    for k, (kind, r) in enumerate(
        zip(structure.species.tolist(), structure.positions.tolist(), strict=True), start=1
    ):
        columns = ATOM_STYLES[atom_style].format(kind=kind + 1)
        lines.append(f"{k} {columns} {r[0]!r} {r[1]!r} {r[2]!r}")
    if velocities is not None:
        lines.append("\nVelocities\n")
        for k, v in enumerate(velocities.tolist(), start=1):
            lines.append(f"{k} {v[0]!r} {v[1]!r} {v[2]!r}")
    path.write_text("\n".join(lines) + "\n")
