"""What every potential offers: energies of atoms from directed edges."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch

from ocvf_lmp.arrays import AtomEnergies, Scalar, Species
from ocvf_lmp.system.edges import Edges

Exchange = Callable[[torch.Tensor], torch.Tensor]
"""Overwrites the rows of ghost atoms, (atoms, features), by those of their owners; its backward
pass adds the gradients of ghost rows to the owners."""


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
