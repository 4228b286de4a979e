"""Differences between a potential and reference frames, and the loss made of them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ocvf_lmp.fit.frames import Batch, Frame, collate
from ocvf_lmp.potential.fused import of_vectors_alone
from ocvf_lmp.potential.protocol import Potential
from ocvf_lmp.system.edges import Edges
from ocvf_lmp.units import GPA


@dataclass(frozen=True, slots=True)
class Residuals:
    """Potential minus reference.

    Attributes:
        energy: eV/atom, (frames,).
        forces: eV/Å, (atoms, 3).
        stress: eV/Å³, (frames with stress, 3, 3).
    """

    energy: Tensor
    forces: Tensor
    stress: Tensor


@dataclass(frozen=True, slots=True)
class Errors:
    """Root-mean-square errors.

    Attributes:
        energy: meV/atom.
        forces: meV/Å, a component.
        stress: GPa, a component.
    """

    energy: float
    forces: float
    stress: float


@dataclass(frozen=True, slots=True)
class Tolerances:
    """Errors that count alike in the loss; stress is part of it because NPT runs depend on it.

    Attributes:
        energy: eV/atom.
        forces: eV/Å.
        stress: GPa.
    """

    energy: float = 1.0e-3
    forces: float = 0.03
    stress: float = 0.06


def residuals(potential: Potential, batch: Batch, create_graph: bool) -> Residuals:
    """Energy, force and stress differences of a batch, by one reverse pass to the edge vectors."""
    edges = batch.edges
    vector = edges.vector.detach().clone().requires_grad_(True)
    moving = Edges(edges.center, edges.neighbor, vector, edges.reverse)
    atoms = potential.atom_energies(moving, batch.species)
    energy = torch.zeros_like(batch.energy).index_add(0, batch.frame, atoms)
    with of_vectors_alone():
        (slope,) = torch.autograd.grad(atoms.sum(), vector, create_graph=create_graph)
    forces = torch.zeros_like(batch.forces)
    forces = forces.index_add(0, edges.center, slope).index_add(0, edges.neighbor, -slope)
    strain = vector.unsqueeze(2) * slope.unsqueeze(1)
    stress = torch.zeros_like(batch.stress).index_add(0, batch.edge_frame, strain)
    stress = 0.5 * (stress + stress.transpose(1, 2)) / batch.volume[:, None, None]
    known = ~torch.isnan(batch.stress).flatten(1).any(dim=1)
    return Residuals(
        (energy - batch.energy) / batch.n_atoms,
        forces - batch.forces,
        stress[known] - batch.stress[known],
    )


def matching_loss(difference: Residuals, tolerances: Tolerances) -> Tensor:
    """Sum of robust means of the three kinds of residuals, each in units of its tolerance.

    The pseudo-Huber form (quadratic below a few tolerances, linear above) keeps the energies,
    far off at the start, from hiding forces and stresses.
    """
    loss = _robust(difference.energy / tolerances.energy)
    loss = loss + _robust(difference.forces / tolerances.forces)
    if len(difference.stress):
        loss = loss + _robust(difference.stress / (tolerances.stress * GPA))
    return loss


def errors(
    potential: Potential,
    frames: Sequence[Frame],
    references: Mapping[str, Tensor],
    dtype: torch.dtype = torch.float64,
) -> Errors:
    """Root-mean-square errors over frames."""
    parts = [[], [], []]
    for start in range(0, len(frames), 8):
        batch = collate(frames[start : start + 8], dict(references), dtype)
        difference = residuals(potential, batch, create_graph=False)
        for part, value in zip(
            parts, (difference.energy, difference.forces, difference.stress), strict=True
        ):
            part.append(value.detach().flatten().double())
    energy, forces, stress = (math.sqrt(float(torch.cat(p).square().mean())) for p in parts)
    return Errors(energy * 1e3, forces * 1e3, stress / GPA)


def _robust(scaled: Tensor, knee: float = 3.0) -> Tensor:
    return (knee**2 * (torch.sqrt(1.0 + (scaled / knee) ** 2) - 1.0)).mean()


def predictions(
    potential: Potential, frames: Sequence[Frame], references: Mapping[str, Tensor]
) -> dict[str, tuple[Tensor, Tensor]]:
    """Reference and predicted energies (eV/atom), forces (eV/Å), stresses (GPa), flattened."""
    pairs: dict[str, list[tuple[Tensor, Tensor]]] = {"energy": [], "forces": [], "stress": []}
    for frame in frames:
        batch = collate([frame], dict(references), torch.float64)
        difference = residuals(potential, batch, create_graph=False)
        energy = batch.energy / batch.n_atoms
        stress = batch.stress[: len(difference.stress)]
        for name, wanted, off, unit in (
            ("energy", energy, difference.energy, 1.0),
            ("forces", batch.forces, difference.forces, 1.0),
            ("stress", stress, difference.stress, GPA),
        ):
            pairs[name].append((wanted.flatten() / unit, (wanted + off).detach().flatten() / unit))
    return {
        name: (torch.cat([a for a, _ in found]), torch.cat([b for _, b in found]))
        for name, found in pairs.items()
    }
