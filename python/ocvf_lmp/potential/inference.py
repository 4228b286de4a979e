"""Energies of atoms and their slopes along the edges, in one go and without a graph.

What dynamics asks of a potential at every step. A graph serves training, where it is differentiated
further; to build one costs a small system a quarter of its step. Networks that the CPU kernels know
are taken back by hand here: their sums of messages, the output layers, the way back. Everything
else goes through autograd, term by term.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from ocvf_lmp.arrays import AtomEnergies, EdgeIndex, EdgeVectors, Species
from ocvf_lmp.potential import fused
from ocvf_lmp.potential.dimenet import DimeNet
from ocvf_lmp.potential.experts import weighted_terms
from ocvf_lmp.potential.kernels import Pairs, kernel_of
from ocvf_lmp.potential.layout import center_order, reordered
from ocvf_lmp.potential.protocol import Exchange, Potential
from ocvf_lmp.potential.readout import reader_of
from ocvf_lmp.potential.repulsion import Repulsion
from ocvf_lmp.system.edges import Edges


@dataclass(frozen=True, slots=True)
class _Request:
    """What a term is asked for: sorted edges without a graph, and rows as the caller names them."""

    edges: Edges
    species: Tensor
    rows: Tensor
    exchange: Exchange | None

    @property
    def pairs(self) -> Pairs:
        return Pairs(self.edges.center, self.edges.neighbor, self.species)

    def nothing(self) -> Tensor:
        """Zeros, (rows,), float64."""
        return torch.zeros(len(self.rows), dtype=torch.float64, device=self.rows.device)


_Found = tuple[Tensor, Tensor | None]
"""Energies of the rows, eV, float64, and slopes, eV/Å, (edges, 3); None: all zero."""


def energies_and_slopes(
    potential: Potential | nn.Module,
    edges: Edges,
    species: Species,
    rows: EdgeIndex,
    exchange: Exchange | None = None,
) -> tuple[AtomEnergies, EdgeVectors]:
    """Energies of some atoms, and the derivative of their sum by the edge vectors.

    With an exchange between ranks the sum is that over all of them. Every rank has to call this
    alike, one without atoms too.

    Args:
        potential: a potential of torch whose weights stand still.
        edges: Å; closed under reversal, or with an exchange those whose centre is owned, or a ghost
            that matters.
        species: (atoms,), ghosts included.
        rows: the atoms whose energies count, (rows,).
        exchange: of ghost rows.

    Returns:
        Energies of these atoms, eV, (rows,), float64; slopes, eV/Å, (edges, 3), in the precision of
        the edges. How both edges of a pair share a slope is left open: only the slope of one less
        that of the other has a meaning, the pair's force.
    """
    order = center_order(edges)
    with torch.no_grad():
        used = edges if order is None else reordered(edges, order)
        parts = (x.contiguous() for x in (used.center, used.neighbor, used.vector.detach()))
        used = Edges(*parts, reverse=used.reverse)
        asked = _Request(used, species.contiguous(), rows.contiguous(), exchange)
        energies, slopes = _term(potential, asked)
        if slopes is None:
            slopes = torch.zeros_like(edges.vector)
        if order is not None:
            slopes = torch.empty_like(slopes).index_copy_(0, order, slopes)
    return energies, slopes


def _term(potential: Potential | nn.Module, asked: _Request) -> _Found:
    terms = weighted_terms(potential)
    if terms is not None:
        return _total(terms, asked)
    if isinstance(potential, DimeNet) and fused.applies(potential, asked.edges.vector):
        return _network(potential, asked)
    if isinstance(potential, Repulsion):
        return _repulsion(potential, asked)
    return _by_autograd(potential, asked)


def _total(terms: Sequence[tuple[float, nn.Module]], asked: _Request) -> _Found:
    energies = asked.nothing()
    slopes: Tensor | None = None
    for weight, term in terms:
        energy, slope = _term(term, asked)
        energies.add_(energy, alpha=weight)
        if slope is not None:
            slope = slope if weight == 1.0 else slope.mul_(weight)
            slopes = slope if slopes is None else slopes.add_(slope)
    return energies, slopes


def _network(network: DimeNet, asked: _Request) -> _Found:
    vector, pairs, exchange = asked.edges.vector, asked.pairs, asked.exchange
    width = network.size.n_features
    kernel, _ = kernel_of(network, vector.dtype)
    own, arrived = (vector.new_zeros(len(asked.species), width) for _ in range(2))
    kernel.run(pairs, vector, own=own, arrived=arrived)
    sums = [own]
    if len(network.blocks):
        sums.append(arrived if exchange is None else exchange.to_owners(arrived))
    gradients = [torch.zeros_like(s) for s in sums]
    energies = reader_of(network, vector.dtype).read(asked.rows, asked.species, sums, gradients)
    if len(network.blocks) and exchange is not None:
        gradients[1] = exchange.to_ghosts(gradients[1])
    slopes = torch.empty_like(vector)
    kernel.run(pairs, vector, of_own=gradients[0], of_arrived=gradients[-1], slope=slopes)
    return energies, slopes


def _repulsion(term: Repulsion, asked: _Request) -> _Found:
    """By autograd for the edges that are short enough, if there are any."""
    edges = asked.edges
    close = term.close(edges, asked.species)
    if len(close) == 0:
        return asked.nothing(), None
    few = Edges(edges.center[close], edges.neighbor[close], edges.vector[close])
    energies, slopes = _by_autograd(term, replace(asked, edges=few))
    assert slopes is not None
    return energies, torch.zeros_like(edges.vector).index_copy_(0, close, slopes)


def _by_autograd(potential: Potential | nn.Module, asked: _Request) -> _Found:
    edges = asked.edges
    vector = edges.vector.detach().requires_grad_(True)
    with torch.enable_grad(), fused.of_vectors_alone():
        moving = Edges(edges.center, edges.neighbor, vector, edges.reverse)
        energies = potential.atom_energies(moving, asked.species, asked.exchange)  # pyright: ignore
        energies = energies[asked.rows].to(torch.float64)
        (slopes,) = torch.autograd.grad(energies.sum(), vector)
    return energies.detach(), slopes
