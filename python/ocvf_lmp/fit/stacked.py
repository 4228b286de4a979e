"""Energies and slopes of many frames in a few calls of the potential.

The gradient of a loss of averages is Σ_f c_f ∂U_f/∂θ with known numbers c_f (`fit.reweight`). Where
only the sum is wanted, and not its error, one backward pass gives it for many frames together. A
pair potential gains an order of magnitude, a network little: its arithmetic costs more than calls.
"""

import torch
from jaxtyping import Float

from ocvf_lmp.errors import InputError
from ocvf_lmp.potential.protocol import Potential
from ocvf_lmp.system.stack import Stack

MAX_EDGES = 1 << 14
"""Edges that a potential is called with at a time; its arrays should stay in cache."""


def energies_of_stack(
    potential: Potential, stack: Stack, max_edges: int = MAX_EDGES
) -> Float[torch.Tensor, " frames"]:
    """Energy of every frame, eV, (frames,).

    Args:
        potential: whose cutoff is not longer than the stack's.
        stack: the frames.
        max_edges: of one call.

    Raises:
        InputError: the potential reaches farther than the stack's edges.
    """
    _check(potential, stack)
    with torch.no_grad():
        return torch.cat(
            [_energies(potential, stack.part(*piece)) for piece in stack.pieces(max_edges)]
        )


def slope_of_stack(
    potential: Potential,
    stack: Stack,
    coefficients: Float[torch.Tensor, " frames"],
    max_edges: int = MAX_EDGES,
) -> dict[str, torch.Tensor]:
    """Σ_f c_f ∂U_f/∂θ by the name of the parameter, for the parameters that require grad.

    Args:
        potential: whose cutoff is not longer than the stack's.
        stack: the frames.
        coefficients: c_f, (frames,).
        max_edges: of one call.

    Raises:
        InputError: the potential has no parameter to train, or reaches farther than the edges.
    """
    _check(potential, stack)
    named = dict(getattr(potential, "named_parameters", dict)())
    parameters = {k: p for k, p in named.items() if p.requires_grad}
    if not parameters:
        raise InputError(
            "expected a potential with parameters to train, found none; build it with a correction"
        )
    total = {k: torch.zeros_like(p) for k, p in parameters.items()}
    for first, last in stack.pieces(max_edges):
        with torch.enable_grad():
            weighted = coefficients[first:last] @ _energies(potential, stack.part(first, last))
            slopes = torch.autograd.grad(weighted, list(parameters.values()), allow_unused=True)
        for name, slope in zip(parameters, slopes, strict=True):
            if slope is not None:
                total[name] += slope
    return total


def _energies(potential: Potential, stack: Stack) -> torch.Tensor:
    return potential.atom_energies(stack.edges, stack.species).view(stack.n_frames, -1).sum(dim=1)


def _check(potential: Potential, stack: Stack) -> None:
    if potential.cutoff > stack.cutoff + 1e-9:
        raise InputError(
            f"expected a stack with edges up to the potential's cutoff of {potential.cutoff:g} Å,"
            f" found {stack.cutoff:g} Å; stack the frames with that cutoff"
        )
