"""Estimators of the gradient of a state's loss, behind one interface.

- `Window`, the adjoint: the exact gradient of a short trajectory. It carries the equilibrium
  response only as far as its window reaches, and only within the horizon of chaos.
- `Frames`, by fluctuations: the exact response of the ensemble, from the covariance of observables
  with ∂U/∂θ over a long run; its frames serve as long as enough of them count.

Each run (replica) of a state contributes a share; the shares of a state make one estimate.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch

from ocvf_lmp.fit.ensemble import Ensemble, energies_of, sample, weights_of
from ocvf_lmp.fit.estimate import GradientEstimate
from ocvf_lmp.fit.experiment import Experiment
from ocvf_lmp.fit.fluctuations import Fluctuations, averages, fluctuations, together
from ocvf_lmp.fit.plan import TrainingPlan
from ocvf_lmp.fit.progress import Progress
from ocvf_lmp.fit.reweight import pooled_gradient
from ocvf_lmp.fit.site import Run, Site
from ocvf_lmp.fit.stress import with_part, without_part
from ocvf_lmp.md.adjoint import adjoint_gradient
from ocvf_lmp.md.diagnosis import Diagnosis
from ocvf_lmp.md.engine import Frame
from ocvf_lmp.md.horizon import Horizon
from ocvf_lmp.md.lyapunov import Lyapunov, largest_exponent
from ocvf_lmp.seeding import normal, stream

WORTH_IT = 0.2
"""Share of the frames of an earlier sample that have to count, else it is forgotten."""


class Share(Protocol):
    """What one run contributes to a state's gradient.

    The estimate's gradients are named as the parameters of the correction.
    """

    def pooled(self, shares: Sequence, site: Site, plan: TrainingPlan) -> GradientEstimate:
        """The estimate from the shares of all runs of the state."""
        ...


@dataclass(frozen=True, slots=True)
class Window:
    """What one window of dynamics and the way back through it gave.

    Attributes:
        loss: at the averages pooled with earlier windows.
        observables: means over the window's frames.
        gradients: by the name of the correction's parameter.
        horizon: of the window.
        seconds: that it took.
    """

    loss: float
    observables: dict[str, torch.Tensor]
    gradients: dict[str, torch.Tensor]
    horizon: Horizon
    seconds: float

    def pooled(
        self, shares: Sequence["Window"], site: Site, plan: TrainingPlan
    ) -> GradientEstimate:
        """Mean of the windows that can be trusted; their scatter gives the error."""
        del plan
        trusted = [s for s in shares if s.horizon.trusted]
        used = trusted or list(shares)
        rows = {k: torch.stack([s.gradients[k] for s in used]) for k in self.gradients}
        gradients = {k: v.mean(dim=0) for k, v in rows.items()}
        errors = {}
        if len(used) > 1:
            errors = {k: v.std(dim=0) / len(used) ** 0.5 for k, v in rows.items()}
        means = {
            k: torch.stack([s.observables[k] for s in shares]).mean(dim=0) for k in self.observables
        }
        with torch.no_grad():
            loss = float(site.objective.loss(site.pool(means)))
        worst = min((s.horizon for s in shares), key=lambda h: h.usable)
        notes = {
            "growth_rate": worst.rate,
            "usable_ps": min(worst.usable, 1e9),
            "window_ps": max(s.horizon.length for s in shares),
        }
        diagnosis = Diagnosis(worst, site.relaxation)
        refusal = "" if trusted else diagnosis.refusal
        remark = str(diagnosis) if diagnosis.empty and not refusal else ""
        seconds = sum(s.seconds for s in shares)
        return GradientEstimate(loss, gradients, errors, means, seconds, refusal, notes, remark)


@dataclass(frozen=True, slots=True)
class Frames:
    """What the frames of a run give.

    Attributes:
        found: weights and slopes of the frames.
        sampled_ps: length of the dynamics that were run for it.
        seconds: that it took.
    """

    found: Fluctuations
    sampled_ps: float
    seconds: float

    def pooled(
        self, shares: Sequence["Frames"], site: Site, plan: TrainingPlan
    ) -> GradientEstimate:
        """Covariances over the frames of all runs, with a jackknife error."""
        parts = [share.found for share in shares]
        found = pooled_gradient(
            parts,
            site.point.params.temperature,
            site.objective.loss,
            min_effective=plan.min_effective,
            entropy_weight=plan.entropy_weight,
        )
        shapes = {k: p.shape for k, p in site.model.correction.named_parameters()}
        refusal = found.refusal
        # steps that the frames vouch for need no other guard
        descends = plan.ansatz != "cevm" and plan.step == "descent"
        if descends and not refusal and found.signal_to_noise < plan.min_signal:
            refusal = (
                f"the gradient is {found.signal_to_noise:.2g} times its error: mostly noise;"
                " sampling longer"
            )
        return replace(
            found,
            gradients={k: v.view(shapes[k]) for k, v in found.gradients.items()},
            errors={k: v.view(shapes[k]) for k, v in found.errors.items()},
            observables=averages(parts),
            refusal=refusal,
            seconds=sum(share.seconds for share in shares) + found.seconds,
            notes=found.notes | {"window_ps": max(share.sampled_ps for share in shares)},
        )


def by_adjoint(
    site: Site, run: Run, experiment: Experiment, progress: Progress, name: str
) -> Window:
    """One window of dynamics and the way back through it.

    The first one is cut to what the exponent of a run before it allows; after a window beyond the
    horizon, the next one is shorter.
    """
    start, plan, timestep = time.perf_counter(), experiment.plan, site.point.params.timestep
    if run.lyapunov is None and plan.horizon:
        run.lyapunov = _measured_exponent(site, run, plan)
        planned = Horizon.of_exponent(run.lyapunov, run.window * timestep)
        run.adapt_window(planned, plan, timestep)
    window = run.window
    with progress.task(name, window):
        result = adjoint_gradient(
            site.model, site.objective.species, run.state, site.point.params, window,
            site.objective.observe, site.pooled_loss(), plan.sample_every,
            anchor_every=plan.anchor_every, lyapunov=run.lyapunov,
        )  # fmt: skip
    run.state = result.final_state
    run.steps += window
    run.adapt_window(result.horizon, plan, timestep)
    gradients = {k.removeprefix(site.model.CORRECTION): v for k, v in result.gradients.items()}
    return Window(
        result.loss, result.observables, gradients, result.horizon, time.perf_counter() - start
    )


def _measured_exponent(site: Site, run: Run, plan: TrainingPlan) -> Lyapunov:
    """How fast trajectories part; the run goes on from there."""
    noise = normal((site.objective.n_atoms, 3), stream(plan.seed, f"shadow/{run.number}"))
    found, run.state = largest_exponent(
        site.model, site.objective.species, run.state, site.point.params, plan.horizon, noise
    )
    run.steps += plan.horizon
    return found


def by_fluctuations(
    site: Site, run: Run, experiment: Experiment, progress: Progress, name: str
) -> Frames:
    """Covariances over frames: those at hand, or new ones where too few of them still count."""
    start, plan, params = time.perf_counter(), experiment.plan, site.point.params
    species, correction, sampled = site.objective.species, site.model.correction, 0
    if not _still_good(site, run, plan):
        length = round(plan.sampling * site.stretch)
        sampled = plan.relaxation + length
        with (
            experiment.logbook.trajectory(site.point, run.number, run.steps) as record,
            progress.task(f"sampling for {name}", sampled) as advance,
        ):

            def on_frame(frame: Frame) -> None:
                record(replace(frame, step=plan.relaxation + frame.step))
                advance(plan.sample_every)

            relaxed = run.state
            if plan.relaxation:
                relaxed = experiment.engine.run(
                    site.model, species, run.state, params, plan.relaxation, plan.relaxation,
                    lambda frame: None,
                )  # fmt: skip
            run.ensemble, run.state = sample(
                experiment.engine, site.model, correction, species,  # pyright: ignore
                relaxed, params, length, plan.sample_every, site.objective.observe, on_frame,
                site.objective.of_frame,
            )  # fmt: skip
            if site.objective.with_pressure:
                run.ensemble = without_part(correction, species, run.ensemble)
        run.steps += sampled
    assert run.ensemble is not None
    newest, *earlier = ((frames, _found(site, frames)) for frames in run.samples)
    kept = [(frames, found) for frames, found in earlier if found.effective >= WORTH_IT]
    run.earlier = [frames for frames, _ in kept]
    found = together([found for _, found in (newest, *kept)])
    return Frames(found, sampled * params.timestep, time.perf_counter() - start)


def _still_good(site: Site, run: Run, plan: TrainingPlan) -> bool:
    """Whether enough of a run's frames count at the site's parameters."""
    frames = run.ensemble
    if frames is None or frames.n_frames < round(plan.sampling * site.stretch) // plan.sample_every:
        return False
    correction, species = site.model.correction, site.objective.species
    energies = energies_of(correction, species, frames.positions, frames.cells)  # pyright: ignore
    return weights_of(frames, energies, site.point.params.temperature)[1] >= plan.min_effective


def _found(site: Site, frames: Ensemble) -> Fluctuations:
    """What frames say at the site's parameters."""
    correction, species = site.model.correction, site.objective.species
    found = fluctuations(correction, species, frames, site.point.params.temperature)  # pyright: ignore
    if site.objective.with_pressure:
        found = with_part(correction, species, frames, found)
    return found


ESTIMATORS = {"adjoint": by_adjoint, "reweight": by_fluctuations}
"""By the name that a configuration gives them: each advances one run as far as it needs."""
