"""How long a window a trajectory's gradient can be trusted for.

Neighbouring trajectories part exponentially, and the adjoint grows likewise on its way back in
time. Beyond a few e-folds the exact gradient of the trajectory says nothing about the ensemble's
response: it is noise of exponentially large size.
"""

import math
from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class Horizon:
    """Growth of the adjoint over a window.

    Attributes:
        rate: exponential growth rate of the adjoint's norm, 1/ps.
        length: length of the window, ps.
        usable: estimate of the longest usable window, ps (infinite without growth).
    """

    rate: float
    length: float
    usable: float

    @property
    def trusted(self) -> bool:
        """Whether the window is not longer than the usable one."""
        return self.length <= self.usable

    def __str__(self) -> str:
        limit = "no limit seen" if math.isinf(self.usable) else f"usable up to {self.usable:.3g} ps"
        return f"adjoint grows by {self.rate:.3g}/ps over {self.length:.3g} ps: {limit}"


def horizon(norms: torch.Tensor, timestep: float, e_folds: float = 3.0) -> Horizon:
    """Estimates the usable window from the adjoint's norm along a trajectory.

    The norm collects the frames it has passed, so regular motion lets it grow at least like the lag
    (the time to the end). The rate is the slope of log(norm/lag) against the lag, beyond the first
    fifth of the window, where the transients of the last frames have died out. A norm that grows
    like the square of the lag gives two e-folds over the window, whatever its length, and passes.
    One trajectory gives the rate to within a factor of about two.

    Args:
        norms: norm of the adjoint at steps 0 ... n, (n + 1,).
        timestep: ps.
        e_folds: growth beyond which the gradient counts as noise.
    """
    n_steps = len(norms) - 1
    length = n_steps * timestep
    lag = torch.arange(n_steps, -1, -1, dtype=torch.float64, device=norms.device)
    used = (lag >= max(1.0, 0.2 * n_steps)) & (norms > 0) & torch.isfinite(norms)
    if int(used.sum()) < 2:
        return Horizon(0.0, length, math.inf)
    logs = (norms.double()[used] / lag[used]).log()
    time = lag[used] * timestep
    time = time - time.mean()
    rate = float((time * logs).sum() / time.square().sum())
    return Horizon(rate, length, e_folds / rate if rate > 0 else math.inf)
