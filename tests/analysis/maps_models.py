"""Potentials with known energy surfaces."""

import numpy as np
import torch
from torch import nn

from ocvf_lmp.analysis.maps.energies import Crystal
from ocvf_lmp.system.neighbors import build_neighbors, edges_from
from ocvf_lmp.system.structure import perovskite

SYMBOLS = ("Ba", "Ti", "O")
LATTICE = 4.0
CRYSTAL = Crystal(SYMBOLS, LATTICE)
REACH = 3.0


class Bonds(nn.Module):
    """c (r² - R²)² between B and the anion, nothing between others.

    With d = a/2 and q = d² - R² the six bonds of B at a displacement u of B alone have, in any
    direction, the energy c (6 (q + u²)² + 8 d² u²).
    """

    symbols, cutoff, n_hops = SYMBOLS, REACH, 1

    def __init__(self, strength: float) -> None:
        super().__init__()
        self.strength = strength

    def atom_energies(self, edges, species, exchange=None):
        one, other = species[edges.center], species[edges.neighbor]
        bond = ((one == 1) & (other == 2)) | ((one == 2) & (other == 1))
        squared = edges.vector.square().sum(dim=1)
        pair = 0.5 * self.strength * (squared - REACH**2) ** 2 * bond
        return torch.zeros(len(species), dtype=squared.dtype).index_add(0, edges.center, pair)

    def energy(self, edges, species):
        return self.atom_energies(edges, species).sum()


def bonds_curve(strength: float, u: np.ndarray) -> np.ndarray:
    """What `Bonds` gives at off-centrings u, less the value at 0."""
    d = 0.5 * LATTICE
    q = d**2 - REACH**2
    return strength * (6 * (q + u**2) ** 2 + 8 * d**2 * u**2 - 6 * q**2)


def directly(potential, u, lattice: float = LATTICE) -> float:
    """Energy with B displaced in a cell of its own, eV."""
    cubic = perovskite(SYMBOLS, (1, 1, 1), (lattice,) * 3, tuple(map(float, u)))
    neighbors = build_neighbors(cubic.positions, cubic.cell, potential.cutoff)
    with torch.no_grad():
        edges = edges_from(neighbors, cubic.positions, cubic.cell)
        return float(potential.energy(edges, cubic.species))
