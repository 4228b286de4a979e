"""Closed loop: does training on one PDF recover a truth that is known, and what it never saw?

    python benchmarks/closed_loop.py [--quick] [--folder FOLDER]

The truth is a Lennard-Jones fluid (argon, 120 K, 500 bar). Its G(r) at that one state, sampled by
LAMMPS with 500 atoms, with 1 % of noise and the number density in the header of a SYNTHETIC .gr
file, is all that the training is told. The prior is a black box, a pair style of LAMMPS with a
wrong depth (x 0.85) and diameter (x 1.02). `ocvf-lmp train` corrects it twice from the same file:

- cevm: the rigid ansatz of maximum entropy, a series in the pair distance, by Newton's method;
- network: a small directional network, by descent along reweighted gradients.

Then LAMMPS samples truth, prior and both corrected models, 108 atoms each, at the trained state
(trained) and at others (cold, hot: other temperatures; dense: another pressure). A fluid, since its
pairs pass through all distances and its volume answers to the pressure: g(r) then determines a pair
potential (Henderson 1974). In a crystal each shell's share of the energy is a constant that no PDF
shows.

RESULT QUANTITY_error_MODEL is a model's value less the truth's, with its standard error in _se (of
sampling alone, blocks of independent runs) and the same in units of it in _z:

- volume_STATE, Å³ an atom;
- heating: mean potential energy of hot less that of cold, meV an atom; energy: that of trained;
- fcc, compression, stretching: energies of static crystals, meV an atom, known exactly.

rw_STATE_MODEL: R_w of the model's G(r) against the truth's, no scale fitted. The model "again" is
the truth itself, sampled as sparsely as the others: the floor of all of these figures.
kl_per_atom_MODEL: relative entropy to the prior, nats.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import argon
import numpy as np
import torch
import yaml

TRAINED = argon.State(120.0, 500.0)
STATES = {
    "trained": TRAINED,
    "cold": argon.State(95.0, 500.0),
    "hot": argon.State(160.0, 500.0),
    "dense": argon.State(120.0, 1500.0),
}
DEPTH, DIAMETER = 0.85, 1.02
NOISE = 0.01
SPLINES = (2.2, argon.OUTER)
"""Å; they begin where no pair comes, since a series ends at zero."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is sampled, and the trainings' options.

    Attributes:
        measured: runs, steps and edge (in fcc cells) of what the PDF is taken from.
        truth: runs and steps of the reference.
        models: the same of what is compared with it.
        cevm: options of the training.
        network: the same.
        correction: size of the network.
        states: where all are compared.
    """

    measured: tuple[int, int, int]
    truth: tuple[int, int]
    models: tuple[int, int]
    cevm: dict[str, float]
    network: dict[str, float]
    correction: Mapping[str, float]
    states: tuple[str, ...] = tuple(STATES)


Samples = dict[str, argon.Sampled]
"""Averages of a model, by the name of the state."""

CORRECTION = {"cutoff": argon.OUTER, "n_features": 8, "n_angular": 4, "n_radial": 8, "l_max": 1}
FULL = Size(
    measured=(3, 50_000, 5),
    truth=(4, 100_000),
    models=(4, 6_000),
    cevm={"epochs": 12, "sampling": 8000, "min_effective": 0.3, "evaluation": 6000},
    network={"epochs": 20, "sampling": 4000, "min_effective": 0.5, "evaluation": 6000,
             "learning_rate": 0.2},
    correction=CORRECTION | {"n_blocks": 1},
)  # fmt: skip
QUICK = Size(
    measured=(1, 10_000, 3),
    truth=(1, 10_000),
    models=(1, 1500),
    cevm={"epochs": 4, "sampling": 1500, "min_effective": 0.3, "evaluation": 1000},
    network={"epochs": 4, "sampling": 1000, "min_effective": 0.3, "evaluation": 1000,
             "learning_rate": 0.2},
    correction=CORRECTION | {"n_blocks": 0},
    states=("trained", "hot"),
)  # fmt: skip


def configuration(ansatz: str, size: Size) -> dict:
    """What a user would write: the prior is a pair style, the target is one file."""
    options = size.cevm if ansatz == "cevm" else size.network
    every = {"sample_every": 20, "evaluate_every": 20, "window": 20}
    target = {"pdf": "argon.gr", "r_range": list(argon.R_RANGE), "metric": "chi2"}
    return {
        "name": f"closed-loop-{ansatz}",
        "seed": 1,
        "workers": 1,
        "prior": {"lammps": "\n".join(argon.lennard_jones(DEPTH, DIAMETER)), "symbols": ["Ar"]},
        "sample": {"structure": "start.extxyz", "repeat": [1, 1, 1]},
        "sampler": {"engine": "lammps"},
        "dynamics": {
            "timestep": argon.TIMESTEP, "t_damp": 0.2, "p_damp": 0.5, "mode": "isotropic",
        },
        "cevm": {"r_range": list(SPLINES), "n_splines": 20},
        "correction": size.correction,
        "training": {
            "ansatz": ansatz, "estimator": "reweight", "equilibration": 1000, "relaxation": 500,
        } | every | options,
        "states": [
            {"temperature": TRAINED.temperature, "pressure": TRAINED.pressure, "targets": [target]}
        ],
    }  # fmt: skip


def command(*words: str | Path) -> None:
    """Runs `ocvf-lmp`; what it prints goes to the screen."""
    subprocess.run([sys.executable, "-m", "ocvf_lmp", *map(str, words)], check=True)


def train(ansatz: str, size: Size, folder: Path) -> argon.Model:
    """A model that `ocvf-lmp train` and `ocvf-lmp export` have made."""
    config, run, model = (folder / f"{ansatz}{end}" for end in (".yaml", "", ".pt"))
    config.write_text(yaml.safe_dump(configuration(ansatz, size), sort_keys=False))
    command("train", config, "--run", run)
    command("export", model, "--run", run, "--delta-only")
    after = json.loads((run / "evaluation.json").read_text())["after"]
    (scores,) = after.values()
    atoms = 4 * 3**3
    print(f"RESULT kl_per_atom_{ansatz} {scores['relative_entropy'] / atoms:.4g} nat")
    print(f"RESULT kl_per_atom_{ansatz}_se {scores['relative_entropy_error'] / atoms:.2g} nat")
    return argon.Model(ansatz, argon.lennard_jones(DEPTH, DIAMETER), model)


def mean(values: np.ndarray) -> tuple[float, float]:
    """Mean of blocks and its standard error."""
    return float(values.mean()), float(values.std(ddof=1) / len(values) ** 0.5)


def result(name: str, model: str, found: tuple[float, float], truth: tuple[float, float]) -> None:
    """Prints a deviation from the truth, its error, and the one in units of the other."""
    error, spread = found[0] - truth[0], float(np.hypot(found[1], truth[1]))
    unit = "A3" if name.startswith("volume") else "meV"
    print(f"RESULT {name}_error_{model} {error:.4g} {unit}")
    if spread > 0:
        print(f"RESULT {name}_error_{model}_se {spread:.2g} {unit}")
        print(f"RESULT {name}_error_{model}_z {error / spread:.1f} 1", flush=True)


def compare(model: str, found: Samples, truth: Samples) -> None:
    """Prints what one model's runs give, against the truth's."""
    for state, runs in found.items():
        result(f"volume_{state}", model, mean(runs.volume), mean(truth[state].volume))
        exact, seen = argon.curve(truth[state]), argon.curve(runs)
        r_w = float(((seen - exact).square().sum() / exact.square().sum()).sqrt())
        print(f"RESULT rw_{state}_{model} {r_w:.4f} 1", flush=True)
    result("energy", model, *(mean(1e3 * x["trained"].energy) for x in (found, truth)))
    first = "cold" if "cold" in found else "trained"
    result("heating", model, *(rise(x["hot"], x[first]) for x in (found, truth)))


def rise(hot: argon.Sampled, cold: argon.Sampled) -> tuple[float, float]:
    """Difference of mean potential energies, meV an atom, and its standard error."""
    (high, high_error), (low, low_error) = mean(1e3 * hot.energy), mean(1e3 * cold.energy)
    return high - low, float(np.hypot(high_error, low_error))


def crystals(model: argon.Model, exact: dict[str, float]) -> None:
    """Prints the errors of static energies."""
    for name, value in argon.static_energies(model).items():
        result(name, model.name, (value, 0.0), (exact[name], 0.0))


def run(size: Size, folder: Path) -> None:
    """Measures the truth, trains on its PDF, and compares."""
    world, wrong = (
        argon.Model(name, argon.lennard_jones(*factors))
        for name, factors in (("truth", ()), ("prior", (DEPTH, DIAMETER)))
    )

    def sampled(model: argon.Model, name: str, label: str, *length: int, **more: int):  # noqa: ANN202
        """Runs, or what a run before has left in the folder."""
        path = folder / f"sampled_{label}_{name}.pt"
        if not path.is_file():
            torch.save(argon.sample(model, STATES[name], *length, **more), path)
        return torch.load(path, weights_only=False)

    n_runs, n_steps, cells = size.measured
    seen = sampled(world, "trained", "measured", n_runs, n_steps, every=100, cells=cells)
    truth = {k: sampled(world, k, "truth", *size.truth, every=100) for k in size.states}
    argon.write_measurement(folder / "argon.gr", TRAINED, seen, NOISE, 1)
    argon.melt(folder, TRAINED, 3, 1, wrong.prior)
    models = [wrong, train("cevm", size, folder), train("network", size, folder)]
    exact = argon.static_energies(world)
    for model in (world, *models):
        label = "again" if model is world else model.name
        found = {k: sampled(model, k, label, *size.models, seed=2) for k in truth}
        compare(label, found, truth)
        if model is not world:
            crystals(model, exact)


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two states, hardly trained")
    parser.add_argument("--folder", type=Path, help="keep everything there, and go on from it")
    options = parser.parse_args()
    torch.set_num_threads(1)
    size = QUICK if options.quick else FULL
    if options.folder is not None:
        options.folder.mkdir(parents=True, exist_ok=True)
        run(size, options.folder.resolve())
        return
    with tempfile.TemporaryDirectory(prefix="closed-loop-") as name:
        run(size, Path(name))


if __name__ == "__main__":
    main()
