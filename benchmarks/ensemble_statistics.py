"""Means and variances of correlated series with errors that hold, for `ensembles.py`."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ensemble_runs import Series

QUANTITIES = ("volume", "a", "b", "c", "alpha", "beta", "gamma", "kinetic")
"""What is compared: Å³, Å, degrees and eV."""


@dataclass(frozen=True)
class Moment:
    """An estimate and its standard error."""

    value: float
    error: float


@dataclass(frozen=True)
class Moments:
    """Of one quantity over all runs of one program.

    Attributes:
        mean: of the quantity.
        variance: of the quantity.
        blocks: number of blocks behind the errors.
        length: of a block, in correlation times of the quantity and of its squared deviation,
            whichever is longer.
    """

    mean: Moment
    variance: Moment
    blocks: int
    length: float


def quantities(series: Series) -> dict[str, np.ndarray]:
    """The compared quantities, none of which changes when the cell is rotated, (samples,) each."""
    cells = series.cells
    lengths = np.linalg.norm(cells, axis=2)
    unit = cells / lengths[:, :, None]
    pairs = ((1, 2), (0, 2), (0, 1))
    angles = [np.degrees(np.arccos((unit[:, i] * unit[:, j]).sum(axis=1))) for i, j in pairs]
    columns = (np.linalg.det(cells), *lengths.T, *angles, series.kinetic)
    return dict(zip(QUANTITIES, columns, strict=True))


def moments(
    runs: Sequence[np.ndarray], n_blocks: int, weights: Sequence[np.ndarray] | None = None
) -> Moments:
    """Mean and variance with jackknife errors over blocks.

    Leaving out one block after another gives the error of the variance as soundly as that of the
    mean, if blocks are many correlation times long: see `Moments.length`.

    Args:
        runs: series of independent runs, (samples,) each.
        n_blocks: into how many each run is cut; samples at its end that fill no block are left out.
        weights: of the samples; None: all alike.
    """
    center = float(np.mean(np.concatenate(runs)))
    size = min(len(run) for run in runs) // n_blocks
    given = [np.ones(len(run)) for run in runs] if weights is None else weights
    x = np.concatenate([_blocks(run - center, size) for run in runs])
    w = np.concatenate([_blocks(one, size) for one in given])
    sums = np.stack([w.sum(axis=1), (w * x).sum(axis=1), (w * x * x).sum(axis=1)])
    whole = sums.sum(axis=1)
    mean, variance = _moments(whole)
    without = _moments(whole[:, None] - sums)
    n = sums.shape[1]
    errors = [float(np.sqrt((n - 1) * np.var(one))) for one in without]
    slowest = max(
        correlation_time(runs), correlation_time([(r - center - mean) ** 2 for r in runs])
    )
    return Moments(
        Moment(center + float(mean), errors[0]), Moment(float(variance), errors[1]), n,
        size / slowest,
    )  # fmt: skip


def correlation_time(runs: Sequence[np.ndarray], window: float = 6.0) -> float:
    """Integrated autocorrelation time 1 + 2 Σ ρ(t), in samples, of several runs of one process.

    The sum ends where it is `window` times shorter than t (Sokal, in: Functional Integration,
    NATO ASI B 361, 131, 1997).
    """
    center = float(np.mean(np.concatenate(runs)))
    length = min(len(run) for run in runs)
    total = np.zeros(length)
    for run in runs:
        padded = np.fft.rfft(run[:length] - center, 2 * length)
        total += np.fft.irfft(padded * padded.conj())[:length] / np.arange(length, 0, -1)
    time = 2.0 * np.cumsum(total / total[0]) - 1.0
    short = np.arange(length) > window * time
    return max(float(time[np.argmax(short)] if short.any() else time[-1]), 1.0)


def difference(one: Moment, two: Moment) -> float:
    """Difference in its standard errors."""
    return (one.value - two.value) / float(np.hypot(one.error, two.error))


def _blocks(run: np.ndarray, size: int) -> np.ndarray:
    count = len(run) // size
    return run[: count * size].reshape(count, size)


def _moments(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mean = sums[1] / sums[0]
    return mean, sums[2] / sums[0] - mean**2
