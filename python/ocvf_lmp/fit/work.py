"""What is done at one state of a training: equilibration, measurement, a gradient's window.

Each job changes its site and returns what the trainer needs of it, and nothing else: so states can
be worked on by different processes, in any order, with the same result.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from ocvf_lmp.errors import TrainingError
from ocvf_lmp.fit.entropy import DeltaRecorder, relative_entropy
from ocvf_lmp.fit.estimators import ESTIMATORS
from ocvf_lmp.fit.evaluation import scores, write_curves
from ocvf_lmp.fit.logbook import Logbook
from ocvf_lmp.fit.plan import TrainingPlan
from ocvf_lmp.fit.progress import Progress, WindowRecord
from ocvf_lmp.fit.sampling import measure
from ocvf_lmp.fit.site import Site
from ocvf_lmp.md.mechanics import Mechanics
from ocvf_lmp.md.rollout import Observer, rollout
from ocvf_lmp.md.state import NptState


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a job gave.

    Attributes:
        scores: of a measurement.
        record: of a window.
        gradients: of the state's loss by the name of the model's parameter, ready to be added;
            empty if they cannot be trusted.
    """

    scores: dict[str, Any] = field(default_factory=dict)
    record: WindowRecord | None = None
    gradients: Mapping[str, Tensor] = field(default_factory=dict)


class Job(Protocol):
    """A piece of work at one state."""

    def __call__(
        self, site: Site, plan: TrainingPlan, logbook: Logbook, progress: Progress
    ) -> Outcome:
        """Does it."""
        ...


@contextmanager
def _watched(
    site: Site,
    plan: TrainingPlan,
    logbook: Logbook,
    task: AbstractContextManager[Callable[[int], None]],
) -> Iterator[Observer]:
    """Records the frames of a site's run and tells how far it is."""
    with logbook.trajectory(site.point, site.steps) as record, task as advance:

        def watch(step: int, now: NptState, mechanics: Mechanics) -> None:
            record(step, now, mechanics)
            advance(plan.evaluate_every)

        yield watch


@dataclass(frozen=True, slots=True)
class Equilibrate:
    """Runs a state without looking at it.

    Attributes:
        what: word for the progress.
        stage: of the site, afterwards.
    """

    what: str
    stage: str

    def __call__(
        self, site: Site, plan: TrainingPlan, logbook: Logbook, progress: Progress
    ) -> Outcome:
        """Does it."""
        n_steps, name = plan.equilibration, site.point.name
        with _watched(site, plan, logbook, progress.task(f"{self.what} {name}", n_steps)) as watch:
            end = rollout(
                site.model, site.objective.species, site.state, site.point.params, n_steps,
                watch, plan.evaluate_every,
            )  # fmt: skip
        site.state, site.stage = end.state, self.stage
        site.steps += n_steps
        return Outcome()


@dataclass(frozen=True, slots=True)
class Measure:
    """Measures a state and writes its curves; the averages become the site's pooled ones.

    Attributes:
        when: ``before`` or ``after`` training.
        stage: of the site, afterwards.
    """

    when: str
    stage: str

    def __call__(
        self, site: Site, plan: TrainingPlan, logbook: Logbook, progress: Progress
    ) -> Outcome:
        """Does it."""
        name, n_steps = site.point.name, plan.evaluation
        delta = DeltaRecorder(site.model.correction, site.objective.species)  # pyright: ignore
        task = progress.task(f"measuring {name} {self.when} training", n_steps)
        with _watched(site, plan, logbook, task) as watch:

            def on_frame(step: int, now: NptState, mechanics: Mechanics) -> None:
                watch(step, now, mechanics)
                delta.add(now)

            found = measure(
                site.model, site.objective, site.state, site.point.params, n_steps,
                plan.evaluate_every, on_frame,
            )  # fmt: skip
        site.state, site.stage, site.pooled = found.state, self.stage, found.means
        site.steps += n_steps
        write_curves(logbook.folder, self.when, site.point, site.objective, found)
        entropy = relative_entropy(torch.stack(delta.energies), site.point.params.temperature)
        cells = math.prod(site.point.repeat)
        return Outcome(
            scores=scores(site.objective, found)
            | {"relative_entropy": entropy[0], "relative_entropy_error": entropy[1], "cells": cells}
        )


@dataclass(frozen=True, slots=True)
class Gradient:
    """Estimates the gradient of a state's loss, as the plan says how.

    Attributes:
        epoch: its number, from 1.
        rate: learning rate, for the record.

    Raises:
        TrainingError: a loss or a gradient that is not a number.
    """

    epoch: int
    rate: float

    def __call__(
        self, site: Site, plan: TrainingPlan, logbook: Logbook, progress: Progress
    ) -> Outcome:
        """Does it."""
        name = site.point.name
        estimate = ESTIMATORS[plan.estimator](
            site, plan, logbook, progress, f"epoch {self.epoch} {name}"
        )
        if not (math.isfinite(estimate.loss) and math.isfinite(estimate.norm)):
            raise TrainingError(
                f"expected a finite loss and gradient, found {estimate.loss} and {estimate.norm} at"
                f" {name} in epoch {self.epoch}; lower training.learning_rate. The"
                f" last good state is in {logbook.folder}: the same command resumes it"
            )
        gradients = {}
        if not estimate.refusal:
            weight = site.point.weight * site.restraint(estimate.norm)
            gradients = {key: weight * slope for key, slope in estimate.gradients.items()}
        return Outcome(record=site.record(estimate, self.epoch, self.rate), gradients=gradients)
