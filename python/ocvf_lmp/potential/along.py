"""Derivatives of energies along a direction of the edge vectors.

The gradient of λ·∂E/∂v is what pulls a cotangent of forces back to configuration and parameters.
Potentials that know λ before they start save themselves the gradient ∂E/∂v.
"""

import torch
from torch import Tensor

from ocvf_lmp.arrays import Scalar, Species
from ocvf_lmp.potential import fused
from ocvf_lmp.potential.dimenet import DimeNet
from ocvf_lmp.potential.experts import weighted_terms
from ocvf_lmp.potential.protocol import Potential
from ocvf_lmp.system.edges import Edges


def energy_along(potential: Potential, edges: Edges, direction: Tensor, species: Species) -> Scalar:
    """λ·∂E/∂v, eV Å^-1 times the unit of λ; differentiable once in all that requires grad.

    Args:
        potential: an energy that is differentiable twice.
        edges: their vectors v require grad.
        direction: λ, (edges, 3); may depend on the vectors.
        species: (atoms,).
    """
    terms = weighted_terms(potential)
    if terms is not None:
        parts = [w * energy_along(term, edges, direction, species) for w, term in terms]  # pyright: ignore
        return torch.stack(parts).sum()
    with torch.enable_grad(), fused.of_vectors_alone():
        if isinstance(potential, DimeNet) and fused.applies(potential, edges.vector):
            return potential.energy_along(edges, direction, species)
        energy = potential.energy(edges, species)
        (slope,) = torch.autograd.grad(energy, edges.vector, create_graph=True)
        return (slope * direction).sum()
