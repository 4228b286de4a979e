"""A state in the course of training: where its run stands, and what its windows gave."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ocvf_lmp.fit.objective import Objective
from ocvf_lmp.fit.plan import StatePoint, TrainingPlan
from ocvf_lmp.fit.progress import WindowRecord
from ocvf_lmp.md.adjoint import AdjointResult
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

    def advance(self, result: AdjointResult) -> None:
        """Takes over the state after a window, and its averages."""
        self.steps += self.window
        self.state = result.final_state
        self.pooled = {k: v.detach() for k, v in self._pool(result.observables).items()}

    def adapt_window(self, result: AdjointResult, plan: TrainingPlan) -> None:
        """Shortens the next window to what the horizon allows, or lets it grow back."""
        if result.horizon.trusted:
            self.window = min(plan.window, math.ceil(1.1 * self.window))
            return
        usable = int(result.horizon.usable / self.point.params.timestep)
        shorter = max(plan.min_window, min(usable, self.window - plan.sample_every))
        self.window = max(shorter // plan.sample_every, 1) * plan.sample_every

    def restraint(self, norm: float) -> float:
        """Factor that cuts a gradient back to twice the mean norm of the first windows."""
        if self.windows < SCALE_WINDOWS:
            self.usual_norm = (self.windows * self.usual_norm + norm) / (self.windows + 1)
        self.windows += 1
        return min(1.0, 2.0 * self.usual_norm / max(norm, 1e-300))

    def record(
        self, result: AdjointResult, epoch: int, window: int, norm: float, rate: float
    ) -> WindowRecord:
        """What is logged of a window."""
        cells = math.prod(self.point.repeat)
        horizon = result.horizon
        with torch.no_grad():
            parts = {k: float(v) for k, v in self.objective.parts(self.pooled).items()}
        return WindowRecord(
            epoch=epoch,
            state=self.point.name,
            target_temperature=self.point.params.temperature,
            loss=result.loss,
            parts=parts,
            grad_norm=norm,
            growth_rate=horizon.rate,
            usable_ps=min(horizon.usable, 1e9),
            window_ps=window * self.point.params.timestep,
            lattice=result.observables["lattice"].tolist(),
            volume_fu=float(volume(result.final_state.cell)) / cells,
            updated=horizon.trusted,
            reason="" if horizon.trusted else str(horizon),
            learning_rate=rate,
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
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """The opposite of `as_dict`."""
        self.state = NptState(**saved["state"])
        self.window, self.pooled = saved["window"], saved["pooled"]
        self.stage, self.steps = saved["stage"], saved["steps"]
        self.usual_norm, self.windows = saved["usual_norm"], saved["windows"]

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
