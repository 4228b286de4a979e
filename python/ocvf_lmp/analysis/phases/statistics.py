"""Errors of averages over correlated frames."""

import numpy as np

FEWEST_BLOCKS = 8
"""With fewer, the spread of block means is itself uncertain by more than a quarter."""


def inefficiency(series: np.ndarray) -> float:
    """Frames that count as one independent: 1 + 2 Σ of the autocorrelation, at least 1.

    The sum ends where the autocorrelation first falls to zero; beyond, it is noise (Chodera et
    al., J. Chem. Theory Comput. 3, 26 (2007)).

    Args:
        series: (frames,) or, for one common number, (frames, components).
    """
    values = np.asarray(series, dtype=float).reshape(len(series), -1)
    values = values - values.mean(axis=0)
    n = len(values)
    if n < 4 or not np.any(np.abs(values) > 0):
        return 1.0
    spectrum = np.abs(np.fft.rfft(values, n=2 * n, axis=0)) ** 2
    covariance = np.fft.irfft(spectrum, axis=0)[:n].sum(axis=1)
    correlation = covariance / covariance[0] * n / (n - np.arange(n))
    ends = np.flatnonzero(correlation[1:] <= 0)
    last = int(ends[0]) if len(ends) else n - 1
    lags = np.arange(1, last + 1)
    return max(1.0, float(1.0 + 2.0 * np.sum((1.0 - lags / n) * correlation[1 : last + 1])))


def block_error(series: np.ndarray) -> np.ndarray:
    """Standard error of the mean by block averaging (Flyvbjerg & Petersen 1989).

    It grows with the length of the blocks until they are longer than the correlation; the largest
    over all lengths that leave `FEWEST_BLOCKS` is returned, which errs on the large side.

    Args:
        series: (frames,) or (frames, components).

    Returns:
        () or (components,); NaN with fewer frames than `FEWEST_BLOCKS`.
    """
    values = np.asarray(series, dtype=float)
    largest = np.full(values.shape[1:], np.nan)
    length = 1
    while len(values) // length >= FEWEST_BLOCKS:
        count = len(values) // length
        blocks = values[: count * length].reshape(count, length, *values.shape[1:])
        error = blocks.mean(axis=1).std(axis=0, ddof=1) / count**0.5
        largest = np.fmax(largest, error)
        length *= 2
    return largest


def block_resamples(n: int, block: int, count: int, random: np.random.Generator) -> np.ndarray:
    """Frames of moving-block bootstrap samples (Künsch 1989).

    Args:
        n: frames.
        block: consecutive frames that are drawn together; at least the correlation's length.
        count: samples.
        random: source of random numbers.

    Returns:
        Indices of frames, (count, n).
    """
    block = int(np.clip(block, 1, n))
    pieces = -(-n // block)
    starts = random.integers(0, n - block + 1, size=(count, pieces, 1))
    return (starts + np.arange(block)).reshape(count, -1)[:, :n]
