"""The phase of every window by its polarization.

R has three equal components of the polarization, O two, T one and C none. Two questions are asked
of the mean ⟨P⟩ of a window:

*Is it polar?* Where all of these hold, else it is C:

- |⟨P⟩|² is more than half (`share`) of the mean of |P|²: more of the polarization stays than
  fluctuates. Below, the mean is a slow fluctuation of a crystal that has no polarization.
- |⟨P⟩| is more than a third (`relative`) of what the sweep's most polar leg shows. The transition
  to C is of first order: barium titanate keeps half to two thirds of its low-temperature
  polarization up to T_c, while means over windows of a cubic cell of a few hundred atoms stay below
  a quarter.
- |⟨P⟩| is more than `floor`.

*Along what?* Of the 6 directions ⟨001⟩, 12 ⟨011⟩ and 8 ⟨111⟩ the one nearest to ⟨P⟩ decides. Where
the mean is sharp, more is asked: components that a phase makes equal must be so, within 20 %
(`equal`) or 4 standard errors (`sure`), whichever is more; else the crystal has left that phase, R
for O or O for T. So a window, or a published mean, in which a transition is under way counts as the
phase of the lower symmetry that heating leads to.

A crystal that changes its axis within a window is cut there (`windows`). One that does so more
often than that reads C by its means; the Binder ratio of its leg, 1 for a polarization of constant
size and 0 for a normal distribution about zero, then says that it is not.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ocvf_lmp.analysis.phases.series import LegSeries
from ocvf_lmp.analysis.phases.statistics import inefficiency
from ocvf_lmp.analysis.phases.windows import DISTINCT, Part, cut, fluctuations

PHASES = ("R", "O", "T", "C")
R, O, T, C = range(4)  # noqa: E741 (the names of the phases)
FEWEST_IN_WINDOW = 8


@dataclass(frozen=True, slots=True)
class Criteria:
    """How phases are told apart.

    Attributes:
        window: shortest length of a window, ps.
        correlations: correlation times (1 + 2 Σ) of the polarization that a window must hold; the
            median over the legs counts. A shorter window shows slow fluctuations as phases.
        distinct: of two states within a window, standard deviations.
        share: of |⟨P⟩|² in ⟨|P|²⟩ beyond which a window is polar.
        relative: of the most polar leg's |⟨P⟩| beyond which a window is polar.
        floor: |⟨P⟩| beyond which a window is polar, C/m².
        equal: relative difference of components that count as equal.
        sure: standard errors of a difference that is not believed to be chance.
    """

    window: float = 2.0
    correlations: float = 6.0
    distinct: float = DISTINCT
    share: float = 0.5
    relative: float = 0.35
    floor: float = 0.02
    equal: float = 0.2
    sure: float = 4.0


@dataclass(frozen=True, slots=True)
class Labels:
    """The phases of a leg by one criterion.

    Attributes:
        parts: stretches of frames.
        phases: of each part, index into `PHASES`.
        frames: of each frame, (frames,).
    """

    parts: tuple[Part, ...]
    phases: tuple[int, ...]
    frames: np.ndarray

    @property
    def fractions(self) -> np.ndarray:
        """Share of each phase, (4,)."""
        return np.bincount(self.frames, minlength=4) / max(1, len(self.frames))

    @property
    def switches(self) -> int:
        """How often one phase follows another."""
        return int(np.count_nonzero(np.diff(self.phases)))


def labels_of(parts: Sequence[Part], phases: Sequence[int]) -> Labels:
    """Phases of parts, spread over their frames."""
    lengths = [len(part) for part in parts]
    return Labels(tuple(parts), tuple(phases), np.repeat(np.array(phases, dtype=int), lengths))


def window_length(legs: Sequence[LegSeries], criteria: Criteria) -> float:
    """Length of the windows of a sweep, ps."""
    times = [
        leg.spacing * inefficiency(fluctuations(leg.polarization, criteria.distinct))
        for leg in legs
        if len(leg)
    ]
    return max(criteria.window, criteria.correlations * float(np.median(times)) if times else 0.0)


def window_frames(leg: LegSeries, window: float) -> int:
    """The same for one leg, in frames."""
    return max(FEWEST_IN_WINDOW, round(window / leg.spacing))


def by_polarization(legs: Sequence[LegSeries], criteria: Criteria, window: float) -> list[Labels]:
    """Phases of all legs of a sweep; they share the scale of the polarization.

    Args:
        legs: of the sweep.
        criteria: thresholds.
        window: length of a window, ps.
    """
    parts = [cut(leg.polarization, window_frames(leg, window), criteria.distinct) for leg in legs]
    scale = polar_scale(legs, parts)
    found = []
    for leg, own in zip(legs, parts, strict=True):
        rest = fluctuations(leg.polarization, criteria.distinct)
        spread, slow = rest.std(axis=0), inefficiency(rest)
        phases = [
            phase_of_mean(
                leg.polarization[part.frames].mean(axis=0),
                criteria,
                scale,
                float(np.sum(spread**2)),
                float(np.mean(spread)) * min(1.0, slow / len(part)) ** 0.5,
            )
            for part in own
        ]
        found.append(labels_of(own, phases))
    return found


def polar_scale(legs: Sequence[LegSeries], parts: Sequence[Sequence[Part]]) -> float:
    """Median |⟨P⟩| over the windows of the leg where it is largest, C/m²."""
    sizes = [
        np.median([np.linalg.norm(leg.polarization[p.frames].mean(axis=0)) for p in own])
        for leg, own in zip(legs, parts, strict=True)
        if own
    ]
    return float(max(sizes, default=0.0))


def phase_of_mean(
    mean: np.ndarray,
    criteria: Criteria,
    scale: float,
    variance: float = 0.0,
    error: float = 0.0,
) -> int:
    """Phase of a mean polarization.

    Args:
        mean: along the pseudocubic axes, C/m², (3,).
        criteria: thresholds.
        scale: |⟨P⟩| of the most polar leg, C/m².
        variance: of the polarization within the window, all three components, (C/m²)².
        error: standard error of a component of the mean, C/m².

    Returns:
        Index into `PHASES`.
    """
    size = float(np.linalg.norm(mean))
    if size**2 <= criteria.share * (size**2 + variance):
        return C
    if size <= max(criteria.relative * scale, criteria.floor):
        return C
    large, middle, small = np.sort(np.abs(mean))[::-1]
    nearest = int(np.argmax([
        (large + middle + small) / 3**0.5, (large + middle) / 2**0.5, large
    ]))  # fmt: skip

    def same(value: float, other: float) -> bool:
        return other - value <= max(criteria.equal * other, criteria.sure * error)

    if nearest == R and not same(small, 0.5 * (large + middle)):
        nearest = O
    if nearest == O and not same(middle, large):
        nearest = T
    return nearest


def binder_ratio(polarization: np.ndarray) -> float:
    """5/2 - 3/2 ⟨P⁴⟩/⟨P²⟩² of a vector: 1 for constant size, 0 for normal noise about 0."""
    squares = np.sum(polarization**2, axis=1)
    mean = float(squares.mean())
    return 2.5 - 1.5 * float((squares**2).mean()) / mean**2 if mean > 0 else 0.0
