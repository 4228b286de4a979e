"""What every potential offers: energies of atoms from directed edges."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch

from ocvf_lmp.arrays import AtomEnergies, Cell, Forces, Matrix3, Positions, Scalar, Species
from ocvf_lmp.system.edges import Edges


@dataclass(frozen=True, slots=True)
class Exchange:
    """Rows, (atoms, features), between owned atoms and their ghosts; each is the other's transpose.

    Attributes:
        to_ghosts: overwrites the rows of ghosts by those of their owners.
        to_owners: adds the rows of ghosts to those of their owners; what it leaves on the ghosts
            is of no meaning.
    """

    to_ghosts: Callable[[torch.Tensor], torch.Tensor]
    to_owners: Callable[[torch.Tensor], torch.Tensor]


@runtime_checkable
class Potential(Protocol):
    """An energy that is a sum over atoms, smooth and differentiable twice.

    Attributes:
        symbols: chemical symbols in the order of the species indices.
        cutoff: length beyond which an edge contributes nothing, Å.
        n_hops: how many edges away an atom's energy depends on others.
    """

    symbols: tuple[str, ...]
    cutoff: float
    n_hops: int

    def atom_energies(
        self, edges: Edges, species: Species, exchange: Exchange | None = None
    ) -> AtomEnergies:
        """Energy of each atom, eV, (atoms,)."""
        ...

    def energy(self, edges: Edges, species: Species) -> Scalar:
        """Total energy, eV."""
        ...


@runtime_checkable
class BlackBox(Protocol):
    """An energy of whole configurations, with its first derivatives and no more.

    Attributes:
        symbols: chemical symbols in the order of the species indices.
        name: what messages call it.
    """

    symbols: tuple[str, ...]

    @property
    def name(self) -> str:
        """See above."""
        ...

    def mechanics(
        self, positions: Positions, cell: Cell, species: Species
    ) -> tuple[Scalar, Forces, Matrix3]:
        """Energy (eV), forces (eV/Å) and virial -dE/dstrain (eV, symmetric); no graph."""
        ...

    def configuration_energy(self, positions: Positions, cell: Cell, species: Species) -> Scalar:
        """Energy alone, eV; no graph."""
        ...
