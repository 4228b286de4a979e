"""A potential with its neighbour list, evaluated on one configuration after another."""

from ocvf_lmp.arrays import Cell, Positions, Scalar, Species
from ocvf_lmp.md.mechanics import Mechanics, evaluate
from ocvf_lmp.potential.protocol import Potential
from ocvf_lmp.system.neighbors import NeighborList, build_neighbors, edges_from, needs_rebuild


class ForceField:
    """Evaluates a potential along a trajectory; rebuilds the neighbour list when it must.

    The result does not depend on the history of the list beyond round-off: pairs outside the cutoff
    never count.

    Attributes:
        potential: the energy.
        species: (atoms,).
        skin: how far beyond the cutoff the list reaches, Å.
        rebuilds: how often the list has been made.
    """

    def __init__(self, potential: Potential, species: Species, skin: float = 0.5) -> None:
        self.potential = potential
        self.species = species
        self.skin = skin
        self.rebuilds = 0
        self._neighbors: NeighborList | None = None

    def neighbors(self, positions: Positions, cell: Cell) -> NeighborList:
        """A list that is valid for the configuration."""
        current = self._neighbors
        if current is None or needs_rebuild(current, positions, cell):
            current = build_neighbors(positions, cell, self.potential.cutoff, self.skin)
            self._neighbors = current
            self.rebuilds += 1
        return current

    def __call__(self, positions: Positions, cell: Cell, create_graph: bool = False) -> Mechanics:
        """Energy, forces and virial; with a graph, differentiable in all that requires grad."""
        listed = self.neighbors(positions, cell)
        return evaluate(self.potential, self.species, positions, cell, listed, create_graph)

    def energy(self, positions: Positions, cell: Cell) -> Scalar:
        """Energy alone, eV; differentiable in all that requires grad."""
        edges = edges_from(self.neighbors(positions, cell), positions, cell)
        return self.potential.energy(edges, self.species)

    def shortest_distance(self, positions: Positions, cell: Cell) -> float:
        """Distance of the closest pair, Å; infinite if no pair is within the cutoff."""
        listed = self.neighbors(positions, cell)
        vector = positions[listed.neighbor] - positions[listed.center] + listed.shift @ cell
        squares = vector.detach().square().sum(dim=1)
        return float(squares.min().sqrt()) if len(squares) else float("inf")
