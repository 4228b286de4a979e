"""Top-down training of ΔH_θ through ensembles (paper, sections III D and IV).

Every epoch takes one gradient at each state, whose runs go on where the last epoch left them, and
makes one step of the parameters. Gradients that say of themselves that they are noise (a window
beyond the horizon of chaos, too few frames that count, a signal below its error) are not used.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ocvf_lmp.errors import TrainingError
from ocvf_lmp.fit.descent import Found
from ocvf_lmp.fit.estimate import GradientEstimate
from ocvf_lmp.fit.evaluation import scores, write_curves
from ocvf_lmp.fit.experiment import Experiment
from ocvf_lmp.fit.iterate_average import IterateAverage
from ocvf_lmp.fit.optimisers import make_optimiser
from ocvf_lmp.fit.progress import Progress, Silent, WindowRecord
from ocvf_lmp.fit.records import window_record
from ocvf_lmp.fit.replay import Replay
from ocvf_lmp.fit.sampling import cell_memory, pool_measurements
from ocvf_lmp.fit.site import Site, make_sites
from ocvf_lmp.fit.team import Alone, Task, Team
from ocvf_lmp.fit.validation import Validation
from ocvf_lmp.fit.work import Equilibrate, Gradient, Job, Measure, Outcome, Validate
from ocvf_lmp.potential.experts import Experts


class Trainer:
    """Trains the correction of a prior at several states; a checkpoint is resumed.

    Args:
        experiment: all that the training consists of.
    """

    def __init__(self, experiment: Experiment) -> None:
        self.experiment, self.plan, self.logbook = experiment, experiment.plan, experiment.logbook
        self.sites = make_sites(experiment)
        self.trained = [site for site in self.sites if not site.point.held_out]
        self.held_out = [site for site in self.sites if site.point.held_out]
        self.progress: Progress = Silent()
        self.team: Team = Alone()
        self.optimiser = make_optimiser(experiment)
        self.replay = Replay(experiment, self.trained)
        self.validation = Validation(experiment)
        self.average = IterateAverage(experiment)
        self.epoch, self.refused = 0, 0
        self.remarked: set[str] = set()
        content = self.logbook.resume()
        if content is not None:
            self._restore(content)

    def run(self, progress: Progress | None = None, team: Team | None = None) -> None:
        """Equilibrates, measures the prior, trains, and measures the corrected model.

        Args:
            progress: told of everything.
            team: who works on the runs; this process alone if None.

        Raises:
            SimulationError: a run left physical ground.
            TrainingError: a loss that is not a number, or no gradient to be trusted.
        """
        self.progress, self.team = progress or Silent(), team or Alone()
        self._bring("new", Equilibrate("equilibrating", "equilibrated"))
        self._measure("equilibrated", "before", "measured" if self.experiment.start else "training")
        self._begin_with_start()
        if self._wants_epochs():
            self._go_on()
        while self._wants_epochs():
            records = self._one_epoch()
            self.epoch += 1
            self.average.note()
            self.logbook.log(records)
            self._validate()
            self._save()
        self.average.apply()
        self.validation.restore_best()
        self._bring("training", Equilibrate("relaxing", "relaxed"))
        self._measure("relaxed", "after", "done")
        models = {site.point.name: site.model for site in self.trained}
        self.logbook.write_potentials(models, self._gate())

    def _wants_epochs(self) -> bool:
        return self.epoch < self.plan.epochs and not self.validation.stopped

    def _begin_with_start(self) -> None:
        """Takes over the weights of an earlier training; runs begin again from their samples.

        The prior may have left them in another phase, which the correction need not leave.
        """
        if self.epoch == 0:
            for name, weights in self.experiment.start.items():
                self.experiment.corrections[name].load_state_dict(weights)
        for site in self.sites:
            if any(run.stage == "measured" for run in site.runs):
                site.pooled = {}  # averages of the prior, perhaps in another phase
        again = Equilibrate("equilibrating with the start's corrections:", "training", anew=True)
        self._bring("measured", again)

    def _go_on(self) -> None:
        """Makes runs that had come to their end train again: more epochs are wanted by now."""
        for run in (run for site in self.sites for run in site.runs):
            if run.stage in ("relaxed", "done"):
                run.stage, run.measured = "training", None

    def _gate(self) -> Experts | None:
        """The states' corrections behind a gate, where temperature alone tells states apart."""
        anchors = sorted((s.point.params.temperature, s.point.name) for s in self.trained)
        temperatures = [temperature for temperature, _ in anchors]
        if len(anchors) < 2 or len(set(temperatures)) < len(anchors) or self.logbook.shared:
            return None
        experts = [self.experiment.corrections[name] for _, name in anchors]
        return Experts(experts, temperatures, self.plan.gate_width)

    def _bring(self, stage: str, job: Job) -> None:
        """Does a job in all runs that are at a stage; a checkpoint follows each."""
        waiting = [(s, r) for s in self.sites for r in s.runs if r.stage == stage]
        for _ in self._each(job, waiting):
            self._save()

    def _measure(self, stage: str, when: str, after: str) -> None:
        """Measures in all runs at a stage, and pools what the runs of a state have found."""
        self._bring(stage, Measure(f"{when} training: measuring", after))
        for site in self.sites:
            if any(run.measured is None or run.stage != after for run in site.runs):
                continue  # or measured after training, by a run that was killed then and resumed
            found = pool_measurements([run.measured for run in site.runs if run.measured])
            site.pooled = found.means
            site.relaxation = cell_memory(found)
            for run in site.runs:
                run.measured = None
            write_curves(self.logbook.folder, when, site.point, site.objective, found)
            table = scores(site.objective, found, site.point)
            self.logbook.score(when, site.point.name, table)
            self.progress.measured(site.point.name, when, table)
        self._save()

    def _each(self, job: Job, tasks: Sequence[Task]) -> Iterator[tuple[Task, Outcome]]:
        return self.team.each(job, tasks, self.experiment, self.progress)

    def _one_epoch(self) -> list[WindowRecord]:
        """One gradient at every state, and one step of the parameters."""
        outcomes: dict[tuple[str, int], Outcome] = {}
        tasks = [(site, run) for site in self.trained for run in site.runs]
        for (site, run), outcome in self._each(Gradient(self.epoch + 1), tasks):
            outcomes[site.point.name, run.number] = outcome
        records, found = [], []
        for site in self.trained:  # in their order, whoever was first
            shares = [outcomes[site.point.name, run.number].share for run in site.runs]
            assert shares[0] is not None
            estimate = shares[0].pooled(shares, site, self.plan)
            self._check(site, estimate)
            self._pool(site, estimate)
            rate = self.optimiser.rate(self.epoch)
            records.append(window_record(site, estimate, self.epoch + 1, rate))
            self.progress.window(records[-1])
            self._remark(site.point.name, estimate)
            if not estimate.refusal:
                found.append((site, self.replay.added(site, estimate), shares))
        self._step(found, records)
        return records

    def _remark(self, state: str, estimate: GradientEstimate) -> None:
        if estimate.remark and state not in self.remarked:
            self.remarked.add(state)
            self.progress.remark(state, estimate.remark)

    def _pool(self, site: Site, estimate: GradientEstimate) -> None:
        """Takes over the averages; a run whose gradient was noise is longer next time."""
        pooled = site.pool(estimate.observables)
        site.pooled = {k: v.detach() for k, v in pooled.items()}
        if estimate.refusal and estimate.signal_to_noise < self.plan.min_signal:
            site.sample_longer()

    def _step(self, found: Sequence[Found], records: Sequence[WindowRecord]) -> None:
        if found:
            self.optimiser.step(self.epoch, found, self._each)
            self.refused = 0
            return
        self.refused += 1
        if self.refused >= self.plan.patience:
            shown = "; ".join(f"{r.state}: {r.reason}" for r in records)
            what = "training.window and training.min_window"
            hint = f"Shorten {what}" if self.plan.estimator == "adjoint" else "Sample longer"
            raise TrainingError(
                f"expected a gradient that can be trusted, found none in {self.refused} epochs"
                f" ({shown}). {hint}; the last state is in {self.logbook.folder}"
            )

    def _check(self, site: Site, estimate: GradientEstimate) -> None:
        if not (math.isfinite(estimate.loss) and math.isfinite(estimate.norm)):
            raise TrainingError(
                f"expected a finite loss and gradient, found {estimate.loss} and {estimate.norm} at"
                f" {site.point.name} in epoch {self.epoch + 1}; lower training.learning_rate. The"
                f" last good state is in {self.logbook.folder}: the same command resumes it"
            )

    def _validate(self) -> None:
        """Looks at the states that are held out, where it is time to."""
        every = self.plan.validate_every
        if not (self.held_out and every and self.epoch % every == 0):
            return
        tasks = [(site, run) for site in self.held_out for run in site.runs]
        losses = {}
        for (site, _), outcome in self._each(Validate(self.epoch), tasks):
            assert outcome.measured is not None
            losses[site.point.name] = scores(site.objective, outcome.measured, site.point)
        ordered = {site.point.name: losses[site.point.name] for site in self.held_out}
        self.validation.look(self.epoch, ordered)
        for name, table in ordered.items():
            self.progress.measured(name, f"(held out) after epoch {self.epoch} of", table)

    def _save(self) -> None:
        corrections = self.experiment.corrections
        self.logbook.save(
            {
                "epoch": self.epoch,
                "refused": self.refused,
                "optimizer": self.optimiser.as_dict(),
                "validation": self.validation.as_dict(),
                "average": self.average.as_list(),
                "replay": self.replay.as_dict(),
                "corrections": {
                    s.point.name: corrections[s.point.name].state_dict() for s in self.trained
                },
                "sites": {site.point.name: site.as_dict() for site in self.sites},
            }
        )

    def _restore(self, content: Mapping[str, Any]) -> None:
        self.epoch, self.refused = content["epoch"], content["refused"]
        self.optimiser.restore(content["optimizer"])
        for name, weights in content["corrections"].items():
            self.experiment.corrections[name].load_state_dict(weights)
        self.validation.restore(content["validation"])
        self.average.restore(content.get("average", []))
        self.replay.restore(content["replay"])
        for site in self.sites:
            site.restore(content["sites"][site.point.name])
            for run in site.runs:  # a run folder of a version that did not begin again
                if self.epoch == 0 and self.experiment.start and run.measured is not None:
                    run.stage = "measured" if run.stage == "training" else run.stage
