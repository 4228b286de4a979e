"""How long a run remembers: times over which the cell's fluctuations relax.

Two times are told apart, for a normalised autocorrelation function ρ(t):

- `integrated_time`, ∫ρ dt: it sets the error of a mean (Sokal, in Functional Integration, 1997);
- `memory_time`, 2 ∫ρ² dt: it sets the error of a variance or covariance (Bartlett's formula).

Both are τ for ρ = exp(-t/τ). But an extended system's cell rings: ρ swings about zero, ∫ρ nearly
cancels, and so says next to nothing about when the response to a force has come in; ∫ρ² does not
cancel. Relaxation here means `memory_time`. Estimators that stop at the first zero of ρ (such as
pymbar's statistical inefficiency) give a quarter of a period instead of the memory.
"""

from dataclasses import dataclass

import torch

from ocvf_lmp.errors import InputError

_RESOLVED = 50.0
"""A run of so many of its estimated relaxation times can be believed; shorter ones estimate too
short a time."""

STRAINS = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
"""Components of the symmetric strain."""


@dataclass(frozen=True, slots=True)
class Relaxation:
    """Relaxation of a quantity, as far as a run tells.

    Attributes:
        name: of the quantity.
        time: ps; 0 for a quantity that does not change.
        error: standard error of the time, ps.
        length: of the run, ps.
    """

    name: str
    time: float
    error: float
    length: float

    @property
    def resolved(self) -> bool:
        """Whether the run is long enough for the time to be more than a lower bound."""
        return self.length >= _RESOLVED * self.time

    def __str__(self) -> str:
        if self.resolved:
            return f"{self.name} relaxes in {self.time:.2g} ± {self.error:.1g} ps"
        return f"{self.name} relaxes in {self.time:.2g} ps or more (from {self.length:.2g} ps)"


def autocorrelation(series: torch.Tensor) -> torch.Tensor:
    """Autocorrelation of a series about its mean, over that at lag 0, (samples,).

    The sum at every lag is divided by the number of samples, not of terms: that damps the noise at
    long lags. A constant series gives zeros.
    """
    n = len(series)
    values = series.double() - series.double().mean()
    spectrum = torch.fft.rfft(values, 2 * n)
    found = torch.fft.irfft(spectrum.abs().square(), 2 * n)[:n]
    # what is left of a constant after its mean is taken off is round-off
    constant = float(values.abs().max()) <= 1e-12 * float(series.double().abs().max())
    return torch.zeros_like(found) if constant else found / found[0]


def integrated_time(series: torch.Tensor, window: float = 5.0) -> tuple[float, float]:
    """Integrated autocorrelation time 1/2 + Σ ρ(k) in samples, and its standard error.

    The sum ends at the first lag M that is at least `window` times the sum so far (Madras and
    Sokal, J. Stat. Phys. 50, 109, 1988, with their error). A series without correlation gives 1/2;
    a constant one 0.

    Args:
        series: (samples,).
        window: see above.
    """
    _check(series)
    return _windowed(autocorrelation(series), window, len(series))


def memory_time(series: torch.Tensor, window: float = 5.0) -> tuple[float, float]:
    """Twice the integral of the squared autocorrelation, 1 + 2 Σ ρ(k)², in samples, and its error.

    The sum ends as in `integrated_time`. The noise of ρ, which adds up in the squares, is taken off
    by Bartlett's formula: its variance at a lag is the memory time over the number of samples.

    Args:
        series: (samples,).
        window: the sum goes on to that many times its value.
    """
    _check(series)
    n = len(series)
    squares = autocorrelation(series).square()
    total = 2.0 * (squares.cumsum(0) - 0.5 * squares[0])
    lag = torch.arange(n, dtype=total.dtype)
    clean = total / (1.0 + 2.0 * lag / n)
    time = float(clean[_first(lag >= window * clean)])
    # what first-order and ringing processes scatter by, found by trying
    return time, time * (4.0 * time / n) ** 0.5


def relaxation(series: torch.Tensor, interval: float, name: str) -> Relaxation:
    """Relaxation time of a quantity.

    Args:
        series: its values, (samples,).
        interval: between samples, ps.
        name: of the quantity.

    Raises:
        InputError: fewer than four samples.
    """
    time, error = memory_time(series)
    return Relaxation(name, time * interval, error * interval, len(series) * interval)


def cell_relaxation(cells: torch.Tensor, interval: float) -> dict[str, Relaxation]:
    """Relaxation of the volume and of the six strains, by name (``volume``, ``strain xx`` ...).

    Strains are those of the mean cell, symmetric. Components that the barostat leaves alone have
    the time 0.

    Args:
        cells: rows, along an equilibrium run, Å, (samples, 3, 3).
        interval: between samples, ps.

    Raises:
        InputError: fewer than four samples.
    """
    cells = cells.double()
    change = torch.linalg.inv(cells.mean(dim=0)) @ cells
    strain = 0.5 * (change + change.transpose(1, 2))
    found = {"volume": relaxation(torch.linalg.det(cells), interval, "volume")}
    for i, j in STRAINS:
        name = f"strain {'xyz'[i]}{'xyz'[j]}"
        found[name] = relaxation(1.0 + strain[:, i, j], interval, name)
    return found


def slowest(found: dict[str, Relaxation]) -> Relaxation:
    """The longest of several relaxations."""
    return max(found.values(), key=lambda relaxation: relaxation.time)


def _windowed(rho: torch.Tensor, window: float, n: int) -> tuple[float, float]:
    """Sum of ρ to the first lag that is `window` times the sum, and its error."""
    total = rho.cumsum(0) - 0.5 * rho[0]
    end = _first(torch.arange(n, dtype=rho.dtype) >= window * total)
    time = float(total[end])
    return time, abs(time) * (2.0 * (2 * end + 1) / n) ** 0.5


def _first(reached: torch.Tensor) -> int:
    """Index of the first true element; the last index if there is none."""
    return int(reached.int().argmax()) if bool(reached.any()) else len(reached) - 1


def _check(series: torch.Tensor) -> None:
    if len(series) < 4:
        raise InputError(
            f"expected at least 4 samples to see a correlation, found {len(series)}; lengthen the"
            " run or sample more often"
        )
