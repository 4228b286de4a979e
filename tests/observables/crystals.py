"""Harmonic crystals whose partials are known in closed form."""

import math

import torch

from ocvf_lmp.observables.rdf import PartialGrid, partials
from ocvf_lmp.system.cell import volume
from ocvf_lmp.system.neighbors import build_neighbors
from ocvf_lmp.system.structure import Structure

F64 = torch.float64


def nickel(a: float = 3.5238) -> Structure:
    fractional = torch.tensor([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]], dtype=F64)
    cell = a * torch.eye(3, dtype=F64)
    return Structure(fractional @ cell, cell, torch.zeros(4, dtype=torch.long), ("Ni",))


def tetragonal_bto() -> Structure:
    """P4mm of Shirane et al. (1957)."""
    cell = torch.diag(torch.tensor([3.9945, 3.9945, 4.0335], dtype=F64))
    fractional = torch.tensor(
        [[0, 0, 0], [0.5, 0.5, 0.515], [0.5, 0.5, -0.023], [0.5, 0, 0.486], [0, 0.5, 0.486]],
        dtype=F64,
    )
    return Structure(fractional @ cell, cell, torch.tensor([0, 1, 2, 2, 2]), ("Ba", "Ti", "O"))


def harmonic_partials(
    structure: Structure, grid: PartialGrid, variances: list[float]
) -> torch.Tensor:
    """Partials of atoms that vibrate isotropically and independently.

    The distance of two such atoms has the density r·g ~ N(r - d; u_a + u_b)/d exactly, which is
    the histogram's own smearing with another width.
    """
    wide = [
        PartialGrid(grid.n_species, grid.r_max, grid.dr, math.sqrt(variances[a] + variances[b]))
        for a, b in grid.pairs
    ]
    reach = max(w.cutoff for w in wide)
    neighbors = build_neighbors(structure.positions, structure.cell, reach)
    args = structure.positions, structure.cell, structure.species
    return torch.stack([partials(*args, w, neighbors)[k] for k, w in enumerate(wide)])


def pair_distances(structure: Structure, a: int, b: int, reach: float) -> torch.Tensor:
    """Distances from every atom of species a to all atoms of species b."""
    found = build_neighbors(structure.positions, structure.cell, reach)
    kind = (structure.species[found.center] == a) & (structure.species[found.neighbor] == b)
    vector = structure.positions[found.neighbor] - structure.positions[found.center]
    return (vector + found.shift @ structure.cell)[kind].norm(dim=1)


def pdffit_partials(
    structure: Structure, grid: PartialGrid, variances: list[float]
) -> torch.Tensor:
    """The same in PDFFIT's approximation, N(r - d)/r instead of N(r - d)/d, pair by pair."""
    r = grid.r()
    counts = torch.bincount(structure.species)
    rows = []
    for a, b in grid.pairs:
        d = pair_distances(structure, a, b, grid.r_max + 1.0)
        sigma = math.sqrt(variances[a] + variances[b])
        peaks = torch.exp(-0.5 * ((r[:, None] - d) / sigma) ** 2).sum(dim=1)
        peaks = peaks / (sigma * math.sqrt(2 * math.pi))
        norm = volume(structure.cell) / (4 * math.pi * counts[a] * counts[b])
        rows.append(norm * peaks / r**2)
    return torch.stack(rows)
