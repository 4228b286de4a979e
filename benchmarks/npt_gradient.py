"""Gradients of an NPT average, each with its error: which can be trusted, and how far.

    python benchmarks/npt_gradient.py [--quick] [--tau 200 1000]

d<V>/dε per atom of a 32-atom Lennard-Jones solid (kT = 0.5, P = 1, reduced units), with a fast and
a slow barostat (200 and 1000 steps):

- grad_mc: covariance over frames of Monte Carlo, which knows neither thermostat nor barostat;
- grad_fd: central difference between long LAMMPS runs at ε = 0.97 and 1.03;
- grad_reweight: covariance over frames of the twin; grad_reweight_lammps: over LAMMPS' frames;
- grad_adjoint_N: exact gradient of the mean over a window of N steps, mean over trajectories;
- grad_expected_N: the same by fluctuations, -β [C(0) - mean of C(t) over the frames' times t] with
  C(t) = Cov(∂U/∂ε at 0, V at t), over the twin's runs.

Every RESULT NAME has its standard error in RESULT NAME_se; errors of averages over several runs are
jackknives that leave out a run, or half of one. Beside them:

- fd_step_bias: what the finite step of grad_fd adds (by weights, on the frames of Monte Carlo);
- agree_A_B: difference of two estimates over its standard error;
- growth_rate, usable_steps: largest Lyapunov exponent and the window it allows;
- relaxation_steps: memory of the volume;
- adjoint_refused_N: share of the windows that the horizon refuses with that exponent;
  adjoint_refused_alone_N: by the window's own norm;
- adjoint_scatter_N: standard deviation of one window's gradient.
"""

import argparse
import itertools

import lennard_jones as lj
import lennard_jones_mc as mc
import torch

from ocvf_lmp.allocator import keep_memory
from ocvf_lmp.fit.ensemble import Ensemble, energies_of, ensemble_of
from ocvf_lmp.fit.reweight import reweighted_gradient
from ocvf_lmp.md.adjoint import adjoint_gradient
from ocvf_lmp.md.diagnosis import Diagnosis
from ocvf_lmp.md.horizon import Horizon, horizon
from ocvf_lmp.md.lyapunov import Lyapunov, largest_exponent
from ocvf_lmp.md.mechanics import Mechanics
from ocvf_lmp.md.parameters import NptParameters
from ocvf_lmp.md.relaxation import Relaxation, relaxation
from ocvf_lmp.md.rollout import rollout
from ocvf_lmp.md.state import NptState
from ocvf_lmp.seeding import normal, stream

WINDOWS = (25, 50, 100, 200, 400, 800, 1600, 3200)
EVERY = 5
"""Steps between frames of a window."""

STEP = 0.03
UNIT = "sigma^3/epsilon"

Value = tuple[float, float]
"""With its standard error."""


def result(name: str, value: Value, unit: str = UNIT) -> None:
    """Prints a number and its standard error."""
    print(f"RESULT {name} {value[0]:.5g} {unit}")
    print(f"RESULT {name}_se {value[1]:.2g} {unit}", flush=True)


def compare(label: str, found: dict[str, Value]) -> None:
    """Prints how many standard errors each pair of estimates is apart."""
    for (one, a), (two, b) in itertools.combinations(found.items(), 2):
        apart = (a[0] - b[0]) / (a[1] ** 2 + b[1] ** 2) ** 0.5
        print(f"RESULT agree_{one}_{two}_{label} {apart:.2f} standard errors", flush=True)


def by_monte_carlo(n_replicas: int, n_sweeps: int) -> Value:
    """The ensemble's response, and what a finite step would make of it."""
    samples = mc.sample(n_replicas, n_sweeps)
    found = samples.jackknife(samples.gradient)
    result("grad_mc", found)
    bias = samples.jackknife(lambda k: samples.difference(STEP, k) - samples.gradient(k))
    result("fd_step_bias", bias)
    return found


def by_covariance(ensemble: Ensemble, n_blocks: int, name: str) -> Value:
    """The gradient by fluctuations of frames."""
    found = reweighted_gradient(
        lj.LennardJones(), lj.SPECIES, ensemble, lj.TEMPERATURE, lj.loss, n_blocks=n_blocks
    )
    value = float(found.gradients["depth"]), float(found.errors["depth"])
    result(name, value)
    return value


def lammps_ensemble(n_runs: int, n_steps: int, p_damp: int) -> Ensemble:
    """Frames of independent runs of LAMMPS."""
    positions, cells = lj.frames_of_lammps(n_runs, n_steps, p_damp, 100)
    energies = energies_of(lj.LennardJones(), lj.SPECIES, positions, cells)
    return ensemble_of(positions, cells, energies, lj.observe)


class Twin:
    """Independent runs of the twin.

    Attributes:
        series: volume an atom and energy in units of ε, every few steps, (runs, samples, 2).
        ensemble: frames of all runs, one run after another.
        states: in the middle and at the end of every run.
    """

    def __init__(self, params: NptParameters, n_runs: int, settle: int, n_steps: int) -> None:
        self.states: list[NptState] = []
        frames: list[tuple[torch.Tensor, ...]] = []
        runs = [self._run(params, seed, settle, n_steps, frames) for seed in range(n_runs)]
        self.series = torch.stack(runs)
        columns = [torch.stack(column) for column in zip(*frames, strict=True)]
        self.ensemble = ensemble_of(columns[0], columns[1], columns[2], lj.observe)

    def _run(
        self, params: NptParameters, seed: int, settle: int, n_steps: int,
        frames: list[tuple[torch.Tensor, ...]],
    ) -> torch.Tensor:  # fmt: skip
        """One run: adds to frames and states, and returns its series, (samples, 2)."""
        series: list[torch.Tensor] = []

        def watch(step: int, now: NptState, mechanics: Mechanics) -> None:
            volume = lj.observe(now.positions, now.cell)["volume"]
            series.append(torch.stack([volume, mechanics.energy / lj.EPSILON]))
            if step % (4 * EVERY) == 0:
                frames.append((now.positions, now.cell, mechanics.energy))

        model, state = lj.LennardJones(), lj.start(params, seed)
        state = rollout(model, lj.SPECIES, state, params, settle).state
        for part in (0, n_steps // 2):
            state = rollout(
                model, lj.SPECIES, state, params, n_steps // 2, watch, EVERY, first_step=part
            ).state
            self.states.append(state)
        return torch.stack(series)

    def relaxation(self, params: NptParameters) -> Relaxation:
        """Of the volume; the seams between runs are few."""
        return relaxation(self.series[:, :, 0].flatten(), EVERY * params.timestep, "volume")

    def expected(self, window: int) -> Value:
        """Gradient of the mean over a window, by fluctuations."""
        lags = range(EVERY, window + 1, EVERY)
        volume, energy = self.series.unbind(dim=2)
        n, most = volume.shape[1], window // EVERY

        def estimate(kept: list[int]) -> float:
            v = volume[kept] - volume[kept].mean()
            u = energy[kept] - energy[kept].mean()
            shifts = [slice(k // EVERY, n - most + k // EVERY) for k in lags]
            v0, u0 = v[:, : n - most], u[:, : n - most]
            # both are even under reversal of time
            at = [0.5 * (u0 * v[:, k] + u[:, k] * v0).mean() for k in shifts]
            return float(-((u * v).mean() - torch.stack(at).mean()) / mc.KT)

        runs = list(range(len(volume)))
        left_out = torch.tensor([estimate(runs[:k] + runs[k + 1 :]) for k in runs])
        return estimate(runs), float(left_out.std(correction=0) * (len(runs) - 1) ** 0.5)


def by_adjoint(
    states: list[NptState], params: NptParameters, n_steps: int, exponent: Lyapunov, name: str
) -> None:
    """Mean over trajectories of the exact gradient, its scatter, and how many were refused."""
    values, refused, alone = [], 0, 0
    for state in states:
        found = adjoint_gradient(
            lj.LennardJones(), lj.SPECIES, state, params, n_steps, lj.observe, lj.loss, EVERY,
            lyapunov=exponent,
        )  # fmt: skip
        values.append(float(found.gradients["depth"]))
        refused += not found.horizon.trusted
        alone += not horizon(found.adjoint_norm, params.timestep).trusted
    table = torch.tensor(values, dtype=torch.float64)
    scatter, n = float(table.std()), len(table)
    result(f"grad_adjoint_{name}", (float(table.mean()), scatter / n**0.5))
    print(f"RESULT adjoint_scatter_{name} {scatter:.3g} {UNIT}")
    print(f"RESULT adjoint_refused_{name} {refused / n:.2f} 1")
    print(f"RESULT adjoint_refused_alone_{name} {alone / n:.2f} 1", flush=True)


def limits(twin: Twin, params: NptParameters, n_steps: int, label: str) -> Lyapunov:
    """Prints both limits of a window and what they say together; returns the exponent."""
    noise = normal((lj.N_ATOMS, 3), stream(1, "shadow"))
    model, state = lj.LennardJones(), twin.states[0]
    exponent, _ = largest_exponent(model, lj.SPECIES, state, params, n_steps, noise)
    result(f"growth_rate_{label}", (exponent.rate, exponent.error), "1/ps")
    seen = Horizon.of_exponent(exponent, 100 * params.timestep)
    usable = seen.usable / params.timestep
    result(f"usable_steps_{label}", (usable, usable * exponent.error / exponent.rate), "steps")
    slowest = twin.relaxation(params)
    steps = slowest.time / params.timestep, slowest.error / params.timestep
    result(f"relaxation_steps_{label}", steps, "steps")
    print(f"# {label}: {Diagnosis(seen, slowest)}")
    return exponent


def at_barostat(p_damp: int, quick: bool, exact: Value) -> None:
    """All estimators with one barostat."""
    label, params, found = f"tau{p_damp}", lj.parameters(p_damp), {"mc": exact}
    n_runs, n_steps = (4, 60_000) if quick else (16, 300_000)
    found["fd"] = lj.finite_difference(n_runs, n_steps, p_damp, STEP)
    result(f"grad_fd_{label}", found["fd"])
    n_runs, n_steps = (4, 40_000) if quick else (8, 200_000)
    ensemble = lammps_ensemble(n_runs, n_steps, p_damp)
    name = f"grad_reweight_lammps_{label}"
    found["reweight_lammps"] = by_covariance(ensemble, 2 * n_runs, name)
    twin = Twin(params, *((4, 500, 4000) if quick else (8, 3000, 24_000)))
    found["reweight"] = by_covariance(twin.ensemble, len(twin.states), f"grad_reweight_{label}")
    compare(label, found)
    exponent = limits(twin, params, 1000 if quick else 4000, label)
    for window in WINDOWS[:3] if quick else WINDOWS:
        result(f"grad_expected_{window}_{label}", twin.expected(window))
        few = {3200: 4, 1600: 8, 800: 8}.get(window, len(twin.states))
        by_adjoint(twin.states[:few], params, window, exponent, f"{window}_{label}")


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="less statistics, windows to 100")
    parser.add_argument("--tau", type=int, nargs="+", default=[200, 1000], help="of the barostat")
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_memory()
    exact = by_monte_carlo(*((64, 100) if options.quick else (256, 2000)))
    for p_damp in options.tau:
        at_barostat(p_damp, options.quick, exact)


if __name__ == "__main__":
    main()
