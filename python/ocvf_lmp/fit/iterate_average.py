"""The mean of the last parameters of a training, instead of the very last ones.

Once a training has come to where its steps follow the noise of their samples, it wanders about the
solution: by several phase transitions' width, where a sample changes its phase a few times only.
The mean of its parameters there is nearer to the solution than any of them (Ruppert 1988; Polyak
and Juditsky 1992).
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ocvf_lmp.fit.experiment import Experiment


class IterateAverage:
    """Keeps the parameters of the last epochs, `plan.average_last` of them."""

    def __init__(self, experiment: Experiment) -> None:
        self.experiment, self.number = experiment, experiment.plan.average_last
        self.kept: list[dict[str, dict[str, Tensor]]] = []

    def note(self) -> None:
        """Takes note of the parameters after a step."""
        if self.number > 1:
            now = {
                name: {k: v.detach().clone() for k, v in module.named_parameters()}
                for name, module in self.experiment.trained.items()
            }
            self.kept = [*self.kept, now][-self.number :]

    def apply(self) -> None:
        """Gives the corrections the mean of what was kept, if anything was."""
        if not self.kept:
            return
        for name, module in self.experiment.trained.items():
            for key, parameter in module.named_parameters():
                rows = [weights[name][key] for weights in self.kept]
                with torch.no_grad():
                    parameter.copy_(torch.stack(rows).mean(dim=0))

    def as_list(self) -> list[dict[str, dict[str, Tensor]]]:
        """What a checkpoint keeps."""
        return self.kept

    def restore(self, saved: list[Mapping[str, Any]]) -> None:
        """The opposite of `as_list`."""
        self.kept = [{name: dict(weights) for name, weights in one.items()} for one in saved]
