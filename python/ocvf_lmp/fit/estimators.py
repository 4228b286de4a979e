"""Estimators of the gradient of a state's loss, behind one interface.

- `by_adjoint`: the exact gradient of a short trajectory. It carries the equilibrium response only
  as far as its window reaches, and only within the horizon of chaos.
- `by_fluctuations`: the exact response of the ensemble, from the covariance of observables with
  ∂U/∂θ over a long run; its frames serve as long as enough of them count.
"""

import math
import time
from collections.abc import Callable
from dataclasses import replace

from ocvf_lmp.fit.ensemble import sample
from ocvf_lmp.fit.estimate import GradientEstimate
from ocvf_lmp.fit.logbook import Logbook
from ocvf_lmp.fit.plan import TrainingPlan
from ocvf_lmp.fit.progress import Progress
from ocvf_lmp.fit.reweight import energies_of, reweighted_gradient, weights_of
from ocvf_lmp.fit.site import Site
from ocvf_lmp.md.adjoint import adjoint_gradient
from ocvf_lmp.md.mechanics import Mechanics
from ocvf_lmp.md.rollout import rollout
from ocvf_lmp.md.state import NptState

Estimator = Callable[[Site, TrainingPlan, Logbook, Progress, str], GradientEstimate]
"""Advances a site's run as far as it needs and estimates the gradient there; the last argument
names the work for the progress."""


def by_adjoint(
    site: Site, plan: TrainingPlan, logbook: Logbook, progress: Progress, name: str
) -> GradientEstimate:
    """One window of dynamics and the way back through it.

    A gradient from beyond the horizon is refused, and the next window is shorter.
    """
    del logbook
    start, window = time.perf_counter(), site.window
    site.objective.forget()
    with progress.task(name, window):
        result = adjoint_gradient(
            site.model, site.objective.species, site.state, site.point.params, window,
            site.objective.observe, site.pooled_loss(), plan.sample_every,
            anchor_every=plan.anchor_every,
        )  # fmt: skip
    site.advance(result.final_state, result.observables, window)
    site.adapt_window(result.horizon, plan)
    horizon = result.horizon
    return GradientEstimate(
        result.loss,
        result.gradients,
        {},
        result.observables,
        time.perf_counter() - start,
        "" if horizon.trusted else str(horizon),
        {
            "growth_rate": horizon.rate,
            "usable_ps": min(horizon.usable, 1e9),
            "window_ps": window * site.point.params.timestep,
        },
    )


def by_fluctuations(
    site: Site, plan: TrainingPlan, logbook: Logbook, progress: Progress, name: str
) -> GradientEstimate:
    """Covariances over frames: those at hand, or new ones where too few of them still count."""
    start, species = time.perf_counter(), site.objective.species
    temperature, sampled = site.point.params.temperature, 0
    if not _still_good(site, plan):
        sampled = plan.relaxation + plan.sampling
        with (
            logbook.trajectory(site.point, site.steps) as record,
            progress.task(f"sampling for {name}", sampled) as advance,
        ):

            def on_frame(step: int, now: NptState, mechanics: Mechanics) -> None:
                record(plan.relaxation + step, now, mechanics)
                advance(plan.sample_every)

            params = site.point.params
            relaxed = rollout(site.model, species, site.state, params, plan.relaxation).state
            site.objective.forget()
            site.ensemble, end = sample(
                site.model, species, relaxed, params, plan.sampling, plan.sample_every,
                site.objective.observe, on_frame,
            )  # fmt: skip
        site.state = end
        site.steps += sampled
    assert site.ensemble is not None
    found = reweighted_gradient(
        site.model, species, site.ensemble, temperature, site.objective.loss,
        min_effective=plan.min_effective,
    )  # fmt: skip
    site.pooled = found.observables
    notes = found.notes | {"window_ps": sampled * site.point.params.timestep}
    return replace(found, seconds=time.perf_counter() - start, notes=notes)


def _still_good(site: Site, plan: TrainingPlan) -> bool:
    """Whether enough of a site's frames count at its parameters."""
    if site.ensemble is None:
        return False
    frames = site.ensemble
    energies = energies_of(site.model, site.objective.species, frames.positions, frames.cells)
    effective = weights_of(frames, energies, site.point.params.temperature)[1]
    return math.isfinite(effective) and effective >= plan.min_effective


ESTIMATORS: dict[str, Estimator] = {"adjoint": by_adjoint, "reweight": by_fluctuations}
"""By the name that a configuration gives them."""
