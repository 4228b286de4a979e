"""Gradients by fluctuations for small potentials, without an error: all frames in a few calls."""

import time

import torch

from ocvf_lmp.errors import InputError
from ocvf_lmp.fit.ensemble import Ensemble, weights_of
from ocvf_lmp.fit.estimate import GradientEstimate
from ocvf_lmp.fit.reweight import coefficients, loss_and_slopes
from ocvf_lmp.fit.stacked import MAX_EDGES, energies_of_stack, slope_of_stack
from ocvf_lmp.md.adjoint import Loss
from ocvf_lmp.potential.protocol import Potential
from ocvf_lmp.system.stack import Stack


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
    means = {k: torch.tensordot(weights, v, dims=1) for k, v in ensemble.observables.items()}
    value, slopes = loss_and_slopes(loss, means)
    refusal, gradients = "", {}
    if effective >= min_effective:
        counted = coefficients(weights, ensemble.observables, slopes, temperature)
        gradients = slope_of_stack(potential, stack, counted, max_edges)
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
