"""Closed loop: does training on one PDF recover a truth that is known, and what it never saw?

    python benchmarks/closed_loop.py [--quick] [--folder FOLDER] [--workers N]

The truth is a Lennard-Jones fluid (argon, 120 K, 500 bar). Its G(r) at that one state, sampled by
LAMMPS with 500 atoms, with 1 % of noise and the number density in the header of a SYNTHETIC .gr
file, is all that the training is told. The prior is a black box, a pair style of LAMMPS with a
wrong depth (x 0.85) and diameter (x 1.02). `ocvf-lmp train` corrects it in two ways:

- cevm: the rigid ansatz of maximum entropy, a series in the pair distance, by Newton's method;
- network: a small directional network, by damped Gauss-Newton steps.

Then LAMMPS samples truth, prior and corrected models, 108 atoms each, at the trained state
(trained) and at others (cold, hot: other temperatures; dense: another pressure). A fluid, since its
pairs pass through all distances and its volume answers to the pressure: g(r) then determines a pair
potential (Henderson 1974). In a crystal each shell's share of the energy is a constant that no PDF
shows.

The whole experiment is repeated from the start, with another measurement (frames, noise), other
seeds of the training and other runs. RESULT QUANTITY_error_MODEL is the mean of a model's values
less the truth's; _se is the standard error of that, from the scatter of the repetitions (it holds
the data's errors, the training's noise and the sampling), or from that of all runs where the few
repetitions scatter less by chance, and from the truth's runs; _z is their ratio; _spread is the
standard deviation of one repetition. `--quick` has one repetition: sampling errors alone.

- volume_STATE, Å³ an atom;
- heating: mean potential energy of hot less that of cold, meV an atom; energy: that of trained;
- fcc, compression, stretching: energies of static crystals, meV an atom, known exactly.

rw_STATE_MODEL: R_w of the model's G(r) against the truth's, no scale fitted, mean of the
repetitions. The model "again" is the truth itself, sampled as sparsely as the others: the floor of
all of these figures. kl_per_atom_MODEL: relative entropy to the prior, nats.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import argon
import torch
import yaml
from closed_loop_figures import Found, compare

from ocvf_lmp.fit.gr_file import read_gr

TRAINED = argon.State(120.0, 500.0)
STATES = {
    "trained": TRAINED,
    "cold": argon.State(95.0, 500.0),
    "hot": argon.State(160.0, 500.0),
    "dense": argon.State(120.0, 1500.0),
}
WORLD = argon.Model("truth", argon.lennard_jones())
WRONG = argon.Model("prior", argon.lennard_jones(0.85, 1.02))
ANSATZES = ("cevm", "network")
NOISE = 0.01
CELLS = 3
SPLINES = (2.2, argon.OUTER)
"""Å; they begin where no pair comes, since a series ends at zero."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is sampled, and the trainings' options.

    Attributes:
        repetitions: of the whole experiment.
        measured: runs, steps and edge (in fcc cells) of what the PDF is taken from.
        truth: runs and steps of the reference.
        models: the same of what is compared with it, in each repetition.
        cevm: options of the training.
        network: the same.
        correction: size of the network.
        states: where all are compared.
    """

    repetitions: int
    measured: tuple[int, int, int]
    truth: tuple[int, int]
    models: tuple[int, int]
    cevm: dict[str, float]
    network: dict[str, float | str]
    correction: Mapping[str, float]
    states: tuple[str, ...] = tuple(STATES)


CORRECTION = {"cutoff": argon.OUTER, "n_features": 8, "n_angular": 4, "n_radial": 8, "l_max": 1}
FULL = Size(
    repetitions=3,
    measured=(10, 15_000, 5),
    truth=(8, 60_000),
    models=(3, 5000),
    cevm={"epochs": 10, "sampling": 6000, "min_effective": 0.3, "evaluation": 4000},
    network={"epochs": 14, "sampling": 12_000, "min_effective": 0.3, "evaluation": 4000,
             "step": "gauss-newton"},
    correction=CORRECTION | {"n_blocks": 1},
)  # fmt: skip
QUICK = Size(
    repetitions=1,
    measured=(3, 3000, 3),
    truth=(8, 2000),
    models=(3, 600),
    cevm={"epochs": 3, "sampling": 1000, "min_effective": 0.3, "evaluation": 600},
    network={"epochs": 3, "sampling": 1000, "min_effective": 0.3, "evaluation": 600,
             "step": "gauss-newton"},
    correction=CORRECTION | {"n_blocks": 0},
    states=("trained", "hot"),
)  # fmt: skip


def configuration(ansatz: str, size: Size, seed: int, density: float) -> dict:
    """What a user would write: the prior is a pair style, the target is one file.

    The rigid ansatz takes the density (atoms/Å³) from the file's header by itself; the network is
    told the cell that follows from it.
    """
    edge = (4 * CELLS**3 / density) ** (1 / 3)
    cell = {"lattice": [edge] * 3, "length_error": 0.01, "source": "density in argon.gr"}
    options = size.cevm if ansatz == "cevm" else size.network
    every = {"sample_every": 20, "evaluate_every": 20, "window": 20}
    target = {"pdf": "argon.gr", "r_range": list(argon.R_RANGE), "metric": "chi2"}
    return {
        "name": f"closed-loop-{ansatz}",
        "seed": seed,
        "workers": 1,
        "prior": {"lammps": "\n".join(WRONG.prior), "symbols": ["Ar"]},
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
            {"temperature": TRAINED.temperature, "pressure": TRAINED.pressure,
             "targets": [target] if ansatz == "cevm" else [target, cell]}
        ],
    }  # fmt: skip


def command(*words: str | Path) -> None:
    """Runs `ocvf-lmp`; what it prints goes to the screen."""
    subprocess.run([sys.executable, "-m", "ocvf_lmp", *map(str, words)], check=True)


def train(ansatz: str, size: Size, folder: Path, seed: int) -> tuple[argon.Model, float]:
    """A model that `ocvf-lmp train` and `ocvf-lmp export` have made, and its relative entropy."""
    config, run, model = (folder / f"{ansatz}{end}" for end in (".yaml", "", ".pt"))
    density = read_gr(folder / "argon.gr").density
    assert density is not None
    content = configuration(ansatz, size, seed, density)
    config.write_text(yaml.safe_dump(content, sort_keys=False))
    command("train", config, "--run", run)
    command("export", model, "--run", run, "--delta-only")
    (scores,) = json.loads((run / "evaluation.json").read_text())["after"].values()
    return argon.Model(ansatz, WRONG.prior, model), scores["relative_entropy"] / (4 * CELLS**3)


def repetition(size: Size, folder: Path, number: int) -> dict[str, Found]:
    """One experiment from its measurement to what the models give; kept in its folder."""
    torch.set_num_threads(1)
    own, seed = folder / f"{number}", 10 * number
    if not (own / "start.extxyz").is_file():
        own.mkdir(exist_ok=True)
        n_runs, n_steps, cells = size.measured
        seen = argon.sample(WORLD, TRAINED, n_runs, n_steps, every=100, cells=cells, seed=seed)
        argon.write_measurement(own / "argon.gr", TRAINED, seen, NOISE, seed)
        argon.melt(own, TRAINED, CELLS, seed, WRONG.prior)

    def sampled(model: argon.Model, entropy: float | None = None) -> Found:
        runs = {
            k: argon.sample(model, STATES[k], *size.models, cells=CELLS, seed=seed + 1)
            for k in size.states
        }
        return Found(runs, argon.static_energies(model), entropy)

    return {
        "again": _kept(own / "again.found", lambda: sampled(WORLD)),
        "prior": _kept(own / "prior.found", lambda: sampled(WRONG)),
    } | {
        ansatz: _kept(
            own / f"{ansatz}.found", lambda ansatz=ansatz: sampled(*train(ansatz, size, own, seed))
        )
        for ansatz in ANSATZES
    }


def _kept(path: Path, find: Callable[[], Found]) -> Found:
    """What is found, or what a run before has left in the folder."""
    if not path.is_file():
        torch.save(find(), path)
    return torch.load(path, weights_only=False)


def reference(size: Size) -> Found:
    """The truth."""
    runs = {
        k: argon.sample(WORLD, STATES[k], *size.truth, every=100, cells=CELLS) for k in size.states
    }
    return Found(runs, argon.static_energies(WORLD))


def run(size: Size, folder: Path, workers: int) -> None:
    """All repetitions, and the table."""
    truth = _kept(folder / "truth.pt", lambda: reference(size))
    with ProcessPoolExecutor(workers) as pool:
        numbers = range(1, size.repetitions + 1)
        found = list(pool.map(partial(repetition, size, folder), numbers))
    for model in found[0]:
        compare(model, [x[model] for x in found], truth)


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="once, two states, hardly trained")
    parser.add_argument("--folder", type=Path, help="keep everything there, and go on from it")
    parser.add_argument("--workers", type=int, default=1, help="repetitions at the same time")
    options = parser.parse_args()
    torch.set_num_threads(1)
    size = QUICK if options.quick else FULL
    if options.folder is not None:
        options.folder.mkdir(parents=True, exist_ok=True)
        run(size, options.folder.resolve(), options.workers)
        return
    with tempfile.TemporaryDirectory(prefix="closed-loop-") as name:
        run(size, Path(name), options.workers)


if __name__ == "__main__":
    main()
