"""Averages over all frames of a phase, from all legs that visit it (table III of the paper)."""

from collections.abc import Callable, Sequence

import numpy as np

from ocvf_lmp.analysis.phases.alignment import Aligned, symmetric_parameters
from ocvf_lmp.analysis.phases.classify import PHASES, C, Labels, R
from ocvf_lmp.analysis.phases.results import PhaseResult, Value
from ocvf_lmp.analysis.phases.series import LegSeries
from ocvf_lmp.analysis.phases.statistics import block_error

PURE = 0.8
"""Share of a leg's frames in one phase from which the leg tells of the phase's expansion."""

VISITED = 0.2
"""Share of a leg's frames from which the leg counts for a phase; fewer are strays of noise."""

Leg = tuple[LegSeries, Aligned, Labels, Labels]
"""A leg, its frames along the polar axis, and its phases by polarization and by strain."""


def phase_results(legs: Sequence[Leg]) -> list[PhaseResult]:
    """Of every phase that some leg visits, by polarization where no cell contradicts it."""
    found = [_phase(k, legs) for k in range(len(PHASES))]
    return [one for one in found if one is not None]


def pooled(parts: Sequence[np.ndarray]) -> Value:
    """Mean over the frames of several legs; errors of the legs add by their numbers of frames.

    The differences between the legs, which are at different temperatures, are no error. Where a leg
    has too few frames of the phase to know its error, their spread stands in, as if they were one.
    """
    parts = [part for part in parts if len(part)]
    total = sum(len(part) for part in parts)
    mean = float(sum(part.sum() for part in parts)) / total
    spread = float(np.concatenate([part - part.mean() for part in parts]).std())
    errors = [float(block_error(part)) for part in parts]
    errors = [error if np.isfinite(error) else spread for error in errors]
    squares = sum((len(p) / total * error) ** 2 for p, error in zip(parts, errors, strict=True))
    return Value(mean, float(squares**0.5) if total > 1 else np.nan)


def _members(k: int, legs: Sequence[Leg]) -> list[np.ndarray]:
    """Which frames of each leg are in a phase: by polarization, where the cell does not contradict.

    Where a polarization changes its axis within a window, its mean reads as another phase than the
    cell has; but the small shears of R may read C. A phase that no cell confirms, for instance at a
    constant cell, is that of the polarization alone.
    """
    cells = (R, C) if k == R else (k,)
    both = [(p.frames == k) & np.isin(strain.frames, cells) for *_, p, strain in legs]
    if any(inside.mean() >= VISITED for inside in both):
        return both
    return [polar.frames == k for *_, polar, _ in legs]


def _phase(k: int, legs: Sequence[Leg]) -> PhaseResult | None:
    found = [(leg[0], leg[1], inside) for leg, inside in zip(legs, _members(k, legs), strict=True)]
    visits = [visit for visit in found if visit[2].mean() >= VISITED]
    if not visits:
        return None

    def gather(what: Callable[[LegSeries, Aligned], np.ndarray]) -> list[np.ndarray]:
        return [what(series, aligned)[inside] for series, aligned, inside in visits]

    sizes = gather(lambda s, _: np.linalg.norm(s.polarization, axis=1))
    ordered = pooled(gather(lambda _, a: np.linalg.norm(a.means, axis=1)[a.window]))
    frames = np.concatenate(sizes)
    names = symmetric_parameters(PHASES[k], visits[0][1].lattice)
    size = pooled(sizes)
    expansion, count = expansion_of([(s, float(inside.mean())) for s, _, inside in found])
    temperatures = [s.temperature for s, _, _ in visits]
    return PhaseResult(
        PHASES[k],
        min(temperatures),
        max(temperatures),
        len(frames),
        size,
        float(frames.std()),
        float(frames.var()),
        Value(ordered.value, size.error),
        {
            n: pooled(gather(lambda _, a, n=n: symmetric_parameters(PHASES[k], a.lattice)[n]))
            for n in names
        },
        pooled(gather(lambda s, _: s.volume)),
        expansion,
        count,
    )


def expansion_of(legs: Sequence[tuple[LegSeries, float]]) -> tuple[Value, int]:
    """Linear thermal expansion of a phase, from a line through ln V of the legs that are in it.

    Legs weigh by their errors; where they scatter about the line by more than these, the error of
    the slope grows with the scatter.

    Args:
        legs: series, and share of their frames in the phase.

    Returns:
        d ln V / 3 dT in 1/K, NaN from fewer than two temperatures; number of legs.
    """
    pure = [series for series, share in legs if share >= PURE]
    t = np.array([series.temperature for series in pure])
    if len(np.unique(t)) < 2:
        return Value(np.nan, np.nan), len(pure)
    y = np.array([np.log(series.volume).mean() for series in pure])
    error = np.array([float(block_error(np.log(series.volume))) for series in pure])
    if not np.isfinite(error).all() or np.any(error <= 0):
        return Value(np.nan, np.nan), len(pure)
    weight = 1.0 / error**2
    middle = float(np.average(t, weights=weight))
    lever = float(np.sum(weight * (t - middle) ** 2))
    slope = float(np.sum(weight * (t - middle) * y)) / lever
    rest = y - np.average(y, weights=weight) - slope * (t - middle)
    freedom = len(t) - 2
    scatter = float(np.sum(weight * rest**2)) / freedom if freedom else 1.0
    return Value(slope / 3.0, (max(1.0, scatter) / lever) ** 0.5 / 3.0), len(pure)
