"""Top-down training of ΔH_θ through the differentiable NPT twin (paper, sections III D and IV).

Every epoch runs one window of dynamics at each state, continues where the last window ended, and
takes the exact gradient of the window's trajectory by the adjoint. What the window cannot carry
(chaos beyond the horizon) is not used: the window shortens, or the update is refused.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ocvf_lmp.errors import InputError, TrainingError
from ocvf_lmp.fit.evaluation import write_evaluation
from ocvf_lmp.fit.logbook import Logbook
from ocvf_lmp.fit.plan import StatePoint, TrainingPlan
from ocvf_lmp.fit.progress import Progress, Silent, WindowRecord
from ocvf_lmp.fit.sampling import measure
from ocvf_lmp.fit.site import Site
from ocvf_lmp.md.adjoint import adjoint_gradient
from ocvf_lmp.md.rollout import rollout
from ocvf_lmp.md.state import NptState
from ocvf_lmp.potential.composite import Corrected


class Trainer:
    """Trains the correction of a prior at several states.

    Args:
        prior: H_o.
        corrections: ΔH_θ of each state by the state's name; the same module for several states
            makes one correction for all of them.
        states: what is trained on.
        plan: how.
        logbook: files of the run; a checkpoint in it is resumed.

    Raises:
        InputError: a state without a correction, or two of the same name.
    """

    def __init__(
        self,
        prior: nn.Module,
        corrections: Mapping[str, nn.Module],
        states: Sequence[StatePoint],
        plan: TrainingPlan,
        logbook: Logbook,
    ) -> None:
        names = [point.name for point in states]
        if sorted(names) != sorted(corrections):
            raise InputError(
                f"expected one correction for each state ({', '.join(names)}), found"
                f" {', '.join(corrections)}; give every state a name of its own"
            )
        self.plan, self.logbook = plan, logbook
        self.corrections = dict(corrections)
        self.sites = [
            Site.at_start(point, Corrected(prior, corrections[point.name]), plan)
            for point in states
        ]
        parameters = {id(p): p for m in corrections.values() for p in m.parameters()}
        self.optimizer = torch.optim.SGD(
            list(parameters.values()), lr=plan.learning_rate, momentum=plan.momentum
        )
        self.epoch, self.refused = 0, 0
        content = logbook.resume()
        if content is not None:
            self._restore(content)

    def run(self, progress: Progress | None = None) -> None:
        """Equilibrates, measures the prior, trains, and measures the corrected model.

        Raises:
            SimulationError: a run left physical ground.
            TrainingError: a loss that is not a number, or no gradient to be trusted.
        """
        progress = progress or Silent()
        for site in self.sites:
            self._prepare(site, progress)
        while self.epoch < self.plan.epochs:
            records = self._one_epoch(progress)
            self.epoch += 1
            self.logbook.log(records)
            self._save()
        for site in self.sites:
            self._conclude(site, progress)
        self.logbook.write_potentials({site.point.name: site.model for site in self.sites})

    def _prepare(self, site: Site, progress: Progress) -> None:
        """Equilibration and measurement of the prior (θ = 0)."""
        if site.stage == "new":
            self._equilibrate(site, progress, "equilibrating")
            site.stage = "equilibrated"
            self._save()
        if site.stage == "equilibrated":
            site.pooled = self._measure(site, "before", progress)
            site.stage = "training"
            self._save()

    def _conclude(self, site: Site, progress: Progress) -> None:
        """Relaxation to the final parameters and their measurement."""
        if site.stage == "training":
            self._equilibrate(site, progress, "relaxing")
            site.stage = "relaxed"
            self._save()
        if site.stage == "relaxed":
            self._measure(site, "after", progress)
            site.stage = "done"
            self._save()

    def _equilibrate(self, site: Site, progress: Progress, what: str) -> None:
        n_steps, name = self.plan.equilibration, site.point.name
        with (
            self.logbook.trajectory(site.point, site.steps) as record,
            progress.task(f"{what} {name}", n_steps) as advance,
        ):

            def observer(step: int, now: NptState, mechanics: Any) -> None:
                record(step, now, mechanics)
                advance(self.plan.evaluate_every)

            end = rollout(
                site.model, site.objective.species, site.state, site.point.params, n_steps,
                observer, self.plan.evaluate_every,
            )  # fmt: skip
        site.state = end.state
        site.steps += n_steps

    def _measure(self, site: Site, stage: str, progress: Progress) -> dict[str, Tensor]:
        """Measures a state, writes the result, and returns the averages."""
        plan, name = self.plan, site.point.name
        with (
            self.logbook.trajectory(site.point, site.steps) as record,
            progress.task(f"measuring {name} {stage} training", plan.evaluation) as advance,
        ):

            def on_frame(step: int, now: NptState, mechanics: Any) -> None:
                record(step, now, mechanics)
                advance(plan.evaluate_every)

            found = measure(
                site.model, site.objective, site.state, site.point.params, plan.evaluation,
                plan.evaluate_every, on_frame,
            )  # fmt: skip
        site.state = found.state
        site.steps += plan.evaluation
        scores = write_evaluation(self.logbook.folder, stage, site.point, site.objective, found)
        progress.measured(name, stage, scores)
        return found.means

    def _one_epoch(self, progress: Progress) -> list[WindowRecord]:
        rate = self.plan.learning_rate * self._decay()
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad()
        records = []
        for site in self.sites:
            record = self._one_window(site, progress)
            records.append(record)
            progress.window(record)
        if any(record.updated for record in records):
            self._scale_gradients()
            self.optimizer.step()
            self.refused = 0
        else:
            self.refused += 1
        if self.refused >= self.plan.patience:
            shown = "; ".join(f"{r.state}: {r.reason}" for r in records)
            raise TrainingError(
                f"expected a gradient that can be trusted, found none in {self.refused} epochs"
                f" ({shown}). Shorten training.window and training.min_window;"
                f" the last state is in {self.logbook.folder}"
            )
        return records

    def _one_window(self, site: Site, progress: Progress) -> WindowRecord:
        """One window at one state; adds its gradient if it can be trusted."""
        plan, point, window = self.plan, site.point, site.window
        site.objective.forget()
        with progress.task(f"epoch {self.epoch + 1} {point.name}", window):
            result = adjoint_gradient(
                site.model, site.objective.species, site.state, point.params, window,
                site.objective.observe, site.pooled_loss(), plan.sample_every,
                anchor_every=plan.anchor_every,
            )  # fmt: skip
        norm = math.sqrt(sum(float(g.square().sum()) for g in result.gradients.values()))
        if not (math.isfinite(result.loss) and math.isfinite(norm)):
            raise TrainingError(
                f"expected a finite loss and gradient, found {result.loss} and {norm} at"
                f" {point.name} in epoch {self.epoch + 1}; lower training.learning_rate. The"
                f" last good state is in {self.logbook.folder}: the same command resumes it"
            )
        site.advance(result)
        site.adapt_window(result, plan)
        if result.horizon.trusted:
            self._add_gradients(site, result.gradients, norm)
        rate = self.optimizer.param_groups[0]["lr"]
        return site.record(result, self.epoch + 1, window, norm, rate)

    def _add_gradients(self, site: Site, gradients: Mapping[str, Tensor], norm: float) -> None:
        """Adds a state's gradient, cut back if it is far larger than this state's usually are."""
        parameters = dict(site.model.named_parameters())
        weight = site.point.weight * site.restraint(norm)
        for name, slope in gradients.items():
            parameter = parameters[name]
            slope = weight * slope
            parameter.grad = slope if parameter.grad is None else parameter.grad + slope

    def _scale_gradients(self) -> None:
        """Divides all gradients by the largest initial norm of a state: one scale for everything.

        Steps then shrink as the misfit does, and a state that is nearly right moves little. Scaling
        each parameter by its own history, as Adam does, would move the many whose gradient is only
        noise as far as the few that carry the signal.
        """
        scale = max(site.usual_norm * site.point.weight for site in self.sites)
        for group in self.optimizer.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None and scale > 0.0:
                    parameter.grad /= scale

    def _decay(self) -> float:
        return 0.1 + 0.45 * (1.0 + math.cos(math.pi * self.epoch / max(self.plan.epochs, 1)))

    def _save(self) -> None:
        self.logbook.save(
            {
                "epoch": self.epoch,
                "refused": self.refused,
                "optimizer": self.optimizer.state_dict(),
                "corrections": {k: m.state_dict() for k, m in self.corrections.items()},
                "sites": {site.point.name: site.as_dict() for site in self.sites},
            }
        )

    def _restore(self, content: Mapping[str, Any]) -> None:
        self.epoch, self.refused = content["epoch"], content["refused"]
        self.optimizer.load_state_dict(content["optimizer"])
        for name, module in self.corrections.items():
            module.load_state_dict(content["corrections"][name])
        for site in self.sites:
            site.restore(content["sites"][site.point.name])
