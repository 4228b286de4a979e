"""Cuts the series of a leg into parts within which nothing changes.

A single frame of a few hundred atoms is noisy: its polarization fluctuates by 0.02 to 0.1 C/m² a
component and its cell by 0.3 %. Phases are therefore read from means over windows. A cell that
changes its polar axis within a window would have a mean that belongs to no phase (half z, half x
looks orthorhombic; +z, -z cubic), so a window is cut at the time that best separates two means, if
they are far apart compared with the fluctuations along the line that joins them, and each part
again, until they are shorter than a quarter of a window.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

DISTINCT = 3.5
"""Distance of two means in standard deviations beyond which they are two states.

Two normal distributions of equal width show two peaks from 2 on (Ashman et al. 1994), but the
best of many cuts of noise comes farther: that of a window of 20 frames with correlation 0.6 exceeds
3 in about one window of three and 3.5 in one of eight. Reversals and turns of the polarization are
4 to 8 apart."""


@dataclass(frozen=True, slots=True)
class Part:
    """Consecutive frames of a leg, from `start` to before `stop`."""

    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def frames(self) -> slice:
        """For indexing."""
        return slice(self.start, self.stop)


def cut(series: np.ndarray, window: int, distinct: float = DISTINCT) -> list[Part]:
    """Windows of about equal length, cut further where the state changes.

    Args:
        series: components on a common scale, (frames, components).
        window: frames.
        distinct: as `DISTINCT`.
    """
    n = len(series)
    if n == 0:
        return []
    count = max(1, round(n / window))
    edges = np.linspace(0, n, count + 1).round().astype(int)
    shortest = max(2, min(window, n) // 4)
    parts: list[Part] = []
    for start, stop in pairwise(edges):
        parts += _split(series, Part(int(start), int(stop)), shortest, distinct)
    return parts


def fluctuations(series: np.ndarray, distinct: float = DISTINCT) -> np.ndarray:
    """The series less the mean of its state: that between two changes of state, however far apart.

    What they say of spread and correlation is not cut short by the length of a window.
    """
    return residuals(series, cut(series, len(series), distinct))


def residuals(series: np.ndarray, parts: Sequence[Part]) -> np.ndarray:
    """The series less the mean of the part that each frame belongs to."""
    rest = np.array(series, dtype=float)
    for part in parts:
        rest[part.frames] -= rest[part.frames].mean(axis=0)
    return rest


def _split(series: np.ndarray, part: Part, shortest: int, distinct: float) -> list[Part]:
    if len(part) < 2 * shortest:
        return [part]
    at = _best_cut(series[part.frames], shortest)
    first, second = series[part.start : part.start + at], series[part.start + at : part.stop]
    step = second.mean(axis=0) - first.mean(axis=0)
    size = float(np.linalg.norm(step))
    if size == 0.0:
        return [part]
    along = np.concatenate([(side - side.mean(axis=0)) @ (step / size) for side in (first, second)])
    if size <= distinct * float(along.std()):
        return [part]
    middle = part.start + at
    return [
        *_split(series, Part(part.start, middle), shortest, distinct),
        *_split(series, Part(middle, part.stop), shortest, distinct),
    ]


def _best_cut(series: np.ndarray, shortest: int) -> int:
    """Where the sum of squares about the two means is smallest."""
    n = len(series)
    places = np.arange(shortest, n - shortest + 1)
    sums = np.cumsum(series - series.mean(axis=0), axis=0)[places - 1]
    gain = (sums**2).sum(axis=1) * n / (places * (n - places))
    return int(places[np.argmax(gain)])
