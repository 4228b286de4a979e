"""A small many-body potential of two species with parameters, for tests of the dynamics."""

import torch

from ocvf_lmp.md.parameters import NptParameters
from ocvf_lmp.md.state import NptState, initial_state


class Toy(torch.nn.Module):
    """Morse pairs and a square-root embedding, smooth at the cutoff (fcc solid, a = 4.1 Å)."""

    symbols = ("Al", "Cu")
    n_hops = 1

    def __init__(self, cutoff: float = 5.5, embedding: float = 0.3) -> None:
        super().__init__()
        self.cutoff = cutoff
        self.depth = torch.nn.Parameter(torch.tensor([[0.20, 0.23], [0.23, 0.26]]).double())
        self.stiffness = torch.nn.Parameter(torch.tensor(1.4).double())
        self.length = torch.nn.Parameter(torch.tensor(3.2).double())
        self.embedding = torch.nn.Parameter(torch.tensor([0.9, 1.1]).double() * embedding)

    def atom_energies(self, edges, species, exchange=None):
        distance = edges.vector.square().sum(dim=1).sqrt()
        envelope = (1.0 - (distance / self.cutoff) ** 2).clamp(min=0.0) ** 4
        soft = torch.exp(-self.stiffness * (distance - self.length))
        depth = self.depth[species[edges.center], species[edges.neighbor]]
        depth = 0.5 * (depth + self.depth[species[edges.neighbor], species[edges.center]])
        zero = torch.zeros(len(species), dtype=distance.dtype)
        pair = zero.index_add(0, edges.center, depth * (soft * soft - 2.0 * soft) * envelope)
        density = zero.index_add(0, edges.center, soft * envelope)
        return pair - self.embedding[species] * torch.sqrt(density + 1e-6)

    def energy(self, edges, species):
        return self.atom_energies(edges, species).sum()


class IdealGas:
    """Atoms that do not feel each other."""

    symbols = ("Ar",)
    cutoff = 1.0
    n_hops = 1

    def atom_energies(self, edges, species, exchange=None):
        return edges.vector.sum() * 0.0 * torch.ones(len(species)).double()

    def energy(self, edges, species):
        return self.atom_energies(edges, species).sum()


FCC = torch.tensor([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]).double()


def solid(params: NptParameters, repeat=(2, 2, 2), tilted=True, seed=0, lattice=4.05):
    """A distorted two-species fcc crystal in a (tilted) cell with thermal momenta."""
    generator = torch.Generator().manual_seed(seed)
    grid = torch.cartesian_prod(*(torch.arange(n).double() for n in repeat))
    fractional = ((grid[:, None] + FCC).reshape(-1, 3)) / torch.tensor(repeat).double()
    cell = torch.diag(torch.tensor(repeat).double() * lattice)
    if tilted:
        tilt = [[1.01, 0.0, 0.0], [0.03, 0.99, 0.0], [-0.02, 0.04, 1.02]]
        cell = cell @ torch.tensor(tilt).double()
    positions = fractional @ cell
    positions = positions + 0.05 * torch.randn(positions.shape, generator=generator).double()
    species = (torch.arange(len(positions)) % 2).long()
    masses = torch.tensor([26.98, 63.55]).double()[species]
    noise = torch.randn(positions.shape, generator=generator, dtype=torch.float64)
    return species, initial_state(positions, cell, masses, params, noise)


def relative(found, expected) -> float:
    """Largest difference, relative to the largest expected number."""
    return float((found - expected).abs().max() / expected.abs().max())


def largest_difference(one: NptState, two: NptState) -> float:
    """Largest difference of two states, each tensor relative to its largest number."""
    pairs = zip(one.dynamic(), two.dynamic(), strict=True)
    return max(float((a - b).abs().max() / b.abs().max().clamp(min=1e-12)) for a, b in pairs)
