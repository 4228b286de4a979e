"""What an estimator of a gradient gives: the gradient, how well it is known, what it cost."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from ocvf_lmp.fit.jackknife import Jackknife


@dataclass(frozen=True, slots=True)
class GradientEstimate:
    """Gradient of a loss of ensemble averages with respect to the parameters of a potential.

    Attributes:
        loss: at the averages.
        gradients: by the name of the parameter.
        errors: standard error of every component; empty where one sample cannot tell.
        observables: the averages, by name.
        seconds: that it took.
        refusal: why the gradient must not be used; empty if it may.
        notes: what the estimator knows of itself, by name, for the log.
        remark: what should be known of the gradient though it may be used; empty if nothing.
        jackknife: the averages without each block; None where one sample cannot tell.
    """

    loss: float
    gradients: dict[str, torch.Tensor]
    errors: dict[str, torch.Tensor]
    observables: dict[str, torch.Tensor]
    seconds: float
    refusal: str = ""
    notes: dict[str, float] = field(default_factory=dict)
    remark: str = ""
    jackknife: Jackknife | None = None

    @property
    def norm(self) -> float:
        """Norm of the gradient."""
        return norm_of(self.gradients)

    @property
    def error(self) -> float:
        """Norm of the standard errors; nan where they are not known."""
        return norm_of(self.errors) if self.errors else math.nan

    @property
    def signal_to_noise(self) -> float:
        """Estimate of |true gradient| / |error|, freed of what the noise adds to the norm."""
        if not self.errors:
            return math.nan
        noise = self.error
        return math.sqrt(max(self.norm**2 - noise**2, 0.0)) / max(noise, 1e-300)


def norm_of(tensors: Mapping[str, torch.Tensor]) -> float:
    """Euclidean norm of all components together."""
    return math.sqrt(sum(float(t.detach().square().sum()) for t in tensors.values()))
