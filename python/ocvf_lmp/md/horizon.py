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
        rate: growth rate of the adjoint's norm over the earlier half of the window, 1/ps.
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

    The rate is the slope of log norm against time on the earlier half of the steps, where the
    transients of the last frames have died out. Regular motion gives the norm a power of the lag,
    whose slope there is about 1.4 times the power over the length: less than three e-folds.

    Args:
        norms: norm of the adjoint at steps 0 ... n, (n + 1,).
        timestep: ps.
        e_folds: growth beyond which the gradient counts as noise.
    """
    length = (len(norms) - 1) * timestep
    early = norms[: max(2, len(norms) // 2 + 1)].double()
    usable = (early > 0) & torch.isfinite(early)
    if int(usable.sum()) < 2:
        return Horizon(0.0, length, math.inf)
    time = torch.arange(len(early), dtype=torch.float64, device=early.device)[usable] * timestep
    logs = early[usable].log()
    time = time - time.mean()
    rate = -float((time * logs).sum() / time.square().sum())
    return Horizon(rate, length, e_folds / rate if rate > 0 else math.inf)
