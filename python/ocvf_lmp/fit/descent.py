"""How gradients become steps of the parameters: plain descent with one scale a correction."""

import math
from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import nn

from ocvf_lmp.fit.estimate import GradientEstimate
from ocvf_lmp.fit.estimators import Share
from ocvf_lmp.fit.experiment import Experiment
from ocvf_lmp.fit.site import Site
from ocvf_lmp.fit.team import Each

Found = tuple[Site, GradientEstimate, Sequence[Share]]
"""A state, its gradient, and the shares that it is made of."""


class Optimiser(Protocol):
    """Changes the corrections once an epoch."""

    def rate(self, epoch: int) -> float:
        """Length of the step of an epoch (counted from 0)."""
        ...

    def step(self, epoch: int, found: Sequence[Found], each: Each) -> None:
        """Makes the step from all gradients that can be trusted.

        Args:
            epoch: its number, from 0.
            found: the gradients.
            each: has done what a step wants to know of its runs.
        """
        ...

    def as_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        ...

    def restore(self, saved: dict[str, Any]) -> None:
        """The opposite of `as_dict`."""
        ...


class Descent:
    """Descent with momentum, along gradients divided by the size that they had at first.

    Steps then shrink as the misfit does. Scaling each parameter by its own history, as Adam does,
    would move the many whose gradient is only noise as far as the few that carry the signal; one
    scale for all corrections would leave those of small losses where they are.
    """

    def __init__(self, experiment: Experiment) -> None:
        self.experiment, self.plan = experiment, experiment.plan
        trained = [experiment.corrections[p.name] for p in experiment.states if not p.held_out]
        parameters = {id(p): p for module in trained for p in module.parameters()}
        self._torch = torch.optim.SGD(
            list(parameters.values()), lr=self.plan.learning_rate, momentum=self.plan.momentum
        )

    def rate(self, epoch: int) -> float:
        """A cosine from the learning rate down to a tenth of it."""
        phase = math.pi * epoch / max(self.plan.epochs, 1)
        return self.plan.learning_rate * (0.1 + 0.45 * (1.0 + math.cos(phase)))

    def step(self, epoch: int, found: Sequence[Found], each: Each) -> None:
        """See `Optimiser`."""
        del each
        for group in self._torch.param_groups:
            group["lr"] = self.rate(epoch)
        self._torch.zero_grad()
        for site, estimate, _ in found:
            self.add(site, estimate)
        self.scale([site for site, _, _ in found])
        self._torch.step()

    def add(self, site: Site, estimate: GradientEstimate) -> None:
        """Adds a state's gradient to those of its correction, outliers cut back."""
        factor = site.point.weight * site.restraint(estimate.norm)
        parameters = dict(self.experiment.corrections[site.point.name].named_parameters())
        for name, slope in estimate.gradients.items():
            parameter, share = parameters[name], factor * slope
            parameter.grad = share if parameter.grad is None else parameter.grad + share

    def scale(self, sites: Sequence[Site]) -> None:
        """Divides the gradients of each correction by the largest initial norm of its states."""
        scales: dict[nn.Module, float] = {}
        for site in sites:
            module = self.experiment.corrections[site.point.name]
            scales[module] = max(scales.get(module, 0.0), site.usual_norm * site.point.weight)
        for module, scale in scales.items():
            for parameter in module.parameters():
                if parameter.grad is not None and scale > 0.0:
                    parameter.grad /= scale

    def as_dict(self) -> dict[str, Any]:
        """Momenta of the descent."""
        return self._torch.state_dict()

    def restore(self, saved: dict[str, Any]) -> None:
        """See `Optimiser`."""
        self._torch.load_state_dict(saved)
