"""A periodic configuration of atoms, and the perovskite cells it is usually made from."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from ocvf_lmp.arrays import Cell, Positions, Species
from ocvf_lmp.errors import InputError

if TYPE_CHECKING:
    from ase import Atoms

PEROVSKITE_SITES = (
    (0.0, 0.0, 0.0),
    (0.5, 0.5, 0.5),
    (0.5, 0.5, 0.0),
    (0.5, 0.0, 0.5),
    (0.0, 0.5, 0.5),
)
"""Fractional coordinates of A, B, O, O, O in the cubic ABO3 cell."""


@dataclass(frozen=True, slots=True)
class Structure:
    """Atoms in a periodic cell.

    Attributes:
        positions: Å, (atoms, 3).
        cell: vectors as rows, Å, (3, 3).
        species: index of each atom's species in `symbols`, (atoms,).
        symbols: chemical symbols.
    """

    positions: Positions
    cell: Cell
    species: Species
    symbols: tuple[str, ...]

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return len(self.species)

    @property
    def masses(self) -> torch.Tensor:
        """Standard atomic masses, amu, (atoms,)."""
        from ase.data import atomic_masses, atomic_numbers  # noqa: PLC0415 (slow import)

        table = torch.tensor([float(atomic_masses[atomic_numbers[s]]) for s in self.symbols])
        return table.to(self.positions.dtype)[self.species]

    def to_ase(self) -> "Atoms":
        """The same configuration as an `ase.Atoms` object."""
        from ase import Atoms  # noqa: PLC0415 (slow import)

        names = [self.symbols[int(k)] for k in self.species]
        return Atoms(names, positions=self.positions.numpy(), cell=self.cell.numpy(), pbc=True)


def from_ase(atoms: "Atoms", symbols: tuple[str, ...]) -> Structure:
    """A structure from `ase.Atoms`.

    Args:
        atoms: periodic in all three directions.
        symbols: the species that a potential knows, in its order.

    Raises:
        InputError: a species is not among `symbols`, or the cell is not periodic.
    """
    strange = sorted(set(atoms.get_chemical_symbols()) - set(symbols))
    if strange:
        raise InputError(
            f"expected atoms of the species {', '.join(symbols)}, found also {', '.join(strange)};"
            " choose a potential that knows them or remove these atoms"
        )
    if not all(atoms.pbc) or abs(atoms.cell.volume) < 1e-6:
        raise InputError(
            "expected a structure periodic in three directions, found pbc "
            f"{list(map(bool, atoms.pbc))} and a cell of volume {atoms.cell.volume:.3g} Å³;"
            " set the cell and pbc in the file"
        )
    species = torch.tensor([symbols.index(s) for s in atoms.get_chemical_symbols()])
    return Structure(
        torch.from_numpy(np.array(atoms.positions, dtype=float)),
        torch.from_numpy(np.array(atoms.cell.array, dtype=float)),
        species,
        symbols,
    )


def perovskite(
    symbols: tuple[str, str, str],
    repeat: tuple[int, int, int],
    lattice: tuple[float, float, float],
    off_centering: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> Structure:
    """An ABO3 supercell, unit cell after unit cell, in the order A, B, O, O, O.

    Args:
        symbols: A, B and the anion.
        repeat: number of unit cells along a, b, c.
        lattice: lengths a, b, c of the unit cell, Å (orthogonal).
        off_centering: displacement of B from the centre of its cage, Å.
    """
    sites = np.array(PEROVSKITE_SITES)
    corners = np.stack(
        np.meshgrid(*(np.arange(n) for n in repeat), indexing="ij"), axis=-1
    ).reshape(-1, 1, 3)
    positions = ((corners + sites[None]) * np.array(lattice)).reshape(-1, 3)
    positions[1::5] += np.array(off_centering)
    cell = np.diag(np.array(repeat) * np.array(lattice))
    species = torch.tensor([0, 1, 2, 2, 2]).repeat(len(corners))
    return Structure(torch.from_numpy(positions), torch.from_numpy(cell), species, symbols)
