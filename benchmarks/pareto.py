"""Accuracy of priors against their speed: networks of several sizes, trained alike.

    python benchmarks/pareto.py --data FOLDER [--folder FOLDER] [--epochs N] [--quick]

FOLDER (--data) holds the reference frames of the shipped prior, and its POD potential if there is
one. Every size is trained from the same seed on the same frames for the same number of epochs, in
single precision, and judged on the frames that were held out; LAMMPS then runs it in single
precision on 320 atoms, one core. --folder keeps all, and an interrupted run goes on.

RESULT force_rmse_SIZE (meV/Å), energy_rmse_SIZE (meV an atom), atomsteps_SIZE (by processor time,
1/s); SIZE: features x angular features, highest order l, blocks b, cutoff. POD stands beside them,
where its files are: its own fit has seen most of the held-out frames.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import torch
from prior import FILES
from systems import SYMBOLS
from throughput import pod
from throughput_forces import force_errors, held_out
from throughput_models import make_sample
from throughput_sides import CannotMeasure, InLammps

from ocvf_lmp.fit.frames import (
    Frame,
    read_frames,
    reference_energies,
    shortest_distances,
    split_frames,
)
from ocvf_lmp.fit.matching import Tolerances, errors
from ocvf_lmp.fit.pretrain import EpochRecord, Pretrainer, Schedule
from ocvf_lmp.lammps.model_file import export_model
from ocvf_lmp.lammps.run import Lammps, find_lammps
from ocvf_lmp.potential.blocks import DimeNetSize
from ocvf_lmp.potential.composite import Sum
from ocvf_lmp.potential.dimenet import DimeNet
from ocvf_lmp.potential.repulsion import Repulsion
from ocvf_lmp.seeding import stream

SIZES = (
    DimeNetSize(n_features=32, n_angular=16, l_max=3),  # the shipped prior's
    DimeNetSize(n_features=16, n_angular=8, l_max=2),
    DimeNetSize(n_features=16, n_angular=16, l_max=3),
    DimeNetSize(n_features=48, n_angular=16, l_max=4),
    DimeNetSize(n_features=32, n_angular=16, l_max=3, n_blocks=0),
)
SEED, SECONDS, LIMIT = 1, 4.0, 300.0

Parts = tuple[list[Frame], list[Frame], list[Frame]]


def label(size: DimeNetSize) -> str:
    """A name for figures."""
    return f"{size.n_features}x{size.n_angular}_l{size.l_max}_b{size.n_blocks}_{size.cutoff:g}A"


def train(size: DimeNetSize, parts: Parts, epochs: int, folder: Path) -> tuple[Sum, float, float]:
    """A prior, and its force (meV/Å) and energy errors (meV an atom) on the held-out frames."""
    trainer = Pretrainer(
        DimeNet(SYMBOLS, size, stream(SEED, "weights")), parts[0], parts[1],
        reference_energies(parts[0], len(SYMBOLS)),
        Schedule(epochs=epochs, batch_size=4, learning_rate=5e-3, seed=SEED, dtype=torch.float32),
        Tolerances(), folder / f"{label(size)}.pt",
    )  # fmt: skip

    def tell(record: EpochRecord) -> None:
        if record.epoch % 10 == 0:
            v = record.validation
            print(f"# {label(size)} epoch {record.epoch}: {v.forces:.1f} meV/Å", flush=True)

    network = trainer.fit(tell)
    found = errors(network, parts[2], trainer.fitted_references)
    closest = shortest_distances(parts[0], len(SYMBOLS)).clamp(max=size.cutoff)
    return Sum([network, Repulsion(SYMBOLS, closest)]), found.forces, found.energy


def speed(side: InLammps, folder: Path) -> float:
    """Atom-steps a second of processor time."""
    place = folder / side.name
    place.mkdir(exist_ok=True)
    found = side.measure(make_sample(320, folder), place, SECONDS, LIMIT)
    return found.steps * found.atoms / found.processor


def run(data: Path, sizes: tuple[DimeNetSize, ...], epochs: int, folder: Path) -> None:
    """All sizes, and POD."""
    paths = [data / "dft" / name for name in FILES]
    if not all(path.is_file() for path in paths):
        print(f"no reference frames in {data / 'dft'}: nothing to train on")
        return
    lammps: Lammps = find_lammps()
    for side in pod(data, lammps)[:1]:
        found = force_errors(side, held_out(data / "dft", SEED), folder)["all"]
        print(f"RESULT force_rmse_pod {found:.2f} meV/A")
        print(f"RESULT atomsteps_pod {speed(side, folder):.0f} 1/s", flush=True)
    frames = read_frames(paths, SYMBOLS, max(size.cutoff for size in sizes))
    parts = split_frames(frames, SEED)
    for size in sizes:
        potential, forces, energy = train(size, parts, epochs, folder)
        model = folder / f"{label(size)}_model.pt"
        export_model(model, potential, precision="float32")
        style = f"mliap unified {model} 0"
        side = InLammps(label(size), "f32", 1, lammps, style)
        print(f"RESULT force_rmse_{label(size)} {forces:.2f} meV/A")
        print(f"RESULT energy_rmse_{label(size)} {energy:.3f} meV")
        try:
            print(f"RESULT atomsteps_{label(size)} {speed(side, folder):.0f} 1/s", flush=True)
        except CannotMeasure as reason:
            print(f"no speed of {label(size)}: {reason}", file=sys.stderr)


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="see above")
    parser.add_argument("--folder", type=Path, help="keep everything there, and go on from it")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--quick", action="store_true", help="two sizes, three epochs")
    options = parser.parse_args()
    torch.set_num_threads(1)
    sizes, epochs = (SIZES[1:3], 3) if options.quick else (SIZES, options.epochs)
    if options.folder is not None:
        options.folder.mkdir(parents=True, exist_ok=True)
        run(options.data, sizes, epochs, options.folder.resolve())
        return
    with tempfile.TemporaryDirectory(prefix="pareto-") as name:
        run(options.data, sizes, epochs, Path(name))


if __name__ == "__main__":
    main()
