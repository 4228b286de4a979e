"""Directional message passing with a factorised angular sum (modified DimeNet++).

Messages m_ji live on directed edges (Gasteiger et al. 2020, 2020b; OCVF eq. 7). The angular filter
is linear in P_l(cos α), so the addition theorem turns the sum over triplets into

    Σ_k x_kj R_l(d_kj) P_l(cos α_kj,ji) = Σ_m Y_lm(r̂_ji) [Σ_k x_kj R_l(d_kj) Y_lm(r̂_jk)],

whose bracket is built once an atom. Modifications against DimeNet++: this factorisation, the
radial part of every l expanded in the same Bessel functions, one residual update a block, and
energies that are a nonlinear function of the messages summed over an atom.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ocvf_lmp.arrays import AtomEnergies, Scalar, Species
from ocvf_lmp.errors import InputError
from ocvf_lmp.potential import fused
from ocvf_lmp.potential.angular import SphericalHarmonics
from ocvf_lmp.potential.blocks import DimeNetSize, InteractionBlock, OutputBlock, angular_sums
from ocvf_lmp.potential.layout import EdgeTable, by_center, tabulate
from ocvf_lmp.potential.protocol import Exchange
from ocvf_lmp.potential.radial import BesselBasis
from ocvf_lmp.system.edges import Edges


@dataclass(frozen=True, slots=True)
class _Geometry:
    """What all blocks share: basis functions on the table's slots."""

    table: EdgeTable
    radial: Tensor
    harmonics: list[Tensor]


class DimeNet(nn.Module):
    """Energies of atoms by directional message passing.

    Args:
        symbols: chemical symbols, in the order of the species indices.
        size: widths and cutoff.
        generator: random stream for the initial weights.
        zero_start: let the last layer start at zero, so that the energy is exactly zero.
    """

    scale: Tensor
    shift: Tensor

    def __init__(
        self,
        symbols: tuple[str, ...],
        size: DimeNetSize,
        generator: torch.Generator,
        zero_start: bool = False,
    ) -> None:
        super().__init__()
        self.symbols, self.size = symbols, size
        self.cutoff, self.n_hops = size.cutoff, size.n_blocks + 1
        self.basis = BesselBasis(size.n_radial, size.cutoff)
        self.spherical = SphericalHarmonics(size.l_max)
        self.embed_source = nn.Embedding(len(symbols), size.n_features)
        self.embed_target = nn.Embedding(len(symbols), size.n_features)
        self.embed_radial = nn.Linear(size.n_radial, size.n_features, bias=False)
        self.embed_dense = nn.Linear(size.n_features, size.n_features)
        self.blocks = nn.ModuleList(InteractionBlock(size) for _ in range(size.n_blocks))
        self.outputs = nn.ModuleList(OutputBlock(size) for _ in range(size.n_blocks + 1))
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("shift", torch.zeros(len(symbols)))
        self.to(torch.float64)
        _initialise(self, generator, zero_start)

    def atom_energies(
        self, edges: Edges, species: Species, exchange: Exchange | None = None
    ) -> AtomEnergies:
        """Energy of each atom, eV.

        Args:
            edges: edges within at least the cutoff. Without `exchange` they must be closed under
                reversal (`edges.reverse`), as in a periodic cell.
            species: (atoms,).
            exchange: brings ghost rows up to date; edges then need centres on owned atoms only.

        Raises:
            InputError: neither `edges.reverse` nor `exchange` was given.
        """
        if exchange is None and edges.reverse is None:
            raise InputError(
                "expected edges with their reverse or an exchange of ghost rows, found neither;"
                " build the edges by `edges_from`, or hand over the host's exchange"
            )
        if fused.applies(self, edges.vector):
            atoms, rows = self._fused(edges, species, exchange)
        else:
            table = tabulate(edges, len(species), self.cutoff, all_atoms=exchange is None)
            geometry, atoms = self._geometry(table), table.atoms
            if exchange is None:
                rows = self._closed(geometry, species)
            else:
                rows = self._exchanged(geometry, species, exchange)
        if len(atoms) != len(species):  # atoms without edges have no row
            isolated = self._isolated(rows).expand(len(species))
            rows = isolated.index_copy(0, atoms, rows)
        return rows * self.scale + self.shift[species]

    def energy(self, edges: Edges, species: Species) -> Scalar:
        """Total energy, eV."""
        return self.atom_energies(edges, species).sum()

    def energy_along(self, edges: Edges, direction: Tensor, species: Species) -> Scalar:
        """Derivative of the energy along a direction, by the kernels; see `along.energy_along`."""
        turned = by_center(Edges(edges.center, edges.neighbor, direction)).vector
        found = fused.sums_along(self, by_center(edges), turned, species)
        n_sums = 1 + len(self.blocks)
        sums, tangents = found[:n_sums], found[2 : 2 + n_sums]
        energy = (self._read(found[0], found[1]) * self.scale).sum()
        slopes = torch.autograd.grad(energy, sums, create_graph=True)
        return torch.stack([(s * t).sum() for s, t in zip(slopes, tangents, strict=True)]).sum()

    def _rounds(self) -> "zip[tuple[InteractionBlock, OutputBlock]]":
        """Each interaction block with the output block that reads its messages."""
        return zip(self.blocks, list(self.outputs)[1:], strict=True)  # pyright: ignore

    def _geometry(self, table: EdgeTable) -> _Geometry:
        distance = torch.linalg.vector_norm(table.vector, dim=-1, keepdim=True)
        return _Geometry(table, self.basis(distance), self.spherical(table.vector / distance))

    def _embed(self, radial: Tensor, source: Tensor, target: Tensor) -> Tensor:
        first = self.embed_source(source) + self.embed_target(target) + self.embed_radial(radial)
        return nn.functional.silu(self.embed_dense(nn.functional.silu(first)))

    def _fused(
        self, edges: Edges, species: Species, exchange: Exchange | None
    ) -> tuple[Tensor, Tensor]:
        """Atoms that have a row, and their energies, from the kernels' sums."""
        edges = by_center(edges)
        own, arrived = fused.message_sums(self, edges, species)
        if exchange is None:
            atoms = torch.arange(len(species), device=species.device)
        else:
            arrived = exchange.to_owners(arrived) if len(self.blocks) else arrived
            atoms = torch.unique_consecutive(edges.center)
            own, arrived = own.index_select(0, atoms), arrived.index_select(0, atoms)
        return atoms, self._read(own, arrived)

    def _read(self, own: Tensor, arrived: Tensor) -> Tensor:
        """Energies in units of the scale, (atoms,), from the kernels' sums."""
        energies = self.outputs[0].energies(own)  # pyright: ignore
        if len(self.blocks):
            energies = energies + self.outputs[1].energies(arrived)  # pyright: ignore
        return energies

    def _closed(self, geometry: _Geometry, species: Species) -> Tensor:
        """Messages kept on the edges of their source; the opposite edge is in the same table."""
        table, radial = geometry.table, geometry.radial
        here, there = species[table.atoms][:, None], species[table.neighbor]
        reverse = table.reverse
        assert reverse is not None
        outgoing = self._embed(radial, here, there)
        incoming = self._embed(radial, there, here)
        energies = self.outputs[0](incoming, radial)
        for block, output in self._rounds():
            filters = block.filters(radial)
            contributions = block.contributions(incoming, filters)
            brackets = block.gather(contributions, geometry.harmonics)
            angular = angular_sums(contributions, brackets, geometry.harmonics)
            outgoing = block.advance(outgoing, angular)
            incoming = outgoing.flatten(0, 1)[reverse].view_as(outgoing)
            energies = energies + output(incoming, radial)
        return energies

    def _exchanged(self, geometry: _Geometry, species: Species, exchange: Exchange) -> Tensor:
        """Energies where the edges of ghosts are not at hand.

        Before the last block, messages of both directions are kept on each edge, and brackets of
        ghosts come from their owners. In the last, every atom updates only the messages that leave
        it, adds them up at their targets, and owners collect the sums of their ghosts.
        """
        table, radial, harmonics = geometry.table, geometry.radial, geometry.harmonics
        here, there = species[table.atoms][:, None], species[table.neighbor]
        outgoing = self._embed(radial, here, there)
        incoming = self._embed(radial, there, here)
        energies = self.outputs[0](incoming, radial)
        for depth, (block, output) in enumerate(self._rounds()):
            filters = block.filters(radial)
            toward = block.contributions(incoming, filters)
            brackets = block.gather(toward, harmonics)
            away = block.contributions(outgoing, filters) if depth + 1 < len(self.blocks) else None
            outgoing = block.advance(outgoing, angular_sums(toward, brackets, harmonics))
            if away is None:
                summed = self._collect(
                    output.contributions(outgoing, radial), table, exchange, len(species)
                )
            else:
                everywhere = self._spread(brackets, table, exchange, len(species))
                theirs = self._from_neighbors(everywhere, table.neighbor, harmonics, away)
                incoming = block.advance(incoming, theirs)
                summed = output.contributions(incoming, radial).sum(dim=1)
            energies = energies + output.energies(summed)
        return energies

    @staticmethod
    def _spread(
        brackets: list[Tensor], table: EdgeTable, exchange: Exchange, n_atoms: int
    ) -> Tensor:
        """Brackets of all atoms, ghosts too, (atoms, width)."""
        flat = torch.cat([b.flatten(1) for b in brackets], dim=1)
        everywhere = flat.new_zeros(n_atoms, flat.shape[1])
        return exchange.to_ghosts(everywhere.index_copy(0, table.atoms, flat))

    @staticmethod
    def _collect(leaving: Tensor, table: EdgeTable, exchange: Exchange, n_atoms: int) -> Tensor:
        """Sums, over each row's atom, of what leaves its neighbours, (rows, features)."""
        arrived = leaving.new_zeros(n_atoms, leaving.shape[-1])
        arrived = arrived.index_add(0, table.neighbor.flatten(), leaving.flatten(0, 1))
        return exchange.to_owners(arrived).index_select(0, table.atoms)

    def _from_neighbors(
        self, everywhere: Tensor, neighbor: Tensor, harmonics: list[Tensor], away: Tensor
    ) -> Tensor:
        """Angular sums at the other end of each edge, seen along the reversed vector."""
        width = away.shape[-1]
        angular = -away.sum(dim=-2)
        start = 0
        for order, y in enumerate(harmonics):
            stop = start + (2 * order + 1) * width
            theirs = everywhere[:, start:stop][neighbor].unflatten(-1, (-1, width))
            parity = -1.0 if order % 2 else 1.0
            angular = angular + parity * (y.unsqueeze(-2) @ theirs).squeeze(-2)
            start = stop
        return angular

    def _isolated(self, like: Tensor) -> Tensor:
        """Energy of an atom without neighbours, in units of the scale, (1,)."""
        nothing = like.new_zeros(1, 1, self.size.n_radial)
        silent = like.new_zeros(1, 1, self.size.n_features)
        return torch.stack([output(silent, nothing) for output in self.outputs]).sum(dim=0)


def _initialise(network: DimeNet, generator: torch.Generator, zero_start: bool) -> None:
    """Glorot-normal weights, zero biases; optionally a last layer of zeros."""
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if parameter.dim() < 2:
                parameter.zero_()
                continue
            fan = sum(parameter.shape) if "embed_s" not in name else 2.0
            fan = 2.0 if name.startswith(("embed_source", "embed_target")) else fan
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.copy_(noise * (2.0 / fan) ** 0.5)
        if zero_start:
            for output in network.outputs:
                output.final.weight.zero_()  # pyright: ignore
