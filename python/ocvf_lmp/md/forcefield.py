"""A potential with its neighbour list, evaluated on one configuration after another."""

from collections.abc import Sequence

import torch

from ocvf_lmp.arrays import Cell, Forces, Matrix3, Positions, Scalar, Species
from ocvf_lmp.errors import InputError
from ocvf_lmp.md.mechanics import Mechanics, evaluate, pull_back
from ocvf_lmp.potential.composite import split
from ocvf_lmp.potential.protocol import BlackBox, Potential
from ocvf_lmp.system.neighbors import NeighborList, build_neighbors, edges_from, needs_rebuild


class ForceField:
    """Evaluates a potential along a trajectory; rebuilds the neighbour list when it must.

    The result does not depend on the history of the list beyond round-off: pairs outside the cutoff
    never count. Black boxes among the terms of a sum are asked for their forces and virial, which
    are added to those of the other terms.

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
        self._smooth, self._boxes = split(potential)

    def neighbors(self, positions: Positions, cell: Cell) -> NeighborList:
        """A list that is valid for the configuration."""
        current = self._neighbors
        if current is None or needs_rebuild(current, positions, cell):
            current = build_neighbors(positions, cell, self.potential.cutoff, self.skin)
            self._neighbors = current
            self.rebuilds += 1
        return current

    def __call__(self, positions: Positions, cell: Cell, create_graph: bool = False) -> Mechanics:
        """Energy, forces and virial; with a graph, differentiable in all that requires grad.

        Raises:
            InputError: a graph is asked of a potential with a black box.
        """
        if self._boxes:
            return self._with_boxes(positions, cell, create_graph)
        listed = self.neighbors(positions, cell)
        return evaluate(self.potential, self.species, positions, cell, listed, create_graph)

    def pull_back(
        self,
        positions: Positions,
        cell: Cell,
        of_forces: Forces,
        of_virial: Matrix3,
        parameters: Sequence[torch.Tensor],
    ) -> list[torch.Tensor | None]:
        """Cotangents of positions, cell and parameters from those of forces and virial.

        Raises:
            InputError: a potential with a black box.
        """
        self.refuse_graph()
        listed = self.neighbors(positions, cell)
        return pull_back(
            self.potential, self.species, positions, cell, listed, of_forces, of_virial, parameters
        )

    def energy(self, positions: Positions, cell: Cell) -> Scalar:
        """Energy alone, eV; differentiable in all that requires grad.

        Raises:
            InputError: positions or cell require grad, and the potential has a black box (its
                parameters may require grad: black boxes do not depend on them).
        """
        if self._boxes:
            return self._energy_with_boxes(positions, cell)
        edges = edges_from(self.neighbors(positions, cell), positions, cell)
        return self.potential.energy(edges, self.species)

    def refuse_graph(self, asked: bool = True) -> None:
        """Raises `InputError` if derivatives of the forces are asked for and a term has none."""
        if asked and self._boxes:
            raise InputError(
                "expected a potential that can be differentiated twice for estimator: adjoint,"
                f" found {', '.join(_name(box) for box in self._boxes)}, which gives energies and"
                " forces only; use estimator: reweight"
            )

    def shortest_distance(self, positions: Positions, cell: Cell) -> float:
        """Distance of the closest pair, Å; infinite if no pair is within the cutoff."""
        listed = self.neighbors(positions, cell)
        vector = positions[listed.neighbor] - positions[listed.center] + listed.shift @ cell
        squares = vector.detach().square().sum(dim=1)
        return float(squares.min().sqrt()) if len(squares) else float("inf")

    def _with_boxes(self, positions: Positions, cell: Cell, create_graph: bool) -> Mechanics:
        self.refuse_graph(create_graph)
        energy, forces = torch.zeros((), dtype=positions.dtype), torch.zeros_like(positions)
        virial = torch.zeros_like(cell)
        if self._smooth is not None:
            listed = self.neighbors(positions, cell)
            found = evaluate(self._smooth, self.species, positions, cell, listed)
            energy, forces, virial = found.energy, found.forces, found.virial
        for box in self._boxes:
            more = box.mechanics(positions.detach(), cell.detach(), self.species)
            energy, forces, virial = energy + more[0], forces + more[1], virial + more[2]
        return Mechanics(energy.detach(), forces.detach(), virial.detach())

    def _energy_with_boxes(self, positions: Positions, cell: Cell) -> Scalar:
        self.refuse_graph(
            torch.is_grad_enabled() and (positions.requires_grad or cell.requires_grad)
        )
        total = torch.zeros((), dtype=positions.dtype)
        if self._smooth is not None:
            edges = edges_from(self.neighbors(positions, cell), positions, cell)
            total = self._smooth.energy(edges, self.species)
        for box in self._boxes:
            total = total + box.configuration_energy(positions, cell, self.species)
        return total


def _name(box: BlackBox) -> str:
    return getattr(box, "name", type(box).__name__)
