"""A state in the course of training: what is known there, and where its runs stand."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from torch import Tensor

from ocvf_lmp.fit.ensemble import Ensemble
from ocvf_lmp.fit.experiment import Experiment
from ocvf_lmp.fit.objective import Objective
from ocvf_lmp.fit.plan import StatePoint, TrainingPlan
from ocvf_lmp.fit.sampling import Measurement
from ocvf_lmp.md.horizon import Horizon
from ocvf_lmp.md.lyapunov import Lyapunov
from ocvf_lmp.md.relaxation import Relaxation
from ocvf_lmp.md.state import NptState, initial_state
from ocvf_lmp.potential.composite import Corrected
from ocvf_lmp.seeding import normal, stream
from ocvf_lmp.system.structure import Structure

STRETCH, MOST = 1.5, 6.0
"""Factor on the length of a run whose gradient was noise, and the largest one in all."""

EARLIER = 2
"""How many earlier samples of a run are kept."""

SCALE_WINDOWS = 3
"""Number of windows whose mean gradient norm sets the scale of a state."""


@dataclass
class Run:
    """One of a state's simulations (replicas).

    Attributes:
        number: 1, 2, ...
        state: where it stands.
        window: steps of its next window.
        stage: new, equilibrated, (measured,) training, relaxed, done.
        steps: run so far.
        ensemble: frames that gradients by fluctuations are made of, if there are some.
        earlier: frames from earlier parameters that may still count, the newest sample first.
        measured: what its last measurement gave, until it is pooled with the other runs'.
        lyapunov: how fast neighbouring trajectories part, once it has been measured.
    """

    number: int
    state: NptState
    window: int
    stage: str = "new"
    steps: int = 0
    ensemble: Ensemble | None = None
    earlier: list[Ensemble] = field(default_factory=list)
    measured: Measurement | None = None
    lyapunov: Lyapunov | None = None

    def adapt_window(self, horizon: Horizon, plan: TrainingPlan, timestep: float) -> None:
        """Shortens the next window to what the horizon allows, or lets it grow back to that."""
        usable = int(min(horizon.usable / timestep, plan.window))
        if horizon.trusted:
            self.window = max(self.window, min(usable, math.ceil(1.1 * self.window)))
            return
        shorter = max(plan.min_window, min(usable, self.window - plan.sample_every))
        self.window = max(shorter // plan.sample_every, 1) * plan.sample_every

    @property
    def samples(self) -> list[Ensemble]:
        """All frames at hand, those of the newest sample first."""
        return ([] if self.ensemble is None else [self.ensemble]) + self.earlier

    def set_aside(self) -> None:
        """Makes the next gradient sample anew, and look at the present frames as well."""
        self.earlier, self.ensemble = self.samples[:EARLIER], None

    def as_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {
            "state": self.state.as_dict(),
            "window": self.window,
            "stage": self.stage,
            "steps": self.steps,
            "ensemble": None if self.ensemble is None else self.ensemble.as_dict(),
            "earlier": [sample.as_dict() for sample in self.earlier],
            "measured": None if self.measured is None else self.measured.as_dict(),
            "lyapunov": None if self.lyapunov is None else asdict(self.lyapunov),
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """The opposite of `as_dict`."""
        self.state = NptState(**saved["state"])
        self.window, self.stage, self.steps = saved["window"], saved["stage"], saved["steps"]
        self.ensemble = Ensemble(**saved["ensemble"]) if saved["ensemble"] else None
        self.earlier = [Ensemble(**sample) for sample in saved.get("earlier", ())]
        self.measured = Measurement(**saved["measured"]) if saved["measured"] else None
        self.lyapunov = Lyapunov(**saved["lyapunov"]) if saved["lyapunov"] else None


@dataclass
class Site:
    """A state, its model and its runs.

    Attributes:
        point: the state.
        objective: what is compared there.
        model: H_o + ΔH_θ.
        runs: its replicas.
        keep: share of earlier windows in the pooled averages.
        pooled: averages pooled over runs and windows.
        usual_norm: mean norm of the gradients of the first windows.
        windows: number of gradients used so far.
        stretch: factor on the length of the next run for reweighting.
        relaxation: of the cell's slowest part in the measurement of the prior.
    """

    point: StatePoint
    objective: Objective
    model: Corrected
    runs: list[Run]
    keep: float
    pooled: dict[str, Tensor] = field(default_factory=dict)
    usual_norm: float = 0.0
    windows: int = 0
    stretch: float = 1.0
    relaxation: Relaxation | None = None

    def pooled_loss(self) -> Callable[[Mapping[str, Tensor]], Tensor]:
        """The loss at averages pooled with earlier windows; its slope acts on the newest."""

        def loss(means: Mapping[str, Tensor]) -> Tensor:
            pooled = self.pool(means)
            shifted = {k: v + (pooled[k] - v).detach() for k, v in means.items()}
            return self.objective.loss(shifted)

        return loss

    def pool(self, means: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """New averages and earlier ones together."""
        if not self.pooled or self.keep == 0.0:
            return dict(means)
        return {k: self.keep * self.pooled[k] + (1.0 - self.keep) * v for k, v in means.items()}

    def restraint(self, norm: float) -> float:
        """Factor that cuts a gradient back to twice the mean norm of the first windows."""
        if self.windows < SCALE_WINDOWS:
            self.usual_norm = (self.windows * self.usual_norm + norm) / (self.windows + 1)
        self.windows += 1
        return min(1.0, 2.0 * self.usual_norm / max(norm, 1e-300))

    def sample_longer(self) -> None:
        """Lets the next runs be longer: the last ones did not tell signal from noise."""
        self.stretch = min(MOST, STRETCH * self.stretch)

    def shared(self) -> dict[str, Any]:
        """What all runs of the state have in common, for a worker or a checkpoint."""
        return {
            "pooled": self.pooled,
            "usual_norm": self.usual_norm,
            "windows": self.windows,
            "stretch": self.stretch,
            "relaxation": None if self.relaxation is None else asdict(self.relaxation),
        }

    def share(self, saved: Mapping[str, Any]) -> None:
        """The opposite of `shared`."""
        self.pooled, self.usual_norm = dict(saved["pooled"]), saved["usual_norm"]
        self.windows, self.stretch = saved["windows"], saved["stretch"]
        self.relaxation = Relaxation(**saved["relaxation"]) if saved["relaxation"] else None

    def as_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return self.shared() | {"runs": [run.as_dict() for run in self.runs]}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """The opposite of `as_dict`."""
        self.share(saved)
        for run, content in zip(self.runs, saved["runs"], strict=True):
            run.restore(content)


def make_sites(experiment: Experiment) -> list[Site]:
    """Runs that have not begun for each state, with thermal momenta from the plan's seed."""
    return [_site(experiment, point) for point in experiment.states]


def first_state(
    point: StatePoint, number: int, plan: TrainingPlan, sample: Structure | None = None
) -> NptState:
    """Where a run of a state begins: a sample, with thermal momenta from the plan's seed.

    Args:
        point: the state.
        number: of the run, from 1.
        plan: of the training.
        sample: that it begins with; the state's if None.
    """
    name = f"momenta/{point.name}" + (f"/{number}" if number > 1 else "")
    sample = sample or point.structure
    noise = normal((sample.n_atoms, 3), stream(plan.seed, name))
    return initial_state(sample.positions, sample.cell, sample.masses, point.params, noise)


def _site(experiment: Experiment, point: StatePoint) -> Site:
    plan = experiment.plan
    numbers = range(1, (1 if point.held_out else plan.replicas) + 1)
    runs = [Run(number, first_state(point, number, plan), plan.window) for number in numbers]
    model = Corrected(experiment.prior, experiment.corrections[point.name])
    objective = Objective(point.structure, point.repeat, point.targets)
    keep = plan.memory if plan.estimator == "adjoint" else 0.0
    return Site(point, objective, model, runs, keep)
