"""What the frames of a run tell of an ensemble and its response to parameters."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch

from ocvf_lmp.arrays import Species
from ocvf_lmp.errors import InputError
from ocvf_lmp.fit.ensemble import Ensemble, share_that_counts, weights_of
from ocvf_lmp.md.forcefield import ForceField
from ocvf_lmp.potential.protocol import Potential


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
    parameters = trainable(potential)
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


def evenly(n_frames: int, at_most: int) -> torch.Tensor:
    """Numbers of some of the frames of a run, evenly spread: all of them, every second, third..."""
    return torch.arange(0, n_frames, max(-(-n_frames // at_most), 1))


def in_one(slopes: Mapping[str, torch.Tensor], names: Sequence[str]) -> torch.Tensor:
    """Slopes with respect to all parameters, one after another, (frames, parameters)."""
    return torch.cat([slopes[name] for name in names], dim=1)


def trainable(potential: Potential) -> dict[str, torch.nn.Parameter]:
    """Parameters that require gradients, by name."""
    named = getattr(potential, "named_parameters", dict)
    return {k: p for k, p in dict(named()).items() if p.requires_grad}


@dataclass(frozen=True, slots=True)
class Fluctuations:
    """What frames of one run tell of an ensemble and its response.

    Attributes:
        observables: of the frames, by name, (frames, ...).
        energies: of the potential with the parameters, eV, (frames,).
        slopes: ∂U/∂θ of the frames by the name of the parameter, (frames, its size).
        weights: normalised, (frames,), float64.
        explicit: <∂O/∂θ> of the observables that contain θ themselves, by the names of observable
            and parameter, (components, size).
        fresh: share of the frames that were sampled for this, at these parameters or near them;
            others are left from earlier ones (`together`).
    """

    observables: dict[str, torch.Tensor]
    energies: torch.Tensor
    slopes: dict[str, torch.Tensor]
    weights: torch.Tensor
    explicit: dict[str, dict[str, torch.Tensor]] = field(default_factory=dict)
    fresh: float = 1.0

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self.weights)

    @property
    def effective(self) -> float:
        """Share of the frames that count."""
        return share_that_counts(self.weights)

    @property
    def supply(self) -> float:
        """Number of frames that count for each that is fresh; more than 1 with earlier ones."""
        return self.effective / self.fresh


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
    weights, _ = weights_of(ensemble, found.energies, temperature)
    return Fluctuations(ensemble.observables, found.energies, found.slopes, weights)


def together(samples: Sequence[Fluctuations]) -> Fluctuations:
    """Samples of one ensemble, the fresh one first, as a single one.

    Each counts as its number of frames that count: where samples are independent, and weights and
    observables are not, so the average has the least variance.
    """
    if len(samples) == 1:
        return samples[0]
    numbers = torch.tensor([s.effective * s.n_frames for s in samples], dtype=torch.float64)
    shares = (numbers / numbers.sum()).tolist()

    def mean(name: str, parameter: str) -> torch.Tensor:
        each = (k * s.explicit[name][parameter] for k, s in zip(shares, samples, strict=True))
        return torch.stack(list(each)).sum(dim=0)

    first = samples[0]
    return Fluctuations(
        {k: torch.cat([s.observables[k] for s in samples]) for k in first.observables},
        torch.cat([s.energies for s in samples]),
        {k: torch.cat([s.slopes[k] for s in samples]) for k in first.slopes},
        torch.cat([k * s.weights for k, s in zip(shares, samples, strict=True)]),
        {name: {k: mean(name, k) for k in rows} for name, rows in first.explicit.items()},
        first.n_frames / sum(s.n_frames for s in samples),
    )


def averages(parts: Sequence[Fluctuations]) -> dict[str, torch.Tensor]:
    """Averages of the observables; every run counts the same."""
    means = [
        {k: torch.tensordot(p.weights, v, dims=1) for k, v in p.observables.items()} for p in parts
    ]
    return {k: torch.stack([m[k] for m in means]).mean(dim=0) for k in means[0]}


def without(part: Fluctuations, frames: torch.Tensor) -> Fluctuations:
    """A run without some of its frames, whose weights become zero.

    Args:
        part: the run.
        frames: their numbers, or a mask, (frames,).
    """
    kept = part.weights.clone()
    kept[frames] = 0.0
    return replace(part, weights=kept / kept.sum())


class Move(NamedTuple):
    """What a step would do to a run.

    Attributes:
        part: the run.
        change: of its frames' energies, eV, (frames,).
        kt: eV.
        least: share of the frames that have to count afterwards.
    """

    part: Fluctuations
    change: torch.Tensor
    kt: float
    least: float


def moved(part: Fluctuations, change: torch.Tensor, kt: float) -> Fluctuations:
    """The same frames after a change of their energies, with the weights that they then have.

    Args:
        part: the run.
        change: eV, (frames,).
        kt: eV.
    """
    weights = torch.softmax(part.weights.log() - change / kt, dim=0)
    return replace(part, weights=weights, energies=part.energies + change)


def longest_step(moves: Sequence[Move]) -> float:
    """Share of a step, at most 1, after which enough frames of every run still count."""
    length = 1.0
    for _, change, kt, least in moves:  # what it is if changes are normally distributed
        spread = max(float((change / kt).var()), 1e-300)
        length = min(length, math.sqrt((1.0 / least - 1.0) / spread))
    for _ in range(40):
        if all(moved(m.part, length * m.change, m.kt).effective >= m.least for m in moves):
            return length
        length *= 0.7
    return 0.0
