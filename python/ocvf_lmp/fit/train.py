"""Top-down training of ΔH_θ through ensembles of the NPT twin (paper, sections III D and IV).

Every epoch takes one gradient at each state, whose run goes on where the last epoch left it, and
makes one step of the parameters. Gradients that say of themselves that they are noise (a window
beyond the horizon of chaos, too few frames that count) are not used.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ocvf_lmp.errors import InputError, TrainingError
from ocvf_lmp.fit.logbook import Logbook
from ocvf_lmp.fit.plan import StatePoint, TrainingPlan
from ocvf_lmp.fit.progress import Progress, Silent, WindowRecord
from ocvf_lmp.fit.site import Site, make_sites
from ocvf_lmp.fit.team import Alone, Team
from ocvf_lmp.fit.work import Equilibrate, Gradient, Job, Measure, Outcome
from ocvf_lmp.potential.experts import Experts


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
        self.prior, self.corrections, self.states = prior, dict(corrections), list(states)
        self.plan, self.logbook = plan, logbook
        self.sites = make_sites(prior, corrections, states, plan)
        self.progress: Progress = Silent()
        self.team: Team = Alone()
        parameters = {id(p): p for m in corrections.values() for p in m.parameters()}
        self.optimizer = torch.optim.SGD(
            list(parameters.values()), lr=plan.learning_rate, momentum=plan.momentum
        )
        self.epoch, self.refused = 0, 0
        content = logbook.resume()
        if content is not None:
            self._restore(content)

    def run(self, progress: Progress | None = None, team: Team | None = None) -> None:
        """Equilibrates, measures the prior, trains, and measures the corrected model.

        Args:
            progress: told of everything.
            team: who works on the states; this process alone if None.

        Raises:
            SimulationError: a run left physical ground.
            TrainingError: a loss that is not a number, or no gradient to be trusted.
        """
        self.progress, self.team = progress or Silent(), team or Alone()
        self._bring("new", Equilibrate("equilibrating", "equilibrated"))
        self._bring("equilibrated", Measure("before", "training"))
        while self.epoch < self.plan.epochs:
            records = self._one_epoch()
            self.epoch += 1
            self.logbook.log(records)
            self._save()
        self._bring("training", Equilibrate("relaxing", "relaxed"))
        self._bring("relaxed", Measure("after", "done"))
        models = {site.point.name: site.model for site in self.sites}
        self.logbook.write_potentials(models, self._gate())

    def _gate(self) -> Experts | None:
        """The states' corrections behind a gate, where temperature alone tells states apart."""
        anchors = sorted((site.point.params.temperature, site.point.name) for site in self.sites)
        temperatures = [temperature for temperature, _ in anchors]
        if len(anchors) < 2 or len(set(temperatures)) < len(anchors) or self.logbook.shared:
            return None
        experts = [self.corrections[name] for _, name in anchors]
        return Experts(experts, temperatures, self.plan.gate_width)

    def _bring(self, stage: str, job: Equilibrate | Measure) -> None:
        """Does a job at all sites that are at a stage; a checkpoint follows each."""
        waiting = [site for site in self.sites if site.stage == stage]
        for site, outcome in self._each(job, waiting):
            if isinstance(job, Measure):
                name = site.point.name
                self.logbook.score(job.when, name, outcome.scores)
                self.progress.measured(name, job.when, outcome.scores)
            self._save()

    def _each(self, job: Job, sites: Sequence[Site]) -> Iterator[tuple[Site, Outcome]]:
        return self.team.each(job, sites, self.plan, self.logbook, self.progress)

    def _one_epoch(self) -> list[WindowRecord]:
        """One window at every state, and one step of the parameters."""
        rate = self.plan.learning_rate * self._decay()
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad()
        found = {s.point.name: o for s, o in self._each(Gradient(self.epoch + 1, rate), self.sites)}
        records = []
        for site in self.sites:  # in their order, whoever was first
            outcome = found[site.point.name]
            assert outcome.record is not None
            self._add_gradients(site, outcome.gradients)
            records.append(outcome.record)
            self.progress.window(outcome.record)
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

    @staticmethod
    def _add_gradients(site: Site, gradients: Mapping[str, Tensor]) -> None:
        parameters = dict(site.model.named_parameters())
        for name, slope in gradients.items():
            parameter = parameters[name]
            parameter.grad = slope if parameter.grad is None else parameter.grad + slope

    def _scale_gradients(self) -> None:
        """Divides the gradients of each correction by the largest initial norm of its states.

        Steps then shrink as the misfit does. Scaling each parameter by its own history, as Adam
        does, would move the many whose gradient is only noise as far as the few that carry the
        signal; one scale for all corrections would leave those of small losses where they are.
        """
        scales: dict[nn.Module, float] = {}
        for site in self.sites:
            module = self.corrections[site.point.name]
            scales[module] = max(scales.get(module, 0.0), site.usual_norm * site.point.weight)
        for module, scale in scales.items():
            for parameter in module.parameters():
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
