r"""Gradients of ensemble averages from the fluctuations of frames, without any trajectory.

In the isothermal-isobaric ensemble, with any cell shape, a frame's probability depends on θ only
through exp(-βU_θ), so that

    d<O>/dθ = <∂O/∂θ> - β [<O ∂U/∂θ> - <O> <∂U/∂θ>],

exactly: pressure, volume and the thermostats drop out. Averages at other parameters than those that
sampled are weighted by exp(-β ΔU) (Zwanzig; Thaler and Zavadlav, Nat. Commun. 12, 6884, 2021), as
long as enough frames count: the effective sample size says how many do.
"""

import time
from dataclasses import dataclass

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


def energies_of(
    potential: Potential, species: Species, positions: torch.Tensor, cells: torch.Tensor
) -> torch.Tensor:
    """Energy of every frame, eV, (frames,), from positions (frames, atoms, 3) and cells."""
    field = ForceField(potential, species)
    with torch.no_grad():
        return torch.stack([field.energy(x, h) for x, h in zip(positions, cells, strict=True)])


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
    """Gradient of a loss of averages, with its standard error by a jackknife over blocks of time.

    Args:
        potential: at the parameters where the gradient is wanted.
        species: (atoms,).
        ensemble: frames, from this potential or one near it.
        temperature: K.
        loss: function of the averaged observables.
        n_blocks: consecutive parts of the run for the jackknife; each should be longer than
            what the run remembers.
        min_effective: share of frames that have to count, else the gradient is refused.

    Raises:
        InputError: fewer than two frames a block.
    """
    start = time.perf_counter()
    if ensemble.n_frames < 2 * n_blocks:
        raise InputError(
            f"expected at least {2 * n_blocks} frames for {n_blocks} blocks, found"
            f" {ensemble.n_frames}; sample longer or more often"
        )
    found = energy_slopes(potential, species, ensemble)
    weights, effective = weights_of(ensemble, found.energies, temperature)
    value, means, gradients = _gradient(ensemble, found, weights, temperature, loss)
    leave_out = []
    for block in torch.arange(ensemble.n_frames).tensor_split(n_blocks):
        kept = weights.clone()
        kept[block] = 0.0
        leave_out.append(_gradient(ensemble, found, kept / kept.sum(), temperature, loss)[2])
    shapes = {k: p.shape for k, p in _trainable(potential).items()}
    errors = {
        name: _jackknife(torch.stack([g[name] for g in leave_out])).view(shapes[name])
        for name in gradients
    }
    refusal = ""
    if effective < min_effective:
        refusal = (
            f"only {100 * effective:.0f} % of {ensemble.n_frames} frames count at these parameters"
        )
    return GradientEstimate(
        value,
        {name: g.view(shapes[name]) for name, g in gradients.items()},
        errors,
        means,
        time.perf_counter() - start,
        refusal,
        {"effective": effective, "frames": float(ensemble.n_frames)},
    )


def _gradient(
    ensemble: Ensemble, found: Slopes, weights: torch.Tensor, temperature: float, loss: Loss
) -> tuple[float, dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Loss, averages and flat gradients for given weights."""
    means = {k: torch.tensordot(weights, v, dims=1) for k, v in ensemble.observables.items()}
    with torch.enable_grad():
        leaves = {k: v.detach().requires_grad_(True) for k, v in means.items()}
        value = loss(leaves)
        slopes = torch.autograd.grad(value, list(leaves.values()), allow_unused=True)
    # what a frame adds to the loss, to first order: L' O_f
    share = torch.zeros_like(weights)
    for values, slope in zip(ensemble.observables.values(), slopes, strict=True):
        if slope is not None:
            share = share + (values * slope).reshape(len(weights), -1).sum(dim=1)
    centred = weights * (share - (weights * share).sum())
    # the mean is taken from the same frames: n/(n-1) for equal weights
    factor = -1.0 / (KB * temperature * (1.0 - float(weights.square().sum())))
    return float(value.detach()), means, {k: factor * centred @ v for k, v in found.slopes.items()}


def _jackknife(left_out: torch.Tensor) -> torch.Tensor:
    """Standard error from estimates that each leave out one block, (blocks, ...)."""
    n = len(left_out)
    return ((n - 1) / n * (left_out - left_out.mean(dim=0)).square().sum(dim=0)).sqrt()
