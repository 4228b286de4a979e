"""Energies and forces of displaced cubic cells, by any potential of the package."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from ocvf_lmp.analysis.maps.displacements import Pattern, displaced
from ocvf_lmp.arrays import Species
from ocvf_lmp.errors import InputError
from ocvf_lmp.potential.composite import split
from ocvf_lmp.potential.protocol import Potential
from ocvf_lmp.system.edges import Edges
from ocvf_lmp.system.neighbors import NeighborList, build_neighbors, edges_from
from ocvf_lmp.system.structure import perovskite

MAX_EDGES = 1 << 14
"""Edges that a potential is called with at a time; its arrays should stay in cache."""

ATOMS = 5
"""Of the formula unit."""


@dataclass(frozen=True, slots=True)
class Crystal:
    """A cubic perovskite whose ions can be displaced.

    Attributes:
        symbols: A, B and the anion.
        lattice: constant, Å.
    """

    symbols: tuple[str, str, str]
    lattice: float

    @property
    def cell(self) -> torch.Tensor:
        """Rows, Å, (3, 3)."""
        return self.lattice * torch.eye(3, dtype=torch.float64)

    def species(self, potential: Potential) -> Species:
        """Indices of A, B, O, O, O among the potential's symbols.

        Raises:
            InputError: the potential does not know them.
        """
        known = tuple(potential.symbols)
        strange = sorted(set(self.symbols) - set(known))
        if strange:
            raise InputError(
                f"expected a potential for {', '.join(self.symbols)}, found one for"
                f" {', '.join(known)}; name the species of the potential"
            )
        a, b, x = (known.index(s) for s in self.symbols)
        return torch.tensor([a, b, x, x, x])


def energies(
    potential: Potential, crystal: Crystal, pattern: Pattern, u: np.ndarray
) -> Float[np.ndarray, " frames"]:
    """Energy of a formula unit at each displacement, eV; no statistics are involved.

    Args:
        potential: also one with a black box in it. Experts act at the temperature they are set to.
        crystal: undisplaced.
        pattern: who moves.
        u: off-centrings, Å, (frames, 3).

    Raises:
        InputError: the potential does not know the species, or cannot be evaluated here.
        ModelFileError: it holds a calculator that is only named.
    """
    species = crystal.species(potential)
    positions = displaced(crystal.lattice, pattern, torch.as_tensor(u, dtype=torch.float64))
    rest, boxes = split(potential)
    total = torch.zeros(len(positions), dtype=torch.float64)
    with torch.no_grad():
        if rest is not None:
            total += _of_edges(rest, crystal, species, positions)
        for box in boxes:
            found = [box.configuration_energy(x, crystal.cell, species) for x in positions]
            total += torch.stack(found).to(total.dtype)
    return total.numpy()


def forces(
    potential: Potential, crystal: Crystal, pattern: Pattern, u: np.ndarray
) -> Float[np.ndarray, "5 3"]:
    """Forces on A, B, O, O, O at one displacement, eV/Å.

    Args:
        potential: see `energies`.
        crystal: see there.
        pattern: see there.
        u: off-centring, Å, (3,).

    Raises:
        InputError: see `energies`.
        ModelFileError: see there.
    """
    species = crystal.species(potential)
    moved = torch.as_tensor(u, dtype=torch.float64)[None]
    positions = displaced(crystal.lattice, pattern, moved)[0]
    rest, boxes = split(potential)
    total = torch.zeros_like(positions)
    if rest is not None:
        x = positions.requires_grad_(True)
        neighbors = build_neighbors(x, crystal.cell, rest.cutoff)
        energy = rest.energy(edges_from(neighbors, x, crystal.cell), species)
        total -= torch.autograd.grad(energy, x)[0]
    for box in boxes:
        total += box.mechanics(positions.detach(), crystal.cell, species)[1]
    return total.detach().numpy()


def _of_edges(
    potential: Potential, crystal: Crystal, species: Species, positions: torch.Tensor
) -> torch.Tensor:
    a = crystal.lattice
    sites = perovskite(crystal.symbols, (1, 1, 1), (a, a, a)).positions
    furthest = float(torch.linalg.vector_norm(positions - sites, dim=2).max())
    neighbors = build_neighbors(sites, crystal.cell, potential.cutoff, 2.0 * furthest + 1e-6)
    step = max(MAX_EDGES // max(len(neighbors.center), 1), 1)
    found = []
    for piece in positions.split(step):
        edges = _stacked(neighbors, piece, crystal.cell)
        of_atoms = potential.atom_energies(edges, species.repeat(len(piece)))
        found.append(of_atoms.view(len(piece), -1).sum(dim=1))
    return torch.cat(found)


def _stacked(neighbors: NeighborList, positions: torch.Tensor, cell: torch.Tensor) -> Edges:
    """Edges of configurations that share a neighbour list, atoms numbered through.

    An edge and its reverse have vectors that are opposite to the last bit, so that the cutoff never
    splits them.
    """
    center, neighbor = neighbors.center, neighbors.neighbor
    n_atoms = positions.shape[1]
    vector = positions[:, neighbor] - positions[:, center] + neighbors.shift @ cell
    inside = vector.square().sum(dim=2) < neighbors.cutoff**2
    frame, edge = inside.nonzero(as_tuple=True)
    rank = inside.flatten().cumsum(0) - 1
    return Edges(
        center[edge] + n_atoms * frame,
        neighbor[edge] + n_atoms * frame,
        vector[inside],
        rank[frame * len(center) + neighbors.reverse[edge]],
    )
