"""A state in the course of training: where its run stands, and what its windows gave."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ocvf_lmp.fit.ensemble import Ensemble
from ocvf_lmp.fit.estimate import GradientEstimate
from ocvf_lmp.fit.objective import Objective
from ocvf_lmp.fit.plan import StatePoint, TrainingPlan
from ocvf_lmp.fit.progress import WindowRecord
from ocvf_lmp.md.horizon import Horizon
from ocvf_lmp.md.state import NptState, initial_state
from ocvf_lmp.potential.composite import Corrected
from ocvf_lmp.seeding import normal, stream
from ocvf_lmp.system.cell import volume

SCALE_WINDOWS = 3
"""Number of windows whose mean gradient norm sets the scale of a state."""


@dataclass
class Site:
    """A state, its model and its run.

    Attributes:
        point: the state.
        objective: what is compared there.
        model: H_o + ΔH_θ.
        state: where the run stands.
        window: steps of the next window.
        keep: share of earlier windows in the pooled averages.
        pooled: averages pooled over windows.
        stage: new, equilibrated, training, relaxed, done.
        steps: run so far.
        usual_norm: mean norm of the gradients of the first windows.
        windows: number of gradients used so far.
        ensemble: frames that gradients by fluctuations are made of, if there are some.
    """

    point: StatePoint
    objective: Objective
    model: Corrected
    state: NptState
    window: int
    keep: float
    pooled: dict[str, Tensor] = field(default_factory=dict)
    stage: str = "new"
    steps: int = 0
    usual_norm: float = 0.0
    windows: int = 0
    ensemble: Ensemble | None = None

    @classmethod
    def at_start(cls, point: StatePoint, model: Corrected, plan: TrainingPlan) -> "Site":
        """A run that has not begun, with thermal momenta from the plan's seed."""
        structure = point.structure
        noise = normal((structure.n_atoms, 3), stream(plan.seed, f"momenta/{point.name}"))
        state = initial_state(
            structure.positions, structure.cell, structure.masses, point.params, noise
        )
        objective = Objective(structure, point.repeat, point.targets)
        return cls(point, objective, model, state, plan.window, plan.memory)

    def pooled_loss(self) -> Callable[[Mapping[str, Tensor]], Tensor]:
        """The loss at averages pooled with earlier windows; its slope acts on the newest."""

        def loss(means: Mapping[str, Tensor]) -> Tensor:
            pooled = self._pool(means)
            shifted = {k: v + (pooled[k] - v).detach() for k, v in means.items()}
            return self.objective.loss(shifted)

        return loss

    def advance(self, end: NptState, means: Mapping[str, Tensor], n_steps: int) -> None:
        """Takes over the state after a window, and its averages."""
        self.steps += n_steps
        self.state = end
        self.pooled = {k: v.detach() for k, v in self._pool(means).items()}

    def adapt_window(self, horizon: Horizon, plan: TrainingPlan) -> None:
        """Shortens the next window to what the horizon allows, or lets it grow back."""
        if horizon.trusted:
            self.window = min(plan.window, math.ceil(1.1 * self.window))
            return
        usable = int(horizon.usable / self.point.params.timestep)
        shorter = max(plan.min_window, min(usable, self.window - plan.sample_every))
        self.window = max(shorter // plan.sample_every, 1) * plan.sample_every

    def restraint(self, norm: float) -> float:
        """Factor that cuts a gradient back to twice the mean norm of the first windows."""
        if self.windows < SCALE_WINDOWS:
            self.usual_norm = (self.windows * self.usual_norm + norm) / (self.windows + 1)
        self.windows += 1
        return min(1.0, 2.0 * self.usual_norm / max(norm, 1e-300))

    def record(self, estimate: GradientEstimate, epoch: int, rate: float) -> WindowRecord:
        """What is logged of a gradient."""
        cells = math.prod(self.point.repeat)
        notes = estimate.notes
        with torch.no_grad():
            parts = {k: float(v) for k, v in self.objective.parts(self.pooled).items()}
        return WindowRecord(
            epoch=epoch,
            state=self.point.name,
            target_temperature=self.point.params.temperature,
            loss=estimate.loss,
            parts=parts,
            grad_norm=estimate.norm,
            grad_error=estimate.error if estimate.errors else None,
            effective=notes.get("effective"),
            growth_rate=notes.get("growth_rate", 0.0),
            usable_ps=notes.get("usable_ps", 1e9),
            window_ps=notes["window_ps"],
            lattice=estimate.observables["lattice"].tolist(),
            volume_fu=float(volume(self.state.cell)) / cells,
            updated=not estimate.refusal,
            reason=estimate.refusal,
            learning_rate=rate,
            seconds=estimate.seconds,
        )

    def as_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {
            "state": self.state.as_dict(),
            "window": self.window,
            "pooled": self.pooled,
            "stage": self.stage,
            "steps": self.steps,
            "usual_norm": self.usual_norm,
            "windows": self.windows,
            "ensemble": None if self.ensemble is None else self.ensemble.as_dict(),
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """The opposite of `as_dict`."""
        self.state = NptState(**saved["state"])
        self.window, self.pooled = saved["window"], saved["pooled"]
        self.stage, self.steps = saved["stage"], saved["steps"]
        self.usual_norm, self.windows = saved["usual_norm"], saved["windows"]
        self.ensemble = Ensemble(**saved["ensemble"]) if saved["ensemble"] else None

    def _pool(self, means: Mapping[str, Tensor]) -> dict[str, Tensor]:
        if not self.pooled or self.keep == 0.0:
            return dict(means)
        return {k: self.keep * self.pooled[k] + (1.0 - self.keep) * v for k, v in means.items()}


def make_sites(
    prior: nn.Module,
    corrections: Mapping[str, nn.Module],
    states: Sequence[StatePoint],
    plan: TrainingPlan,
) -> list[Site]:
    """A run that has not begun for each state, with its correction of the prior."""
    return [
        Site.at_start(point, Corrected(prior, corrections[point.name]), plan) for point in states
    ]
