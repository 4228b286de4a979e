"""Nosé-Hoover chains: the thermostats' half step and its derivative.

A chain sees its degrees of freedom only through twice their kinetic energy, and acts on them only
by one factor that scales all momenta. Its half step is therefore a map between a handful of
numbers; it is computed here on Python floats, which costs tens of microseconds instead of the
milliseconds of as many tensor operations, and differentiated by hand.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch.autograd.function import once_differentiable

_YOSHIDA = 1.0 / (2.0 - 2.0 ** (1.0 / 3.0))
WEIGHTS = (_YOSHIDA, 1.0 - 2.0 * _YOSHIDA, _YOSHIDA)
"""Fourth-order Suzuki-Yoshida weights (Yoshida, Phys. Lett. A 150, 262, 1990)."""


def chain_step(
    twice_kinetic: torch.Tensor,
    positions: torch.Tensor,
    momenta: torch.Tensor,
    masses: Sequence[float],
    freedom: int,
    kt: float,
    duration: float,
    loops: int = 1,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Advances a chain for a time (Martyna et al., Mol. Phys. 87, 1117, 1996, section 4).

    A negative duration is the exact inverse.

    Args:
        twice_kinetic: Σ p²/m of the thermostatted degrees of freedom, eV, scalar.
        positions: thermostat positions, (chain,).
        momenta: thermostat momenta, eV ps, (chain,).
        masses: eV ps², as many.
        freedom: number of thermostatted degrees of freedom.
        kt: eV.
        duration: ps.
        loops: subdivisions.

    Returns:
        Factor by which to scale the momenta of the thermostatted degrees of freedom (scalar), and
        the new positions and momenta of the chain.
    """
    durations = _durations(duration, loops)
    scale, x, p = _ChainStep.apply(
        twice_kinetic, positions, momenta, tuple(masses), freedom * kt, kt, durations
    )
    return scale, x, p


def pull_back_chain(
    twice_kinetic: torch.Tensor,
    positions: torch.Tensor,
    momenta: torch.Tensor,
    masses: Sequence[float],
    freedom: int,
    kt: float,
    duration: float,
    loops: int,
    cotangents: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
) -> tuple[float, float, torch.Tensor]:
    """Cotangents of the inputs of `chain_step`, without a graph.

    Args:
        twice_kinetic: as for `chain_step`, like all up to `loops`.
        positions: before the step.
        momenta: before the step.
        masses: eV ps².
        freedom: number of degrees of freedom.
        kt: eV.
        duration: ps.
        loops: subdivisions.
        cotangents: of the three outputs.

    Returns:
        The factor, and the cotangents of the kinetic energy and of the momenta (that of the
        positions does not change).
    """
    durations = _durations(duration, loops)
    tape = _Tape(
        float(twice_kinetic), positions.tolist(), momenta.tolist(), tuple(masses), freedom * kt, kt
    )
    tape.run(durations)
    xs, ps = cotangents[1].tolist(), cotangents[2].tolist()
    of_kinetic = tape.pull_back(durations, float(cotangents[0]), xs, ps)
    return tape.scale, of_kinetic, momenta.new_tensor(ps)


def _durations(duration: float, loops: int) -> tuple[float, ...]:
    return tuple(w * duration / loops for _ in range(loops) for w in WEIGHTS)


def _exp(exponent: float) -> float:
    """Exp without an exception: a run that explodes is reported by the rollout."""
    return math.exp(exponent) if not exponent > 700.0 else math.inf


def chain_energy(
    positions: torch.Tensor, momenta: torch.Tensor, masses: Sequence[float], freedom: int, kt: float
) -> torch.Tensor:
    """The chain's share of the conserved quantity, eV: Σ p²/2Q + kT (f η_1 + η_2 + ...)."""
    mass = torch.tensor(masses, dtype=momenta.dtype, device=momenta.device)
    kinetic = 0.5 * (momenta.square() / mass).sum()
    return kinetic + kt * (freedom * positions[0] + positions[1:].sum())


class _Tape:
    """One pass of a chain on floats, noting what the pass back needs."""

    def __init__(
        self,
        twice_kinetic: float,
        x: list[float],
        p: list[float],
        masses: tuple[float, ...],
        target: float,
        kt: float,
    ) -> None:
        self.twice_kinetic, self.x, self.p = twice_kinetic, x, p
        self.masses, self.target, self.kt = masses, target, kt
        self.scale = 1.0
        self.kicks: list[tuple[float, float, float, float]] = []
        self.scalings: list[tuple[float, float, float]] = []

    def kick(self, j: int, tau: float) -> None:
        """Half kick of thermostat j between two quarter scalings by its successor."""
        p, last = self.p, len(self.p) - 1
        if j == 0:
            source, force = 0.0, self.twice_kinetic - self.target
        else:
            source = p[j - 1]
            force = source * source / self.masses[j - 1] - self.kt
        damp = _exp(-0.25 * tau * p[j + 1] / self.masses[j + 1]) if j < last else 1.0
        self.kicks.append((p[j], source, force, damp))
        p[j] = (p[j] * damp + 0.5 * tau * force) * damp

    def scale_all(self, tau: float) -> None:
        """Drift of the thermostats; scaling of the thermostatted momenta."""
        for j, mass in enumerate(self.masses):
            self.x[j] += tau * self.p[j] / mass
        factor = _exp(-tau * self.p[0] / self.masses[0])
        self.scalings.append((factor, self.twice_kinetic, self.scale))
        self.twice_kinetic *= factor * factor
        self.scale *= factor

    def run(self, durations: tuple[float, ...]) -> None:
        """The palindrome kicks, scaling, kicks for each of the durations."""
        n = len(self.p)
        for tau in durations:
            for j in range(n - 1, -1, -1):
                self.kick(j, tau)
            self.scale_all(tau)
            for j in range(n):
                self.kick(j, tau)

    def pull_back(
        self, durations: tuple[float, ...], scale_bar: float, x_bar: list[float], p_bar: list[float]
    ) -> float:
        """Cotangents of the inputs, in place for x and p; returns that of the kinetic energy."""
        n = len(self.p)
        kinetic_bar = 0.0
        kicks, scalings = reversed(self.kicks), reversed(self.scalings)
        for tau in reversed(durations):
            for j in range(n - 1, -1, -1):
                kinetic_bar += self._kick_back(next(kicks), j, tau, p_bar)
            factor, kinetic, scale = next(scalings)
            factor_bar = scale_bar * scale + kinetic_bar * 2.0 * factor * kinetic
            scale_bar, kinetic_bar = scale_bar * factor, kinetic_bar * factor * factor
            p_bar[0] -= factor_bar * factor * tau / self.masses[0]
            for j, mass in enumerate(self.masses):
                p_bar[j] += x_bar[j] * tau / mass
            for j in range(n):
                kinetic_bar += self._kick_back(next(kicks), j, tau, p_bar)
        return kinetic_bar

    def _kick_back(
        self, noted: tuple[float, float, float, float], j: int, tau: float, p_bar: list[float]
    ) -> float:
        p, source, force, damp = noted
        out = p_bar[j]
        if j < len(p_bar) - 1:
            damp_bar = out * (2.0 * p * damp + 0.5 * tau * force)
            p_bar[j + 1] -= damp_bar * damp * 0.25 * tau / self.masses[j + 1]
        p_bar[j] = out * damp * damp
        force_bar = out * 0.5 * tau * damp
        if j == 0:
            return force_bar
        p_bar[j - 1] += force_bar * 2.0 * source / self.masses[j - 1]
        return 0.0


class _ChainStep(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        twice_kinetic: torch.Tensor,
        positions: torch.Tensor,
        momenta: torch.Tensor,
        masses: tuple[float, ...],
        target: float,
        kt: float,
        durations: tuple[float, ...],
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        tape = _Tape(float(twice_kinetic), positions.tolist(), momenta.tolist(), masses, target, kt)
        tape.run(durations)
        ctx.tape, ctx.durations = tape, durations
        return (
            twice_kinetic.new_tensor(tape.scale),
            positions.new_tensor(tape.x),
            momenta.new_tensor(tape.p),
        )

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *cotangents: torch.Tensor) -> tuple[Any, ...]:
        scale_bar, x_bar, p_bar = cotangents
        tape: _Tape = ctx.tape
        xs, ps = x_bar.tolist(), p_bar.tolist()
        kinetic_bar = tape.pull_back(ctx.durations, float(scale_bar), xs, ps)
        return (
            scale_bar.new_tensor(kinetic_bar),
            x_bar.clone(),
            p_bar.new_tensor(ps),
            None,
            None,
            None,
            None,
        )
