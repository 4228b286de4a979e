"""Optimiser that makes the damped steps of `fit.damped`, and sees that they do what they should."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ocvf_lmp.errors import InputError
from ocvf_lmp.fit.damped import StateFrames, foreseen_loss, good_steps
from ocvf_lmp.fit.descent import Found
from ocvf_lmp.fit.estimators import Frames
from ocvf_lmp.fit.experiment import Experiment
from ocvf_lmp.fit.fluctuations import Slopes, in_one
from ocvf_lmp.fit.following import FRAMES, next_part
from ocvf_lmp.fit.team import Each, Task
from ocvf_lmp.fit.work import Energies, TakeSlopes

COUNT = 0.5
"""Share of the frames that have to count after a step, where the plan does not allow for fewer."""

LEFT = 0.7
"""Least part of the frames that should count which have to, at the network's own energies."""

CONFIRMED = 0.5
"""Least part of the gain that the slopes foresee which the network itself has to confirm."""

SHORTER = (0.5, 0.25, 0.125)
"""Parts of the most damped step that are tried where it does not confirm any."""

FOLLOWED_RIDGE = 1e-4
"""`damped.RIDGE` where the network follows a step in parts.

In the twin experiment (1080 atoms, four states, one correction, 150 frames each) the slopes foresaw
that the steps of one half of the time take the losses of the other from 166 to 154 with 1e-2, 142
with 1e-3, 138 with 1e-4 and 136 with 1e-5. Straight on, the last three led to several times the
loss; in eight parts, one with 1e-4 came to what was foreseen.
"""

PART = 0.1
"""|δ| of a part, about, where there are parts enough; one more mends what the last is off by."""


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

    def step(self, epoch: int, found: Sequence[Found], each: Each) -> None:
        """See `Optimiser`."""
        del epoch
        groups: dict[int, list[StateFrames]] = {}
        for site, estimate, shares in found:
            site.restraint(estimate.norm)
            parts = [share.found for share in shares if isinstance(share, Frames)]
            names = tuple(estimate.gradients)
            slopes = [in_one(part.slopes, names) for part in parts]
            flat = torch.cat([g.flatten() for g in estimate.gradients.values()])
            data = StateFrames(site, parts, slopes, flat, names)
            module = self.experiment.corrections[site.point.name]
            groups.setdefault(id(module), []).append(data)
        searches = [
            Search(
                self.experiment.corrections[group[0].site.point.name],
                group,
                self.limit,
                self.plan.linearizations,
            )
            for group in groups.values()
        ]
        while going := [search for search in searches if search.go_on()]:
            while under_way := [search for search in going if search.under_way]:
                slopes = {
                    (site.point.name, run.number): outcome.slopes
                    for (site, run), outcome in each(TakeSlopes(FRAMES), _runs(under_way))
                    if outcome.slopes is not None
                }
                for search in under_way:
                    search.follow(slopes)
            energies = {
                (site.point.name, run.number): outcome.energies
                for (site, run), outcome in each(Energies(), _runs(going))
            }
            for search in going:
                search.judge(energies)
        for search in searches:
            search.end()

    def as_dict(self) -> dict[str, Any]:
        """Nothing is kept between steps."""
        return {}

    def restore(self, saved: dict[str, Any]) -> None:
        """See `Optimiser`."""


class Search:
    """The step of one correction, or the part of the last, that the network says is worth most.

    Steps are worth what slopes say of them, or nearly, from some damping on; the search ends where
    even more damping gives less.

    Args:
        module: the correction.
        group: the states that it serves.
        limit: share of the frames that have to count after the step.
        parts: in which a step is gone at most (`fit.following`); 1: straight on, by its first
            slopes.
    """

    def __init__(
        self, module: torch.nn.Module, group: Sequence[StateFrames], limit: float, parts: int = 1
    ) -> None:
        self.group, self.limit, self.parts = group, limit, parts
        self._parameters = [dict(module.named_parameters())[name] for name in group[0].names]
        self._start = torch.cat([p.detach().flatten() for p in self._parameters])
        self._loss = sum(data.loss for data in group)
        if parts == 1:
            steps = good_steps(group, limit)
            shorter = [share * step for step in steps[-1:] for share in SHORTER]
            self._changes = [*steps, *shorter]
        else:
            self._changes = good_steps(group, limit, FOLLOWED_RIDGE)[::2]
        self._best, self._most = self._start, 0.0
        self._now, self._part, self._parts = self._start, 0, 0

    def go_on(self) -> bool:
        """Makes the next step to be tried, or its first part, if there is one."""
        if self._changes:
            length = float(self._changes[0].norm())
            self._part, self._parts = 1, min(self.parts, math.ceil(length / PART) + 1)
            self._now = self._start + self._changes[0] / self._parts
            self._assign(self._now)
        return bool(self._changes)

    @property
    def under_way(self) -> bool:
        """Whether there is a next part of the step."""
        return self._part < self._parts

    def follow(self, slopes: Mapping[tuple[str, int], Slopes]) -> None:
        """Makes the next part of the step, from slopes where the network is now."""
        self._part += 1
        share = self._part / self._parts * self._changes[0]
        wanted = [[rows @ share for rows in data.slopes] for data in self.group]
        self._now = self._now + next_part(self.group, wanted, slopes)
        self._assign(self._now)

    def judge(self, energies: Mapping[tuple[str, int], Tensor | None]) -> None:
        """Tells what came of it: energies of the frames of each run, by state and number, eV."""
        change = self._changes.pop(0)
        found = [data.after(_changes(data, energies)) for data in self.group]
        gain = self._loss - sum(data.loss for data in found)
        wanted = CONFIRMED * max(self._loss - foreseen_loss(self.group, change), 0.0)
        if gain >= max(wanted, self._most) and self._enough_count(found):
            self._best, self._most = self._now, gain
            if self.parts > 1:  # what the frames vouch for most, and the network has followed
                self._changes = []
        elif self._best is not self._start:
            self._changes = []

    def end(self) -> None:
        """Makes the best step; where none was confirmed, the next samples are longer."""
        self._assign(self._best)
        for data in self.group:
            if self._best is self._start:
                data.site.sample_longer()
            for run in data.site.runs:
                run.set_aside()  # a second step on the same frames alone would follow their noise

    def _assign(self, values: Tensor) -> None:
        with torch.no_grad():
            sizes = [p.numel() for p in self._parameters]
            for parameter, own in zip(self._parameters, values.split(sizes), strict=True):
                parameter.copy_(own.view_as(parameter))

    def _enough_count(self, after: Sequence[StateFrames]) -> bool:
        """Whether enough of the frames of every run that counted still do."""
        return all(
            new.effective >= LEFT * self.limit * old.effective
            for state, moved in zip(self.group, after, strict=True)
            for old, new in zip(state.parts, moved.parts, strict=True)
        )


def _runs(searches: Sequence[Search]) -> list[Task]:
    return [(data.site, run) for s in searches for data in s.group for run in data.site.runs]


def _changes(data: StateFrames, energies: Mapping[tuple[str, int], Tensor | None]) -> list[Tensor]:
    """Of the energies of a state's frames since their slopes were taken, eV."""
    found = []
    for part, run in zip(data.parts, data.site.runs, strict=True):
        now = energies[data.site.point.name, run.number]
        assert now is not None
        found.append(now - part.energies)
    return found
