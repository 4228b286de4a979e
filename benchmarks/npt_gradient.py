"""Gradients of an NPT average, each with its error: which can be trusted, and how far.

    python benchmarks/npt_gradient.py [--quick]

d<V>/dε per atom of a 32-atom Lennard-Jones solid (kT = 0.5, P = 1, reduced units), with a fast and
a slow barostat (200 and 1000 steps):

- grad_fd: central difference between long LAMMPS runs at ε = 0.97 and 1.03;
- grad_reweight: covariance over frames of the twin; grad_reweight_lammps: over LAMMPS' frames;
- grad_adjoint_N: exact gradient of the mean over a window of N steps, mean over trajectories.

Every RESULT NAME has its standard error in RESULT NAME_se. `adjoint_refused_N` is the share of
windows that the horizon refused.
"""

import argparse

import lennard_jones as lj
import torch

from ocvf_lmp.fit.ensemble import energies_of, ensemble_of, sample
from ocvf_lmp.fit.estimate import GradientEstimate
from ocvf_lmp.fit.reweight import reweighted_gradient
from ocvf_lmp.md.adjoint import adjoint_gradient
from ocvf_lmp.md.engine import Twin
from ocvf_lmp.md.parameters import NptParameters
from ocvf_lmp.md.rollout import rollout
from ocvf_lmp.md.state import NptState

WINDOWS = (25, 50, 100, 200, 400, 800, 1600, 3200)
BLOCKS = 16


def result(name: str, value: float, error: float) -> None:
    """Prints a gradient and its standard error."""
    print(f"RESULT {name} {value:.5g} sigma^3/epsilon")
    print(f"RESULT {name}_se {error:.2g} sigma^3/epsilon", flush=True)


def by_covariance(ensemble, name: str) -> GradientEstimate:  # noqa: ANN001
    """Prints the gradient by fluctuations of an ensemble."""
    found = reweighted_gradient(
        lj.LennardJones(), lj.SPECIES, ensemble, lj.TEMPERATURE, lj.loss, n_blocks=BLOCKS
    )
    result(name, float(found.gradients["depth"]), float(found.errors["depth"]))
    return found


def by_adjoint(states: list[NptState], params: NptParameters, n_steps: int, name: str) -> None:
    """Prints the mean over trajectories of the exact gradient, and how many were refused."""
    values, refused = [], 0
    for state in states:
        found = adjoint_gradient(
            lj.LennardJones(), lj.SPECIES, state, params, n_steps, lj.observe, lj.loss, 5
        )
        values.append(float(found.gradients["depth"]))
        refused += not found.horizon.trusted
    table = torch.tensor(values)
    result(f"grad_adjoint_{name}", float(table.mean()), float(table.std() / len(table) ** 0.5))
    print(f"RESULT adjoint_refused_{name} {refused / len(states):.2f} 1", flush=True)


def at_barostat(p_damp: int, quick: bool) -> None:
    """All estimators with one barostat."""
    label, model, params = f"tau{p_damp}", lj.LennardJones(), lj.parameters(p_damp)
    n_runs, n_steps = (4, 100_000) if quick else (16, 300_000)
    result(f"grad_fd_{label}", *lj.finite_difference(n_runs, n_steps, p_damp))
    n_runs, n_steps = (2, 40_000) if quick else (4, 200_000)
    positions, cells = lj.frames_of_lammps(n_runs, n_steps, p_damp, 80)
    energies = energies_of(model, lj.SPECIES, positions, cells)
    ensemble = ensemble_of(positions, cells, energies, lj.observe)
    by_covariance(ensemble, f"grad_reweight_lammps_{label}")
    state = lj.start(params, 1)
    state = rollout(model, lj.SPECIES, state, params, 500 if quick else 2000).state
    states = [state]
    while len(states) < (4 if quick else 8):
        state = rollout(model, lj.SPECIES, state, params, 100 if quick else 500).state
        states.append(state)
    n_steps = 1600 if quick else 30_000
    ensemble, _ = sample(Twin(), model, model, lj.SPECIES, state, params, n_steps, 20, lj.observe)
    by_covariance(ensemble, f"grad_reweight_{label}")
    for window in WINDOWS:
        if window <= (200 if quick else WINDOWS[-1]):
            few = states[:4] if window > 400 else states
            by_adjoint(few, params, window, f"{window}_{label}")


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="less statistics, windows to 200")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for p_damp in (200, 1000):
        at_barostat(p_damp, options.quick)


if __name__ == "__main__":
    main()
