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
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch

from ocvf_lmp.arrays import Species
from ocvf_lmp.errors import InputError
from ocvf_lmp.fit.ensemble import Ensemble
from ocvf_lmp.fit.estimate import GradientEstimate
from ocvf_lmp.md.adjoint import Loss
from ocvf_lmp.md.forcefield import ForceField
from ocvf_lmp.potential.protocol import Potential
from ocvf_lmp.units import KB


@dataclass(frozen=True, slots=True)
class Slopes:
    """Energies of frames, and their derivatives with respect to parameters.

    Attributes:
        energies: eV, (frames,).
        slopes: by the name of the parameter, (frames, its size).
    """

    energies: torch.Tensor
    slopes: dict[str, torch.Tensor]


def energy_slopes(potential: Potential, species: Species, ensemble: Ensemble) -> Slopes:
    """∂U/∂θ of every frame, for the parameters that require grad: one backward pass a frame."""
    field = ForceField(potential, species)
    parameters = _trainable(potential)
    if not parameters:
        raise InputError(
            "expected a potential with parameters to train, found none; build it with a correction"
        )
    energies: list[torch.Tensor] = []
    rows: dict[str, list[torch.Tensor]] = {name: [] for name in parameters}
    for x, h in zip(ensemble.positions, ensemble.cells, strict=True):
        with torch.enable_grad():
            energy = field.energy(x, h)
            found = torch.autograd.grad(energy, list(parameters.values()), allow_unused=True)
        energies.append(energy.detach())
        for (name, parameter), slope in zip(parameters.items(), found, strict=True):
            slope = torch.zeros_like(parameter) if slope is None else slope
            rows[name].append(slope.flatten())
    return Slopes(torch.stack(energies), {k: torch.stack(v) for k, v in rows.items()})


def _trainable(potential: Potential) -> dict[str, torch.nn.Parameter]:
    named = getattr(potential, "named_parameters", dict)
    return {k: p for k, p in dict(named()).items() if p.requires_grad}


def weights_of(
    ensemble: Ensemble, energies: torch.Tensor, temperature: float
) -> tuple[torch.Tensor, float]:
    """Normalised weights of the frames at other energies, and the share of frames that count.

    Args:
        ensemble: the frames.
        energies: at the new parameters, eV, (frames,).
        temperature: K.

    Returns:
        Weights (frames,) in float64, and Kish's effective sample size 1/Σw² over the number.
    """
    exponent = -(energies - ensemble.energies).double() / (KB * temperature)
    weights = torch.softmax(exponent, dim=0)
    return weights, float(1.0 / weights.square().sum() / len(weights))


@dataclass(frozen=True, slots=True)
class Fluctuations:
    """What frames of one run tell of an ensemble and its response.

    Attributes:
        observables: of the frames, by name, (frames, ...).
        energies: of the potential with the parameters, eV, (frames,).
        slopes: ∂U/∂θ of the frames by the name of the parameter, (frames, its size).
        weights: normalised, (frames,), float64.
        effective: share of the frames that count.
        explicit: <∂O/∂θ> of the observables that contain θ themselves, by the names of observable
            and parameter, (components, size).
    """

    observables: dict[str, torch.Tensor]
    energies: torch.Tensor
    slopes: dict[str, torch.Tensor]
    weights: torch.Tensor
    effective: float
    explicit: dict[str, dict[str, torch.Tensor]] = field(default_factory=dict)

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self.weights)


def fluctuations(
    potential: Potential, species: Species, ensemble: Ensemble, temperature: float
) -> Fluctuations:
    """Weights and slopes of an ensemble's frames at the potential's present parameters.

    Args:
        potential: with the parameters: the whole energy, or the part of it that they enter; the
            ensemble's energies are of the same.
        species: (atoms,).
        ensemble: frames, from these parameters or some near them.
        temperature: K.
    """
    found = energy_slopes(potential, species, ensemble)
    weights, effective = weights_of(ensemble, found.energies, temperature)
    return Fluctuations(ensemble.observables, found.energies, found.slopes, weights, effective)


def averages(parts: Sequence[Fluctuations]) -> dict[str, torch.Tensor]:
    """Averages of the observables; every run counts the same."""
    means = [
        {k: torch.tensordot(p.weights, v, dims=1) for k, v in p.observables.items()} for p in parts
    ]
    return {k: torch.stack([m[k] for m in means]).mean(dim=0) for k in means[0]}


def pooled_gradient(
    parts: Sequence[Fluctuations],
    temperature: float,
    loss: Loss,
    *,
    n_blocks: int = 8,
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
    blocks = max(-(-n_blocks // len(parts)), 2 if len(parts) == 1 else 1)
    n_frames = min(part.n_frames for part in parts)
    if n_frames < 2 * blocks:
        raise InputError(
            f"expected at least {2 * blocks} frames for {blocks} blocks, found {n_frames};"
            " sample longer or more often"
        )
    take = _Taking(loss, temperature, entropy_weight)
    value, means, gradients = take(parts)
    leave_out = []
    for number, part in enumerate(parts):
        for block in torch.arange(part.n_frames).tensor_split(blocks):
            rest = [*parts[:number], *parts[number + 1 :]]
            if blocks > 1:
                rest.append(_without(part, block))
            leave_out.append(take(rest)[2])
    # a block left out is missed in the average of its own run only
    factor = (len(parts) - 1) / len(parts) if blocks == 1 else (blocks - 1) / blocks
    errors = {
        name: _jackknife(torch.stack([g[name] for g in leave_out]), factor) for name in gradients
    }
    effective = min(part.effective for part in parts)
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
    )


def reweighted_gradient(
    potential: Potential,
    species: Species,
    ensemble: Ensemble,
    temperature: float,
    loss: Loss,
    *,
    n_blocks: int = 8,
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
    shapes = {k: p.shape for k, p in _trainable(potential).items()}
    return replace(
        found,
        gradients={k: v.view(shapes[k]) for k, v in found.gradients.items()},
        errors={k: v.view(shapes[k]) for k, v in found.errors.items()},
        seconds=time.perf_counter() - start,
    )


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
        with torch.enable_grad():
            leaves = {k: v.detach().requires_grad_(True) for k, v in means.items()}
            value = self.loss(leaves)
            found = torch.autograd.grad(value, list(leaves.values()), allow_unused=True)
        slopes = {k: s for k, s in zip(leaves, found, strict=True) if s is not None}
        each = [self._gradient(part, slopes) for part in parts]
        gradients = {k: torch.stack([g[k] for g in each]).mean(dim=0) for k in each[0]}
        return float(value.detach()), means, gradients

    def _gradient(
        self, part: Fluctuations, slopes: dict[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        weights, beta = part.weights, 1.0 / (KB * self.temperature)
        # what a frame adds to the loss, to first order: L' O_f. The relative entropy's gradient
        # β² Cov(U, ∂U/∂θ) is that of an "observable" -βU with a slope of 1
        share = -self.entropy_weight * beta * part.energies.to(weights)
        for name, slope in slopes.items():
            share = share + (part.observables[name] * slope).reshape(len(weights), -1).sum(dim=1)
        centred = weights * (share - (weights * share).sum())
        # the mean is taken from the same frames: n/(n-1) for equal weights
        factor = -beta / (1.0 - float(weights.square().sum()))
        found = {k: factor * centred @ v for k, v in part.slopes.items()}
        for name, rows in part.explicit.items():
            if name in slopes:
                found = {k: v + slopes[name].flatten() @ rows[k] for k, v in found.items()}
        return found


def _without(part: Fluctuations, block: torch.Tensor) -> Fluctuations:
    kept = part.weights.clone()
    kept[block] = 0.0
    return replace(part, weights=kept / kept.sum())


def _jackknife(left_out: torch.Tensor, factor: float) -> torch.Tensor:
    """Standard error from estimates that each leave out one block, (blocks, ...)."""
    return (factor * (left_out - left_out.mean(dim=0)).square().sum(dim=0)).sqrt()
