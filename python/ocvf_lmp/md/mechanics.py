"""Energy, forces and virial of a configuration in one reverse pass, and the way back from them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ocvf_lmp.arrays import Cell, Forces, Matrix3, Positions, Scalar, Species
from ocvf_lmp.potential import fused
from ocvf_lmp.potential.along import energy_along
from ocvf_lmp.potential.inference import energies_and_slopes
from ocvf_lmp.potential.protocol import Potential
from ocvf_lmp.system.neighbors import NeighborList, edges_from


@dataclass(frozen=True, slots=True)
class Mechanics:
    """What the dynamics needs to know of the potential.

    Attributes:
        energy: eV.
        forces: eV/Å, (atoms, 3).
        virial: -dE/dstrain, symmetric, eV, (3, 3); the stress of the potential is -virial/V.
    """

    energy: Scalar
    forces: Forces
    virial: Matrix3


def evaluate(
    potential: Potential,
    species: Species,
    positions: Positions,
    cell: Cell,
    neighbors: NeighborList,
    create_graph: bool = False,
) -> Mechanics:
    """Energy, forces and virial from the derivatives with respect to the edge vectors.

    Args:
        potential: energy of the atoms.
        species: (atoms,).
        positions: Å, (atoms, 3).
        cell: rows, Å, (3, 3).
        neighbors: a list that is still valid for the configuration.
        create_graph: keep the graph, so that forces and virial can be differentiated with respect
            to positions, cell and the potential's parameters.
    """
    with torch.set_grad_enabled(create_graph), fused.of_vectors_alone():
        edges = edges_from(neighbors, positions, cell)
        if create_graph:
            if not edges.vector.requires_grad:
                edges.vector.requires_grad_(True)
            energy = potential.energy(edges, species)
            (slope,) = torch.autograd.grad(energy, edges.vector, create_graph=True)
        else:
            everybody = torch.arange(len(species), device=species.device)
            energies, slope = energies_and_slopes(potential, edges, species, everybody)
            energy = energies.sum().to(slope.dtype)
        forces = torch.zeros_like(positions)
        forces = forces.index_add(0, edges.center, slope).index_add(0, edges.neighbor, -slope)
        virial = -edges.vector.transpose(0, 1) @ slope
        virial = 0.5 * (virial + virial.transpose(0, 1))
    return Mechanics(energy, forces, virial)


def pull_back(
    potential: Potential,
    species: Species,
    positions: Positions,
    cell: Cell,
    neighbors: NeighborList,
    of_forces: Forces,
    of_virial: Matrix3,
    parameters: Sequence[torch.Tensor],
) -> list[torch.Tensor | None]:
    """Cotangents of a configuration and of parameters from those of its forces and virial.

    Args:
        potential: energy of the atoms.
        species: (atoms,).
        positions: Å, (atoms, 3).
        cell: rows, Å, (3, 3).
        neighbors: a list that is still valid for the configuration.
        of_forces: cotangent of the forces, (atoms, 3).
        of_virial: of the virial, (3, 3).
        parameters: of the potential.

    Returns:
        Of positions, of the cell, and of each parameter; None where nothing depends on it.
    """
    with torch.enable_grad():
        positions = positions.detach().requires_grad_(True)
        cell = cell.detach().requires_grad_(True)
        edges = edges_from(neighbors, positions, cell)
        # forces and virial are linear in dE/d(vector): their product with the cotangents is its
        # product with
        direction = of_forces[edges.center] - of_forces[edges.neighbor]
        direction = direction - edges.vector @ (0.5 * (of_virial + of_virial.T))
        value = energy_along(potential, edges, direction, species)
        found = torch.autograd.grad(value, [positions, cell, *parameters], allow_unused=True)
    return list(found)
