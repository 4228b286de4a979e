"""Sums of potentials, and the corrected Hamiltonian H = H_o + ΔH_θ."""

from collections.abc import Iterator, Sequence

import torch
from torch import nn

from ocvf_lmp.arrays import AtomEnergies, Scalar, Species
from ocvf_lmp.errors import InputError
from ocvf_lmp.potential.protocol import BlackBox, Exchange, Potential
from ocvf_lmp.system.edges import Edges


class Sum(nn.Module):
    """Sum of potentials for the same species.

    Args:
        terms: potentials that are torch modules.

    Raises:
        InputError: the terms do not have the same species in the same order.
    """

    def __init__(self, terms: Sequence[nn.Module]) -> None:
        super().__init__()
        self.terms = nn.ModuleList(terms)
        species = {term.symbols for term in terms}
        if len(species) != 1:
            raise InputError(
                f"expected potentials for the same species in the same order, found {species};"
                " reorder the species of one of them"
            )
        self.symbols: tuple[str, ...] = species.pop()  # pyright: ignore
        self.cutoff: float = max(float(term.cutoff) for term in terms)  # pyright: ignore
        self.n_hops: int = max(int(term.n_hops) for term in terms)  # pyright: ignore

    def atom_energies(
        self, edges: Edges, species: Species, exchange: Exchange | None = None
    ) -> AtomEnergies:
        """Energy of each atom, eV, (atoms,)."""
        parts = [term.atom_energies(edges, species, exchange) for term in self.terms]  # pyright: ignore
        return torch.stack(parts).sum(dim=0) if len(parts) > 2 else sum(parts[1:], parts[0])

    def energy(self, edges: Edges, species: Species) -> Scalar:
        """Total energy, eV."""
        return self.atom_energies(edges, species).sum()


class Corrected(Sum):
    """H_o + ΔH_θ: the prior is frozen, the correction may train (OCVF section III D).

    Args:
        prior: H_o; its parameters are set not to require gradients.
        correction: ΔH_θ, zero at the start of training.
    """

    CORRECTION = "terms.1."
    """Beginning of the names of the correction's parameters."""

    def __init__(self, prior: nn.Module, correction: nn.Module) -> None:
        super().__init__([prior.requires_grad_(False), correction])

    @property
    def prior(self) -> nn.Module:
        """H_o."""
        return self.terms[0]

    @property
    def correction(self) -> nn.Module:
        """ΔH_θ."""
        return self.terms[1]


def split(potential: Potential) -> tuple[Potential | None, tuple[BlackBox, ...]]:
    """The part of a potential that torch can differentiate, and its black boxes.

    Returns:
        The potential itself where it has no black box; else the sum of its other terms (None if
        there are none), with the parameters of the original, and the black boxes.
    """
    terms = list(_terms(potential))
    boxes = tuple(term for term in terms if isinstance(term, BlackBox))
    if not boxes:
        return potential, ()
    rest: list[nn.Module] = [term for term in terms if not isinstance(term, BlackBox)]
    if len(rest) > 1:
        return Sum(rest), boxes
    return (rest[0] if rest else None), boxes  # pyright: ignore


def _terms(potential: object) -> Iterator[nn.Module]:
    if not isinstance(potential, Sum):
        yield potential  # pyright: ignore
        return
    for term in potential.terms:
        yield from _terms(term)
