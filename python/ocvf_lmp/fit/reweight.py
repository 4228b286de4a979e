r"""Gradients of ensemble averages from the fluctuations of frames, without any trajectory.

In the isothermal-isobaric ensemble, with any cell shape, a frame's probability depends on θ only
through exp(-βU_θ), so that

    d<O>/dθ = <∂O/∂θ> - β [<O ∂U/∂θ> - <O> <∂U/∂θ>],

exactly: pressure, volume and the thermostats drop out. Averages at other parameters than those that
sampled are weighted by exp(-β ΔU) (Zwanzig; Thaler and Zavadlav, Nat. Commun. 12, 6884, 2021), as
long as enough frames count: the effective sample size says how many do.

Only the part of the energy that θ enters is ever evaluated: ΔH_θ. The prior may be anything that
somebody can sample with.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from ocvf_lmp.arrays import Species
from ocvf_lmp.errors import InputError
from ocvf_lmp.fit.ensemble import Ensemble
from ocvf_lmp.fit.estimate import GradientEstimate
from ocvf_lmp.fit.fluctuations import Fluctuations, averages, fluctuations, trainable, without
from ocvf_lmp.fit.jackknife import Jackknife, standard_error
from ocvf_lmp.md.adjoint import Loss
from ocvf_lmp.potential.protocol import Potential
from ocvf_lmp.units import KB

N_BLOCKS = 8
"""Consecutive parts that all runs of a state together are cut into for the jackknife."""


def blocks_of_a_run(n_runs: int, n_blocks: int = N_BLOCKS) -> tuple[int, int]:
    """Number of blocks that each of several runs is cut into, and of frames that they need."""
    blocks = max(-(-n_blocks // n_runs), 2 if n_runs == 1 else 1)
    return blocks, 2 * blocks


def pooled_gradient(
    parts: Sequence[Fluctuations],
    temperature: float,
    loss: Loss,
    *,
    n_blocks: int = N_BLOCKS,
    min_effective: float = 0.9,
    entropy_weight: float = 0.0,
) -> GradientEstimate:
    """Gradient of a loss of averages over several runs of the same ensemble, with its error.

    The averages are pooled before the loss is taken; the error is a jackknife over blocks of time,
    each of one run.

    Args:
        parts: one a run (replica).
        temperature: K.
        loss: function of the averaged observables.
        n_blocks: consecutive parts that all runs together are cut into for the jackknife; each
            should be longer than what a run remembers.
        min_effective: share of frames that have to count, else the gradient is refused.
        entropy_weight: of a penalty on the relative entropy of the ensemble with respect to the
            one without the potential of the parts, per nat (`entropy`).

    Raises:
        InputError: fewer than two frames a block.
    """
    start = time.perf_counter()
    blocks, needed = blocks_of_a_run(len(parts), n_blocks)
    n_frames = min(part.n_frames for part in parts)
    if n_frames < needed:
        raise InputError(
            f"expected at least {needed} frames for {blocks} blocks, found {n_frames};"
            " sample longer or more often"
        )
    take = _Taking(loss, temperature, entropy_weight)
    value, means, gradients = take(parts)
    leave_out = []
    for number, part in enumerate(parts):
        for block in torch.arange(part.n_frames).tensor_split(blocks):
            rest = [*parts[:number], *parts[number + 1 :]]
            if blocks > 1:
                rest.append(without(part, block))
            leave_out.append(take(rest)[1:])
    # a block left out is missed in the average of its own run only
    factor = (len(parts) - 1) / len(parts) if blocks == 1 else (blocks - 1) / blocks
    errors = {
        name: standard_error(torch.stack([g[name] for _, g in leave_out]), factor)
        for name in gradients
    }
    effective = min(part.supply for part in parts)
    refusal = ""
    if effective < min_effective:
        refusal = f"only {100 * effective:.0f} % of a run's frames count at these parameters"
    frames = float(sum(part.n_frames for part in parts))
    return GradientEstimate(
        value,
        gradients,
        errors,
        means,
        time.perf_counter() - start,
        refusal,
        {"effective": effective, "frames": frames},
        jackknife=Jackknife([averages for averages, _ in leave_out], factor),
    )


def reweighted_gradient(
    potential: Potential,
    species: Species,
    ensemble: Ensemble,
    temperature: float,
    loss: Loss,
    *,
    n_blocks: int = N_BLOCKS,
    min_effective: float = 0.9,
) -> GradientEstimate:
    """Gradient of a loss of averages over one run: `fluctuations` and `pooled_gradient`.

    Raises:
        InputError: fewer than two frames a block.
    """
    start = time.perf_counter()
    if ensemble.n_frames < 2 * n_blocks:  # before the work, not after
        raise InputError(
            f"expected at least {2 * n_blocks} frames for {n_blocks} blocks, found"
            f" {ensemble.n_frames}; sample longer or more often"
        )
    part = fluctuations(potential, species, ensemble, temperature)
    found = pooled_gradient(
        [part], temperature, loss, n_blocks=n_blocks, min_effective=min_effective
    )
    shapes = {k: p.shape for k, p in trainable(potential).items()}
    return replace(
        found,
        gradients={k: v.view(shapes[k]) for k, v in found.gradients.items()},
        errors={k: v.view(shapes[k]) for k, v in found.errors.items()},
        seconds=time.perf_counter() - start,
    )


def loss_and_slopes(
    loss: Loss, means: Mapping[str, torch.Tensor]
) -> tuple[float, dict[str, torch.Tensor]]:
    """A loss of averages, and its derivative with respect to those that it depends on."""
    with torch.enable_grad():
        leaves = {k: v.detach().requires_grad_(True) for k, v in means.items()}
        value = loss(leaves)
        found = torch.autograd.grad(value, list(leaves.values()), allow_unused=True)
    slopes = {k: s for k, s in zip(leaves, found, strict=True) if s is not None}
    return float(value.detach()), slopes


def coefficients(
    weights: torch.Tensor,
    observables: Mapping[str, torch.Tensor],
    slopes: Mapping[str, torch.Tensor],
    temperature: float,
    penalty: torch.Tensor | float = 0.0,
) -> torch.Tensor:
    """What each frame's ∂U/∂θ counts in the gradient of a loss, (frames,), eV^-1.

    Args:
        weights: of the frames, normalised, (frames,).
        observables: of the frames, by name, (frames, ...).
        slopes: of the loss with respect to their averages.
        temperature: K.
        penalty: what else a frame adds to the loss, (frames,).
    """
    share = torch.zeros_like(weights) + penalty
    for name, slope in slopes.items():  # what a frame adds to the loss, to first order: L' O_f
        share = share + (observables[name] * slope).reshape(len(weights), -1).sum(dim=1)
    centred = weights * (share - (weights * share).sum())
    # the mean is taken from the same frames: n/(n-1) for equal weights
    return -centred / (KB * temperature * (1.0 - float(weights.square().sum())))


@dataclass(frozen=True, slots=True)
class _Taking:
    """Takes loss, averages and flat gradients of runs."""

    loss: Loss
    temperature: float
    entropy_weight: float

    def __call__(
        self, parts: Sequence[Fluctuations]
    ) -> tuple[float, dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        means = averages(parts)
        value, slopes = loss_and_slopes(self.loss, means)
        each = [self._gradient(part, slopes) for part in parts]
        gradients = {k: torch.stack([g[k] for g in each]).mean(dim=0) for k in each[0]}
        return value, means, gradients

    def _gradient(
        self, part: Fluctuations, slopes: dict[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        # the relative entropy's gradient β² Cov(U, ∂U/∂θ) is that of an "observable" -βU with a
        # slope of 1
        penalty = -self.entropy_weight / (KB * self.temperature) * part.energies
        c = coefficients(part.weights, part.observables, slopes, self.temperature, penalty)
        found = {k: c @ v for k, v in part.slopes.items()}
        for name, rows in part.explicit.items():
            if name in slopes:
                found = {k: v + slopes[name].flatten() @ rows[k] for k, v in found.items()}
        return found
