"""How long a window a trajectory's gradient can be trusted for.

Neighbouring trajectories part exponentially, and the adjoint grows likewise on its way back in
time. Beyond a few e-folds the exact gradient of the trajectory says nothing about the ensemble's
response: it is noise of exponentially large size.

On its way back the adjoint first grows like a power of the lag (the time to the end), however
regular the motion: from a cell to its momentum, from there to the atoms and theirs, and once more
as frames are passed. Only what such a power leaves over counts as exponential growth. So a short
window, which shows nothing but the power, cannot tell its horizon; the exponent of a longer run
(`ocvf_lmp.md.lyapunov`) can.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import lsq_linear

from ocvf_lmp.md.lyapunov import Lyapunov

E_FOLDS = 3.0
"""Growth beyond which a gradient counts as noise.

Measured on a Lennard-Jones solid (`benchmarks/npt_gradient.py`): the scatter of a window's gradient
exceeds the response it should give beyond 2.3 e-folds with a fast barostat, 5.5 with a slow one.
"""

_HIGHEST_POWER = 4.0
"""Of the lag, by which regular motion lets the adjoint grow: see above."""

_SHORTEST = 10
"""Lags below this many steps are left out: discrete steps and frames are no power law there."""


@dataclass(frozen=True, slots=True)
class Horizon:
    """Growth of the adjoint over a window.

    Attributes:
        rate: exponential growth rate of the adjoint's norm, 1/ps.
        length: length of the window, ps.
        usable: estimate of the longest usable window, ps (infinite without growth).
        error: standard error of the rate, 1/ps; None where the window's own norm is all there is.
    """

    rate: float
    length: float
    usable: float
    error: float | None = None

    @classmethod
    def of_exponent(cls, lyapunov: Lyapunov, length: float, e_folds: float = E_FOLDS) -> "Horizon":
        """What the exponent of a run says of a window, run or not.

        Args:
            lyapunov: the exponent.
            length: of the window, ps.
            e_folds: growth beyond which a gradient counts as noise.
        """
        rate = max(lyapunov.rate, 0.0)
        return cls(rate, length, e_folds / rate if rate > 0 else math.inf, lyapunov.error)

    @property
    def trusted(self) -> bool:
        """Whether the window is not longer than the usable one."""
        return self.length <= self.usable

    @property
    def e_folds(self) -> float:
        """Exponential growth over the window."""
        return self.rate * self.length

    def __str__(self) -> str:
        limit = "no limit seen" if math.isinf(self.usable) else f"usable up to {self.usable:.3g} ps"
        spread = "" if self.error is None else f" ± {self.error:.1g}"
        return f"adjoint grows by {self.rate:.3g}{spread}/ps over {self.length:.3g} ps: {limit}"


def horizon(
    norms: torch.Tensor,
    timestep: float,
    e_folds: float = E_FOLDS,
    lyapunov: Lyapunov | None = None,
) -> Horizon:
    """Estimates the usable window from the adjoint's norm along a trajectory.

    The logarithm of the norm is fitted by a + p log(lag) + rate·lag with 0 <= p <= 4 and
    rate >= 0, on the last nine tenths of the lags. One long trajectory gives the rate to within a
    factor of about two, one of less than three e-folds mostly 0.

    Args:
        norms: norm of the adjoint at steps 0 ... n, (n + 1,).
        timestep: ps.
        e_folds: growth beyond which the gradient counts as noise.
        lyapunov: exponent of a longer run; the rate is then the larger of this and the window's
            own, which only counts where the window is noise by its own account.
    """
    length = (len(norms) - 1) * timestep
    own = _own_rate(norms, timestep)
    if lyapunov is None or (own > lyapunov.rate and own * length > e_folds):
        return Horizon(own, length, e_folds / own if own > 0 else math.inf)
    return Horizon.of_exponent(lyapunov, length, e_folds)


def _own_rate(norms: torch.Tensor, timestep: float) -> float:
    """Exponential rate that the best power of the lag leaves over, 1/ps."""
    n_steps = len(norms) - 1
    values = norms.detach().double().cpu().numpy()
    lag = np.arange(n_steps, -1, -1, dtype=np.float64)
    used = (lag >= max(_SHORTEST, 0.1 * n_steps)) & (values > 0) & np.isfinite(values)
    if used.sum() < 4:
        return 0.0
    share = lag[used] / n_steps
    columns = np.stack([np.ones_like(share), np.log(share), share], axis=1)
    bounds = ([-np.inf, 0.0, 0.0], [np.inf, _HIGHEST_POWER, np.inf])
    growth = float(lsq_linear(columns, np.log(values[used]), bounds).x[2])
    # a bounded fit comes to rest just beside its bound
    return growth / (n_steps * timestep) if growth > 1e-3 else 0.0
