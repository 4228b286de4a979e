"""What is done in one run of a state: equilibration, measurement, its share of a gradient.

Each job changes its run and returns what the trainer needs of it, and nothing else: so runs can be
worked on by different processes, in any order, with the same result.
"""

from dataclasses import dataclass
from typing import Protocol

import torch

from ocvf_lmp.fit.ensemble import Ensemble, energies_of
from ocvf_lmp.fit.estimators import ESTIMATORS, Share
from ocvf_lmp.fit.experiment import Experiment
from ocvf_lmp.fit.fluctuations import Slopes, energy_slopes, evenly
from ocvf_lmp.fit.progress import Progress
from ocvf_lmp.fit.sampling import Measurement, measure
from ocvf_lmp.fit.site import Run, Site, first_state
from ocvf_lmp.md.engine import Frame


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a job gave.

    Attributes:
        share: of a gradient.
        measured: averages that are not kept with the run.
        energies: of the correction in the run's frames, eV, (frames,).
        slopes: of the correction in some of the run's frames.
    """

    share: Share | None = None
    measured: Measurement | None = None
    energies: torch.Tensor | None = None
    slopes: Slopes | None = None


class Job(Protocol):
    """A piece of work in one run."""

    def __call__(self, site: Site, run: Run, experiment: Experiment, progress: Progress) -> Outcome:
        """Does it."""
        ...


def run_name(site: Site, run: Run) -> str:
    """Name of a run: that of its state, with its number if it is not the first."""
    return site.point.name + (f" #{run.number}" if run.number > 1 else "")


@dataclass(frozen=True, slots=True)
class Equilibrate:
    """Runs a state without looking at it.

    Attributes:
        what: word for the progress.
        stage: of the run, afterwards.
        anew: from the sample, or one that the experiment has for it, and not from where the run
            stands.
    """

    what: str
    stage: str
    anew: bool = False

    def __call__(self, site: Site, run: Run, experiment: Experiment, progress: Progress) -> Outcome:
        """Does it."""
        plan = experiment.plan
        if self.anew:
            sample = experiment.samples.get((site.point.name, run.number))
            run.state = first_state(site.point, run.number, plan, sample)
        n_steps, every = plan.equilibration, plan.evaluate_every
        task = progress.task(f"{self.what} {run_name(site, run)}", n_steps)
        with (
            experiment.logbook.trajectory(site.point, run.number, run.steps) as record,
            task as advance,
        ):

            def watch(frame: Frame) -> None:
                record(frame)
                advance(every)

            run.state = experiment.engine.run(
                site.model, site.objective.species, run.state, site.point.params, n_steps, every,
                watch,
            )  # fmt: skip
        run.stage = self.stage
        run.steps += n_steps
        return Outcome()


@dataclass(frozen=True, slots=True)
class Measure:
    """Measures in a run; what is found stays with the run until all runs of the state have it.

    Attributes:
        what: words for the progress.
        stage: of the run, afterwards.
    """

    what: str
    stage: str

    def __call__(self, site: Site, run: Run, experiment: Experiment, progress: Progress) -> Outcome:
        """Does it."""
        plan = experiment.plan
        run.measured = _measured(site, run, experiment, progress, plan.evaluation, self.what)
        run.stage = self.stage
        return Outcome()


@dataclass(frozen=True, slots=True)
class Validate:
    """Measures a state that is held out, with the corrections as they are now.

    Attributes:
        epoch: after which it is done.
    """

    epoch: int

    def __call__(self, site: Site, run: Run, experiment: Experiment, progress: Progress) -> Outcome:
        """Does it."""
        n_steps, what = experiment.plan.validation, f"validating after epoch {self.epoch}:"
        return Outcome(measured=_measured(site, run, experiment, progress, n_steps, what))


def _measured(
    site: Site, run: Run, experiment: Experiment, progress: Progress, n_steps: int, what: str
) -> Measurement:
    every = experiment.plan.evaluate_every
    task = progress.task(f"{what} {run_name(site, run)}", n_steps)
    with (
        experiment.logbook.trajectory(site.point, run.number, run.steps) as record,
        task as advance,
    ):

        def watch(frame: Frame) -> None:
            record(frame)
            advance(every)

        found, run.state = measure(
            experiment.engine, site.model, site.objective, run.state, site.point.params, n_steps,
            every, watch,
        )  # fmt: skip
    run.steps += n_steps
    return found


@dataclass(frozen=True, slots=True)
class Gradient:
    """A run's share of the gradient of its state's loss, by the plan's estimator.

    Attributes:
        epoch: its number, from 1.
    """

    epoch: int

    def __call__(self, site: Site, run: Run, experiment: Experiment, progress: Progress) -> Outcome:
        """Does it."""
        name = f"epoch {self.epoch} {run_name(site, run)}"
        estimate = ESTIMATORS[experiment.plan.estimator]
        return Outcome(share=estimate(site, run, experiment, progress, name))


@dataclass(frozen=True, slots=True)
class Energies:
    """Energies of the correction, as it is now, in all frames of a run."""

    def __call__(self, site: Site, run: Run, experiment: Experiment, progress: Progress) -> Outcome:
        """Does it."""
        correction, species = site.model.correction, site.objective.species
        each = [energies_of(correction, species, s.positions, s.cells) for s in run.samples]  # pyright: ignore
        return Outcome(energies=torch.cat(each))


@dataclass(frozen=True, slots=True)
class TakeSlopes:
    """Energies of the correction, as it is now, and ∂U/∂θ in some of the frames of a run.

    Attributes:
        at_most: how many frames, spread evenly.
    """

    at_most: int

    def __call__(self, site: Site, run: Run, experiment: Experiment, progress: Progress) -> Outcome:
        """Does it."""
        positions, cells, energies = (
            torch.cat([getattr(sample, name) for sample in run.samples])
            for name in ("positions", "cells", "energies")
        )
        some = evenly(len(energies), self.at_most)
        frames = Ensemble(positions[some], cells[some], energies[some], {})
        correction, species = site.model.correction, site.objective.species
        return Outcome(slopes=energy_slopes(correction, species, frames))  # pyright: ignore
