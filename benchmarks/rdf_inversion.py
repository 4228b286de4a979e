"""A pair potential from its g(r): time to the same loss, against chemtrain 0.2.0 (DiffTRe).

    python benchmarks/rdf_inversion.py [--quick] [--seeds N] [--peer PYTHON] [--neighbors KIND]

The toy is in `rdf_toy.py`: 108 atoms of an argon-like fluid at 120 K, a Lennard-Jones prior that is
too weak and too small, and a spline correction that trains until g(r) is that of the truth. Both
sides get the same start, target, time step, thermostat, length of trajectory, frames, threshold of
reweighting, optimiser (the one of chemtrain's examples) and one core; they run one after the other.
Ours samples by LAMMPS and takes the gradient by `stacked_gradient`; the peer does all in JAX.

The clock starts when a side's process is launched. It stops after the first update whose parameters
have a loss (mean squared deviation of g(r)) within the goal, as LAMMPS finds for either side in a
run of its own, which does not count. Processor time is printed too: on a busy machine it is what
the clock would show on an idle one.

RESULT time_ratio_chemtrain_over_ours: medians over seeds of wall time, all included;
time_ratio_without_compilation: the peer's tracing and compiling taken off.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rdf_toy import Toy, melt, radial, save_problem

HERE = Path(__file__).parent
NO_PEER = """no peer: expected a Python with chemtrain 0.2.0 in {place}, found none. To install it:
    python3.11 -m venv .venv-chemtrain
    .venv-chemtrain/bin/pip install -r benchmarks/rdf_inversion_peer.txt
or give another by --peer or by OCVF_CHEMTRAIN_PYTHON. Our own figures follow."""


@dataclass(frozen=True)
class Outcome:
    """How one side did.

    Attributes:
        updates: until the goal.
        loss: there, as LAMMPS finds.
        wall: s, from the launch of the process.
        processor: s, with that of child processes.
        compiling: s of the wall time that went into tracing and compiling.
        step: s of processor time an update took, in the mean over those after the first.
    """

    updates: int
    loss: float
    wall: float
    processor: float
    compiling: float
    step: float


def find_peer(given: Path | None) -> Path | None:
    """The Python that was asked for, or the one in the usual place, if it is there."""
    usual = HERE.parent / ".venv-chemtrain" / "bin" / "python"
    place = given or Path(os.environ.get("OCVF_CHEMTRAIN_PYTHON", usual))
    if place.is_file():
        return place.absolute()
    print(NO_PEER.format(place=place))
    return None


def launch(command: list[str], folder: Path, name: str) -> dict[str, np.ndarray]:
    """Runs one side on one core, and reads its history."""
    core = min(os.sched_getaffinity(0))
    single = {
        "OMP_NUM_THREADS": "1",
        "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    }
    result, log = folder / f"{name}.npz", folder / f"{name}.log"
    with log.open("w") as file:
        done = subprocess.run(
            [*command[:2], str(folder / "problem.npz"), str(result), str(time.monotonic()),
             *command[2:]],
            env=os.environ | single, stdout=file, stderr=subprocess.STDOUT, check=False,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )  # fmt: skip
    if done.returncode:
        sys.exit(f"{name} failed:\n{log.read_text()[-3000:]}")
    with np.load(result) as file:
        return dict(file)


def judge(
    toy: Toy, history: dict[str, np.ndarray], target: np.ndarray, folder: Path, steps: int
) -> Outcome | None:
    """Finds the first update within the goal, by LAMMPS; None if there is none."""
    tried: dict[int, float] = {}

    def loss(k: int) -> float:
        if k not in tried:
            g = radial(toy, folder, history["coefficients"][k], steps, 1000 + toy.seed)
            tried[k] = float(np.square(g - target).mean())
        return tried[k]

    n = len(history["time"])
    # the trainers' own losses, each of the parameters before an update, say where to look
    near = np.flatnonzero(history["loss"][1:] < 1.5 * toy.goal)
    k = int(near[0]) if len(near) else n - 1
    while k > 0 and loss(k) <= toy.goal:
        k -= 1
    while k < n - 1 and loss(k) > toy.goal:
        k += 1
    if loss(k) > toy.goal:
        return None
    processor = history["processor"]
    return Outcome(
        k + 1, loss(k), float(history["time"][k]), float(processor[k]),
        float(history["compiling"][k]), float((processor[-1] - processor[0]) / max(n - 1, 1)),
    )  # fmt: skip


def show(name: str, seed: int, found: Outcome | None) -> None:
    """One line of the table."""
    if found is None:
        print(f"{seed:4d} {name:10s} did not reach the goal", flush=True)
        return
    print(
        f"{seed:4d} {name:10s} {found.updates:7d} {found.loss:9.2e} {found.wall:9.1f}"
        f" {found.processor:9.1f} {found.compiling:9.1f} {found.step:9.2f}",
        flush=True,
    )


def prepare(toy: Toy, folder: Path, target: np.ndarray | None, steps: int) -> np.ndarray:
    """Melts the start of both sides, and samples the truth if that is still to be done."""
    positions = melt(toy, folder)
    np.save(folder / "start.npy", positions)
    if target is None:
        target = radial(toy, folder, None, 5 * steps, 999)
    before = float(np.square(radial(toy, folder, np.zeros(0), steps, 998) - target).mean())
    print(f"seed {toy.seed}: loss of the prior {before:.2e}, goal {toy.goal:.1e}", flush=True)
    save_problem(folder / "problem.npz", toy, positions, target)
    return target


def ratios(ours: list[Outcome], peers: list[Outcome]) -> None:
    """Prints the figures."""

    def median(name: str, side: list[Outcome]) -> float:
        return float(np.median([getattr(found, name) for found in side]))

    figures = [
        ("ours_seconds", f"{median('wall', ours):.1f} s"),
        ("ours_processor_seconds", f"{median('processor', ours):.1f} s"),
        ("ours_loss", f"{median('loss', ours):.2e} 1"),
        ("ours_updates", f"{median('updates', ours):.0f} 1"),
    ]
    if peers:
        bare = float(np.median([found.wall - found.compiling for found in peers]))
        of = {
            name: median(name, peers) / median(name, ours) for name in ("wall", "processor", "step")
        }
        figures += [
            ("chemtrain_seconds", f"{median('wall', peers):.1f} s"),
            ("chemtrain_processor_seconds", f"{median('processor', peers):.1f} s"),
            ("chemtrain_loss", f"{median('loss', peers):.2e} 1"),
            ("chemtrain_updates", f"{median('updates', peers):.0f} 1"),
            ("update_ratio_chemtrain_over_ours", f"{of['step']:.2f} 1"),
            ("processor_ratio_chemtrain_over_ours", f"{of['processor']:.2f} 1"),
            ("time_ratio_without_compilation", f"{bare / median('wall', ours):.2f} 1"),
            ("time_ratio_chemtrain_over_ours", f"{of['wall']:.2f} 1"),
        ]
    for name, value in figures:
        print(f"RESULT {name} {value}")


def main() -> None:
    """Runs the race."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="one seed, shorter runs, twice the goal"
    )
    parser.add_argument("--seeds", type=int, help="default: 3, or 1 with --quick")
    parser.add_argument("--peer", type=Path, help="Python of the peer's environment")
    parser.add_argument("--neighbors", choices=("all", "listed"), default="all",
                        help="the peer's neighbour list (see rdf_inversion_peer.py)")  # fmt: skip
    options = parser.parse_args()
    toy, steps = Toy(), 20000
    if options.quick:
        toy, steps = replace(toy, steps=1600, equilibration=400, goal=2 * toy.goal), 10000
    peer = find_peer(options.peer)
    sides: dict[str, list[Any]] = {"ours": [], "chemtrain": []}
    commands = {"ours": [sys.executable, str(HERE / "rdf_inversion_ours.py")]}
    if peer is not None:
        commands["chemtrain"] = [
            str(peer), str(HERE / "rdf_inversion_peer.py"), options.neighbors,
        ]  # fmt: skip
    target = None
    for seed in range(1, (options.seeds or (1 if options.quick else 3)) + 1):
        mine = replace(toy, seed=seed)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            target = prepare(mine, folder, target, steps)
            print("seed side       updates      loss    wall s     cpu s compile s cpu s/update")
            for side, command in commands.items():
                found = judge(mine, launch(command, folder, side), target, folder, steps)
                show(side, seed, found)
                if found is not None:
                    sides[side].append(found)
    if not sides["ours"]:
        sys.exit("expected our training to reach the goal, found that it never did")
    ratios(sides["ours"], sides["chemtrain"])


if __name__ == "__main__":
    main()
