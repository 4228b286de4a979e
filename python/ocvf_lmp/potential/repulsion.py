"""Fixed short-range repulsion: what no network learns from data in which atoms never meet."""

import torch
from torch import Tensor, nn

from ocvf_lmp.arrays import AtomEnergies, EdgeIndex, Scalar, Species
from ocvf_lmp.potential.kernels import Pairs, close_edges
from ocvf_lmp.potential.protocol import Exchange
from ocvf_lmp.potential.radial import envelope
from ocvf_lmp.system.edges import Edges

COULOMB = 14.399645
"""e²/(4πε₀), eV Å."""

_AMPLITUDES = (0.18175, 0.50986, 0.28022, 0.02817)
_DECAYS = (3.19980, 0.94229, 0.40290, 0.20162)


class Repulsion(nn.Module):
    """Screened nuclear repulsion (Ziegler, Biersack & Littmark 1985), switched off smoothly.

    E_ij = Z_i Z_j e²/(4πε₀ r) φ(r/a) u(r/outer) with the universal screening function φ,
    a = 0.4685 Å/(Z_i^0.23 + Z_j^0.23), and the envelope u of the radial basis. Nothing is added
    at or beyond `outer`, which is the shortest distance found in the reference data, so that the
    fit to the data is unchanged.

    Args:
        symbols: chemical symbols, in the order of the species indices.
        outer: distance from which nothing is added, Å, symmetric (species, species).
    """

    outer: Tensor
    charge: Tensor

    def __init__(self, symbols: tuple[str, ...], outer: Tensor) -> None:
        super().__init__()
        from ase.data import atomic_numbers  # noqa: PLC0415 (slow import)

        self.symbols = symbols
        self.cutoff = float(outer.max())
        self.n_hops = 1
        charge = torch.tensor([float(atomic_numbers[s]) for s in symbols], dtype=torch.float64)
        self.register_buffer("outer", outer.to(torch.float64))
        self.register_buffer("charge", charge, persistent=False)
        self.register_buffer("amplitudes", torch.tensor(_AMPLITUDES, dtype=torch.float64), False)
        self.register_buffer("decays", torch.tensor(_DECAYS, dtype=torch.float64), False)

    def atom_energies(
        self, edges: Edges, species: Species, exchange: Exchange | None = None
    ) -> AtomEnergies:
        """Half of each pair's energy on each of its atoms, eV, (atoms,)."""
        del exchange
        close = self.close(edges, species)
        energies = edges.vector.new_zeros(len(species))
        if len(close) == 0:
            return energies + 0.0 * edges.vector.sum()
        center, neighbor = edges.center[close], edges.neighbor[close]
        distance = torch.linalg.vector_norm(edges.vector[close], dim=1)
        outer = self.outer[species[center], species[neighbor]]
        z1, z2 = self.charge[species[center]], self.charge[species[neighbor]]
        reduced = distance * (z1**0.23 + z2**0.23) / 0.46850
        screening = torch.exp(-reduced[:, None] * self.get_buffer("decays")) @ self.get_buffer(
            "amplitudes"
        )
        pair = COULOMB * z1 * z2 / distance * screening * envelope(distance / outer)
        return energies.index_add(0, center, 0.5 * pair)

    def close(self, edges: Edges, species: Species) -> EdgeIndex:
        """Which edges are short enough to count."""
        indices = (edges.center, edges.neighbor, species)
        pairs = Pairs(*(x.contiguous() for x in indices))
        return close_edges(pairs, edges.vector.detach().contiguous(), self.outer)

    def energy(self, edges: Edges, species: Species) -> Scalar:
        """Total energy, eV."""
        return self.atom_energies(edges, species).sum()
