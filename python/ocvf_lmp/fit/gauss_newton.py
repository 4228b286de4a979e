"""Optimiser that makes the damped steps of `fit.damped`, and sees that they do what they should."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ocvf_lmp.errors import InputError
from ocvf_lmp.fit.damped import StateFrames, foreseen_loss, good_steps
from ocvf_lmp.fit.descent import Found
from ocvf_lmp.fit.ensemble import energies_of
from ocvf_lmp.fit.estimators import Frames
from ocvf_lmp.fit.experiment import Experiment

COUNT = 0.5
"""Share of the frames that have to count after a step, where the plan does not allow for fewer."""

LEFT = 0.7
"""Least part of the frames that should count which have to, at the network's own energies."""

CONFIRMED = 0.5
"""Least part of the gain that the slopes foresee which the network itself has to confirm."""

SHORTER = (0.5, 0.25, 0.125)
"""Parts of the most damped step that are tried where it does not confirm any."""


class GaussNewton:
    """Damped Gauss-Newton steps; see `fit.descent.Optimiser`.

    Raises:
        InputError: the gradients do not come from fluctuations.
    """

    def __init__(self, experiment: Experiment) -> None:
        self.experiment, self.plan = experiment, experiment.plan
        self.limit = min(self.plan.min_effective, COUNT)
        if self.plan.estimator != "reweight":
            raise InputError(
                "expected the estimator reweight for step: gauss-newton, which needs the frames'"
                f" fluctuations, found {self.plan.estimator}; set training.step: descent"
            )

    def rate(self, epoch: int) -> float:
        """The frames decide on the length."""
        del epoch
        return 1.0

    def step(self, epoch: int, found: Sequence[Found]) -> None:
        """See `Optimiser`."""
        del epoch
        groups: dict[int, list[StateFrames]] = {}
        for site, estimate, shares in found:
            site.restraint(estimate.norm)
            parts = [share.found for share in shares if isinstance(share, Frames)]
            names = tuple(estimate.gradients)
            slopes = [torch.cat([part.slopes[name] for name in names], dim=1) for part in parts]
            flat = torch.cat([g.flatten() for g in estimate.gradients.values()])
            data = StateFrames(site, parts, slopes, flat, names)
            module = self.experiment.corrections[site.point.name]
            groups.setdefault(id(module), []).append(data)
        for group in groups.values():
            self._move(group)

    def _move(self, group: Sequence[StateFrames]) -> None:
        moved = self._try(group, good_steps(group, self.limit))
        for data in group:
            if not moved:
                data.site.sample_longer()
            for run in data.site.runs:
                run.set_aside()  # a second step on the same frames alone would follow their noise

    def _try(self, group: Sequence[StateFrames], changes: Sequence[Tensor]) -> bool:
        """Makes the step, or the part of the last, that the network says is worth most.

        Steps are worth what slopes say of them, or nearly, from some damping on; the search ends
        where even more damping gives less.
        """
        module = self.experiment.corrections[group[0].site.point.name]
        parameters = [dict(module.named_parameters())[name] for name in group[0].names]
        start = torch.cat([p.detach().flatten() for p in parameters])
        before = sum(data.loss for data in group)
        best, most = start, 0.0
        shorter = [part * change for change in changes[-1:] for part in SHORTER]
        for change in [*changes, *shorter]:
            _assign(parameters, start + change)
            found = [data.after(self._changes(data)) for data in group]
            gain = before - sum(data.loss for data in found)
            wanted = CONFIRMED * max(before - foreseen_loss(group, change), 0.0)
            if gain >= max(wanted, most) and self._enough_count(group, found):
                best, most = start + change, gain
            elif best is not start:
                break
        _assign(parameters, best)
        return best is not start

    def _enough_count(self, before: Sequence[StateFrames], after: Sequence[StateFrames]) -> bool:
        """Whether enough of the frames of every run that counted still do."""
        return all(
            new.effective >= LEFT * self.limit * old.effective
            for state, moved in zip(before, after, strict=True)
            for old, new in zip(state.parts, moved.parts, strict=True)
        )

    def _changes(self, data: StateFrames) -> list[Tensor]:
        """Of the frames' energies since their slopes were taken, by the network itself, eV."""
        module = self.experiment.corrections[data.site.point.name]
        species, found = data.site.objective.species, []
        for part, run in zip(data.parts, data.site.runs, strict=True):
            each = [energies_of(module, species, s.positions, s.cells) for s in run.samples]  # pyright: ignore
            found.append(torch.cat(each) - part.energies)
        return found

    def as_dict(self) -> dict[str, Any]:
        """Nothing is kept between steps."""
        return {}

    def restore(self, saved: dict[str, Any]) -> None:
        """See `Optimiser`."""


def _assign(parameters: Sequence[torch.nn.Parameter], values: Tensor) -> None:
    with torch.no_grad():
        sizes = [p.numel() for p in parameters]
        for parameter, own in zip(parameters, values.split(sizes), strict=True):
            parameter.copy_(own.view_as(parameter))
