r"""Steps of a network's parameters that the frames themselves can vouch for.

A loss of ensemble averages is badly conditioned in the parameters: a few directions move the
volume, many hardly anything. To first order a change δ of the parameters changes averages by

    d<O> = -β Cov(O, ∂U/∂θ) δ = J δ,

and moves the ensemble by the relative entropy ½ δᵀ F δ, F = β² Cov(∂U/∂θ, ∂U/∂θ). The step is the
minimum of

    L'ᵀ J δ + ½ δᵀ Jᵀ L'' J δ + ½ μ (δᵀ F δ + ridge),

Gauss and Newton's, damped in the natural metric of ensembles (Amari 1998) instead of the
parameters'. How much damping the frames need, they are asked: the step from one half of the time is
tried on the other half, whose averages after it are known by reweighting, and the μ with the best
losses comes first. A step that follows the noise of its frames fails on the others; each step is
shortened to the share of its gain that the others confirm, and until enough frames count. How far
the slopes hold, only the network itself can say (`fit.gauss_newton`); where they do not, a stronger
damping does not only shorten the step, but turns it to where little change does much.

There are more parameters than frames, so all is done in the space of the frames' energies.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ocvf_lmp.fit.fluctuations import Fluctuations, Move, averages, longest_step, moved, without
from ocvf_lmp.fit.reweight import coefficients, loss_and_slopes
from ocvf_lmp.fit.site import Site
from ocvf_lmp.units import KB

DAMPINGS = tuple(10.0 ** (0.5 * k) for k in range(2, -11, -1))
"""μ, in units of the largest curvature of the loss along a change of one nat; strongest first."""

WEAKEST = 1e-3
"""Directions that move the frames' energies less than this share of the strongest are left out."""

RIDGE = 1e-2
"""Weight of the length of δ in the damping, in units of the strongest direction's.

A network is linear in its parameters for short δ alone; `fit.following` lets it go further. In the
twin experiment (320 atoms, four states, one correction, losses 24 in all), the steps that foresaw
19.7 and 19.4 with 1e-3 and 1e-2 had lengths of 0.14 and 0.06, and led to 25.2 and 19.2.
"""

BLOCKS = 8
"""Consecutive parts of a run; even ones make one half, odd ones the other."""


@dataclass(frozen=True, slots=True)
class StateFrames:
    """Frames of a state, and what a step needs to know of its loss.

    Attributes:
        site: the state.
        parts: frames of its runs.
        slopes: ∂U/∂θ of each run's frames, (frames, parameters).
        gradient: of its loss with everything that is added to it, all parameters one after another.
        names: of the parameters, in this order.
    """

    site: Site
    parts: Sequence[Fluctuations]
    slopes: Sequence[Tensor]
    gradient: Tensor
    names: tuple[str, ...]

    @property
    def kt(self) -> float:
        """Thermal energy, eV."""
        return KB * self.site.point.params.temperature

    @property
    def weight(self) -> float:
        """Of the state's loss."""
        return self.site.point.weight

    def half(self, odd: int) -> "StateFrames":
        """The same with the frames of one half of the time, and the gradient from them."""
        parts = []
        for part in self.parts:
            blocks = torch.arange(part.n_frames) * BLOCKS // part.n_frames
            parts.append(without(part, blocks % 2 != odd))
        _, of_loss = loss_and_slopes(self.site.objective.loss, averages(parts))
        temperature = self.site.point.params.temperature
        found = [
            coefficients(part.weights, part.observables, of_loss, temperature) @ slopes
            for part, slopes in zip(parts, self.slopes, strict=True)
        ]
        return replace(self, parts=parts, gradient=torch.stack(found).mean(dim=0))

    @property
    def loss(self) -> float:
        """Of the averages of the frames, times the state's weight."""
        return self.weight * float(self.site.objective.loss(averages(self.parts)))

    def after(self, changes: Sequence[Tensor]) -> "StateFrames":
        """The same frames after a change of every run's energies, eV, (frames,)."""
        pairs = zip(self.parts, changes, strict=True)
        return replace(self, parts=[moved(part, change, self.kt) for part, change in pairs])

    def foreseen(self, change: Tensor) -> "StateFrames":
        """What the slopes say of the frames after a change of the parameters."""
        return self.after([slopes @ change for slopes in self.slopes])


def good_steps(
    group: Sequence[StateFrames], min_effective: float, ridge: float = RIDGE
) -> list[Tensor]:
    """Changes of a correction's parameters that its frames vouch for.

    Args:
        group: the states that the correction serves.
        min_effective: share of every run's frames that have to count after the step.
        ridge: weight of the length of δ in the damping.

    Returns:
        Changes of all parameters, one after another: first the best of all dampings on the halves,
        then those of stronger damping, which are shorter, as long as they gain anything there;
        empty if no damping does.
    """
    halves = [[data.half(odd) for data in group] for odd in (0, 1)]
    with torch.no_grad():
        # losses before and after the steps of each damping, on the other half and on their own
        before = sum(data.loss for half in halves for data in half)
        others = torch.zeros(len(DAMPINGS), dtype=torch.float64)
        own = torch.zeros_like(others)
        for made, tried in (halves, halves[::-1]):
            for number, step in enumerate(_steps(made, ridge)):
                change = _longest(made, step, min_effective) * step
                others[number] += foreseen_loss(tried, change)
                own[number] += foreseen_loss(made, change)
        # what the steps gain on their own half alone is noise, and so is that part of the step
        signal = ((before - others) / (before - own).clamp(min=1e-300)).clamp(max=1.0)
        best, whole = int(others.argmin()), _steps(group, ridge)
        return [
            float(signal[k]) * _longest(group, whole[k], min_effective) * whole[k]
            for k in range(best, -1, -1)
            if others[k] < before
        ]


def foreseen_loss(group: Sequence[StateFrames], change: Tensor) -> float:
    """Loss of all states after a change of the parameters, as the slopes foresee it."""
    return sum(data.foreseen(change).loss for data in group)


def _steps(group: Sequence[StateFrames], ridge: float) -> list[Tensor]:
    """One step for each damping."""
    rows = []  # square root of the weight times βs, centred: KL = ½ |rows δ|²
    for data in group:
        for part, slopes in zip(data.parts, data.slopes, strict=True):
            centred = (slopes - part.weights @ slopes) / data.kt
            rows.append((part.weights / len(data.parts)).sqrt()[:, None] * centred)
    left, strength, right = torch.linalg.svd(torch.cat(rows), full_matrices=False)
    kept = strength > WEAKEST * strength[0]
    left, strength, right = left[:, kept], strength[kept], right[kept]
    basis = right.T / strength  # δ = basis y moves the ensembles by ½ |y|² nats
    slope = sum(data.weight * data.gradient for data in group) @ basis
    curvature = torch.zeros(len(strength), len(strength), dtype=strength.dtype)
    first = 0
    for data in group:
        size = sum(part.n_frames for part in data.parts)
        curvature += data.weight * _curvature(data, left[first : first + size], basis)
        first += size
    values, vectors = torch.linalg.eigh(0.5 * (curvature + curvature.T))
    positive = (vectors * values.clamp(min=0.0)) @ vectors.T
    damping = torch.diag(1.0 + ridge * (strength[0] / strength).square())
    largest = max(float(values[-1]), 1e-300)
    return [
        -basis @ torch.linalg.solve(positive + mu * largest * damping, slope) for mu in DAMPINGS
    ]


def _curvature(data: StateFrames, left: Tensor, basis: Tensor) -> Tensor:
    """Jᵀ L'' J in the space of y."""
    means = averages(data.parts)
    with torch.enable_grad():
        leaves = {k: v.detach().requires_grad_(True) for k, v in means.items()}
        value = data.site.objective.loss(leaves)
        found = torch.autograd.grad(
            value, list(leaves.values()), create_graph=True, allow_unused=True
        )
        slope = torch.cat([s.flatten() for s in found if s is not None])
    used = [k for k, s in zip(leaves, found, strict=True) if s is not None]
    response = torch.cat([_response(data, name, left, basis) for name in used])
    rows = []
    for direction in response.T:
        if not slope.requires_grad:  # a loss that is linear in the averages
            rows.append(torch.zeros(len(response), dtype=response.dtype))
            continue
        with torch.enable_grad():
            bent = torch.autograd.grad(
                slope @ direction, [leaves[k] for k in used], retain_graph=True, allow_unused=True
            )
        rows.append(
            torch.cat([
                torch.zeros_like(leaves[k]).flatten() if b is None else b.flatten()
                for k, b in zip(used, bent, strict=True)
            ])
        )  # fmt: skip
    return torch.stack(rows) @ response


def _response(data: StateFrames, name: str, left: Tensor, basis: Tensor) -> Tensor:
    """d<O>/dy of an observable, (components, y)."""
    total, first = 0.0, 0
    for part in data.parts:
        rows = left[first : first + part.n_frames]
        first += part.n_frames
        values = part.observables[name].reshape(part.n_frames, -1)
        centred = values - part.weights @ values
        total = total - ((part.weights / len(data.parts)).sqrt()[:, None] * centred).T @ rows
        if name in part.explicit:
            explicit = torch.cat([part.explicit[name][k] for k in data.names], dim=1)
            total = total + explicit @ basis / len(data.parts)
    assert isinstance(total, Tensor)
    return total


def _longest(group: Sequence[StateFrames], step: Tensor, limit: float) -> float:
    """Share of a step, at most 1, after which enough of the frames that count now still do."""
    return longest_step(
        [
            Move(part, slopes @ step, data.kt, limit * part.effective)
            for data in group
            for part, slopes in zip(data.parts, data.slopes, strict=True)
        ]
    )
