"""Gradients by fluctuations for small potentials: all frames in a few calls.

The gradient of a loss of averages is Σ_f c_f ∂U_f/∂θ with known numbers c_f (for the formula see
`ocvf_lmp.fit.reweight`). Where only the sum is wanted, and not its error, one backward pass gives
it for many frames together. A pair potential gains an order of magnitude, a network little: its
arithmetic costs more than the calls.
"""

import time

import torch
from jaxtyping import Float

from ocvf_lmp.errors import InputError
from ocvf_lmp.fit.ensemble import Ensemble
from ocvf_lmp.fit.estimate import GradientEstimate
from ocvf_lmp.fit.reweight import weights_of
from ocvf_lmp.md.adjoint import Loss
from ocvf_lmp.potential.protocol import Potential
from ocvf_lmp.system.stack import Stack
from ocvf_lmp.units import KB

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


def stacked_gradient(
    potential: Potential,
    stack: Stack,
    ensemble: Ensemble,
    temperature: float,
    loss: Loss,
    *,
    min_effective: float = 0.9,
    max_edges: int = MAX_EDGES,
) -> GradientEstimate:
    """The gradient of `reweighted_gradient`, without its error.

    Args:
        potential: at the parameters where the gradient is wanted.
        stack: edges of the ensemble's frames.
        ensemble: frames, from this potential or one near it.
        temperature: K.
        loss: function of the averaged observables.
        min_effective: share of frames that have to count, else the gradient is refused, and empty.
        max_edges: of one call of the potential.

    Raises:
        InputError: fewer than two frames, or not as many as in the stack.
    """
    start = time.perf_counter()
    if not stack.n_frames == ensemble.n_frames > 1:
        raise InputError(
            f"expected a stack of an ensemble's frames, at least two, found {stack.n_frames} and"
            f" {ensemble.n_frames}; stack the frames of this ensemble"
        )
    weights, effective = weights_of(
        ensemble, energies_of_stack(potential, stack, max_edges), temperature
    )
    value, means, coefficients = _coefficients(ensemble, weights, temperature, loss)
    refusal, gradients = "", {}
    if effective >= min_effective:
        gradients = slope_of_stack(potential, stack, coefficients, max_edges)
    else:
        refusal = (
            f"only {100 * effective:.0f} % of {ensemble.n_frames} frames count at these parameters"
        )
    return GradientEstimate(
        value,
        gradients,
        {},
        means,
        time.perf_counter() - start,
        refusal,
        {"effective": effective, "frames": float(ensemble.n_frames)},
    )


def _coefficients(
    ensemble: Ensemble, weights: torch.Tensor, temperature: float, loss: Loss
) -> tuple[float, dict[str, torch.Tensor], torch.Tensor]:
    """Loss, averages, and what each frame's ∂U/∂θ counts in the gradient."""
    means = {k: torch.tensordot(weights, v, dims=1) for k, v in ensemble.observables.items()}
    with torch.enable_grad():
        leaves = {k: v.detach().requires_grad_(True) for k, v in means.items()}
        value = loss(leaves)
        slopes = torch.autograd.grad(value, list(leaves.values()), allow_unused=True)
    share = torch.zeros_like(weights)
    for values, slope in zip(ensemble.observables.values(), slopes, strict=True):
        if slope is not None:
            share = share + (values * slope).reshape(len(weights), -1).sum(dim=1)
    centred = weights * (share - (weights * share).sum())
    # the mean is taken from the same frames: n/(n-1) for equal weights
    factor = -1.0 / (KB * temperature * (1.0 - float(weights.square().sum())))
    return float(value.detach()), means, factor * centred


def _energies(potential: Potential, stack: Stack) -> torch.Tensor:
    return potential.atom_energies(stack.edges, stack.species).view(stack.n_frames, -1).sum(dim=1)


def _check(potential: Potential, stack: Stack) -> None:
    if potential.cutoff > stack.cutoff + 1e-9:
        raise InputError(
            f"expected a stack with edges up to the potential's cutoff of {potential.cutoff:g} Å,"
            f" found {stack.cutoff:g} Å; stack the frames with that cutoff"
        )
