"""Speed and memory on BaTiO3 in LAMMPS, against peers that are measured in the same run.

    python benchmarks/throughput.py [--quick] [--sizes 320 2560 20480] [--data FOLDER]
        [--peer-python PYTHON] [--deepmd-python PYTHON]

Ours is what a user runs: a model file written by `ocvf-lmp export`, `pair_style mliap unified
model.pt 0`, the stock `lmp`. *prior* is the shipped prior alone; *ours* is prior + one correction
of the shipped experiment's size, with random weights, since only its cost counts. Peers: the POD
potential in FOLDER/potentials (`pair_style pod` of the same `lmp`), CHGNet and a MACE of about our
prior's size (random weights) by their ASE calculators in the environment of --peer-python, and
DeePMD `se_e2_a` (random weights) in that of --deepmd-python. Who is absent is named and left out.

LAMMPS runs NVE from thermal displacements and momenta and is timed by its own clock, after a
warm-up; one thread a process. Each measurement is a process of its own; the sides take turns, in
several rounds, and figures are medians over rounds, ratios medians of the rounds' ratios. Figures
`_by_cpu_time` count the processor time of a rank instead of the clock's: other work on the machine
hardly changes them (two ranks that wait for each other do so busily, which counts). Memory is the
peak of the largest process, Python and libraries included.

RESULT ratio_ours_over_PEER is for 320 atoms, ours in float32 on one rank (all others are named with
size and precision): above 1, ours is faster. force_rmse_*: prior and POD in LAMMPS on the frames
that the prior's training has not seen; POD was fitted to 260 of the same 320 frames by another
split, so that it has seen most of them.
"""

import argparse
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from systems import ROOT, SYMBOLS, find_prior
from throughput_forces import force_errors, held_out
from throughput_models import Sample, export_models, make_sample
from throughput_report import Rounds, Table, head, results, row, taken
from throughput_sides import CannotMeasure, InLammps, Measured, Side, ThroughAse

from ocvf_lmp.lammps.run import Lammps, find_lammps
from ocvf_lmp.potential.weights import load_potential

POD = ("pod_bto_param.pod", "pod_bto_pbesol_vasp320_coefficients.pod")
PEERS = {"chgnet": ("f32",), "mace": ("f32", "f64"), "deepmd": ("f64",)}
QUICK = ("ours_f32", "pod_f64", "chgnet_f32", "prior_f32", "ours_f32_2ranks", "ours_f64")
FULL = (
    *("ours_f32", "pod_f64", "prior_f32", "ours_f64", "prior_f64"),
    *("ours_f32_2ranks", "pod_f64_2ranks", "ours_f64_2ranks"),
    *("chgnet_f32", "mace_f32", "mace_f64", "deepmd_f64"),
)
"""Turns are taken in this order: what is compared most comes close together."""
OURS = ("ours", "prior")
IN_MEMORY = 0.8
"""Part of the machine's free memory that a measurement may be expected to take."""


def ours(models: dict[str, Path], lammps: Lammps) -> list[InLammps]:
    """Prior + correction on one and two ranks, and the prior alone."""
    sides = []
    for name, ranks in (("ours", 1), ("ours", 2), ("prior", 1)):
        for precision in ("f32", "f64"):
            style = f"mliap unified {models[f'{name}_{precision}']} 0"
            sides.append(InLammps(name, precision, ranks, lammps, style))
    return sides


def pod(folder: Path, lammps: Lammps) -> list[InLammps]:
    """The POD potential on one and two ranks, where its files are."""
    files = [folder / "potentials" / name for name in POD]
    missing = [str(path) for path in files if not path.is_file()]
    if missing:
        print(f"no pod: expected {' and '.join(missing)}; give the folder by --data")
        return []
    text = f"{files[0].resolve()} {files[1].resolve()} {' '.join(SYMBOLS)}"
    return [InLammps("pod", "f64", ranks, lammps, "pod", text) for ranks in (1, 2)]


def peers(pythons: dict[str, Path]) -> list[Side]:
    """Those that can be imported where they are to run."""
    found: list[Side] = []
    for name, python in pythons.items():
        if has(python, name):
            found += [ThroughAse(name, precision, 1, python) for precision in PEERS[name]]
        else:
            option = "--deepmd-python" if name == "deepmd" else "--peer-python"
            print(f"no {name}: expected it in the environment of {python}; give one by {option}")
    return found


def has(python: Path, name: str) -> bool:
    """Whether a package can be found by a Python."""
    if python == Path(sys.executable):
        return find_spec(name) is not None
    code = f"import importlib.util as u, sys; sys.exit(u.find_spec('{name}') is None)"
    return python.is_file() and subprocess.run([python, "-c", code], check=False).returncode == 0


def expected_peak(table: Table, label: str, n_atoms: int) -> float:
    """Bytes that a process of a side will need, from smaller sizes; 0 if there are none."""
    known = [(n, taken(rounds)[0].peak) for (n, name), rounds in table.items()
             if name == label and n < n_atoms and taken(rounds)]  # fmt: skip
    if len(known) < 2:
        return known[0][1] * n_atoms / known[0][0] if known else 0.0
    (small, low), (large, high) = sorted(known)[-2:]
    return high + (high - low) * (n_atoms - large) / (large - small)


def free_memory() -> int:
    """Bytes."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))


def attempt(side: Side, sample: Sample, folder: Path, options: argparse.Namespace) -> Measured:
    """A measurement in a folder of its own."""
    place = folder / f"{sample.n_atoms}_{side.label}"
    place.mkdir(exist_ok=True)
    return side.measure(sample, place, options.seconds, options.limit)


def measure(
    sides: list[Side], samples: list[Sample], folder: Path, options: argparse.Namespace
) -> Table:
    """All rounds of all sizes; a peer that fails at a size is left out from there on."""
    table: Table = {}
    described: set[str] = set()
    failed: set[str] = set()
    head()
    for k, sample in enumerate(samples):
        for _ in range(options.rounds[min(k, len(options.rounds) - 1)]):
            for side in (side for side in sides if side.label not in failed):
                line: Rounds = table.setdefault((sample.n_atoms, side.label), [])
                needed = side.ranks * expected_peak(table, side.label, sample.n_atoms)
                try:
                    if needed > IN_MEMORY * free_memory():
                        raise CannotMeasure(f"would need about {needed / 1e9:.0f} GB")
                    found = attempt(side, sample, folder, options)
                except CannotMeasure as reason:
                    print(f"no {side.label} at {sample.n_atoms} atoms: {reason}", flush=True)
                    failed.add(side.label)
                    line.append(None)
                    continue
                line.append(found)
                if found.description and found.description not in described:
                    described.add(found.description)
                    print(f"# {found.description}")
                row(side, found)
    length = {n: max(len(r) for (m, _), r in table.items() if m == n) for n, _ in table}
    return {key: line + [None] * (length[key[0]] - len(line)) for key, line in table.items()}


def accuracy(sides: list[Side], data: Path, seed: int, folder: Path) -> None:
    """Force errors of prior and POD on the same frames."""
    frames = held_out(data / "dft", seed)
    if not frames:
        print(f"no force errors: expected the reference frames in {data / 'dft'}; see --data")
        return
    print(f"# force errors on {len(frames)} held-out frames, by LAMMPS")
    named = {"prior_f64": "ours", "pod_f64": "pod"}
    for side in sides:
        if isinstance(side, InLammps) and side.label in named:
            place = folder / f"forces_{side.label}"
            place.mkdir(exist_ok=True)
            for source, value in force_errors(side, frames, place).items():
                label = "" if source == "all" else f"_{source.split('_')[0]}"
                print(f"RESULT force_rmse_{named[side.label]}{label} {value:.2f} meV/A", flush=True)


def read_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--quick", action="store_true", help="320 atoms, one round, without MACE and DeePMD")
    add("--sizes", type=int, nargs="+", help="atoms (default: 320 2560 20480)")
    add("--rounds", type=int, nargs="+", help="of each size, the last for all others (3 3 1)")
    add("--seconds", type=float, help="timed, of each measurement (default: 10)")
    add("--limit", type=float, default=1500.0, help="s after which a measurement is given up")
    add("--only", nargs="+", help="sides, as in the table")
    add("--data", type=Path, default=ROOT.parent / "shared" / "data",
        help="folder with potentials/ (POD) and dft/ (reference frames)")  # fmt: skip
    add("--peer-python", type=Path, default=Path(sys.executable),
        help="Python with chgnet and mace-torch (default: this one)")  # fmt: skip
    add("--deepmd-python", type=Path, default=Path(sys.executable),
        help="Python with deepmd-kit[torch]")  # fmt: skip
    options = parser.parse_args()
    options.sizes = options.sizes or ([320] if options.quick else [320, 2560, 20480])
    options.rounds = options.rounds or ([1] if options.quick else [3, 3, 1])
    options.seconds = options.seconds or (4.0 if options.quick else 10.0)
    return options


def main() -> None:
    """Runs the benchmark."""
    options = read_options()
    prior = find_prior(None)
    if prior is None:
        sys.exit(f"expected the shipped prior in {ROOT / 'data' / 'prior'}, found none")
    general, own = options.peer_python.absolute(), options.deepmd_python.absolute()
    pythons = {"chgnet": general, "mace": general, "deepmd": own}
    print(f"# {len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}")
    with TemporaryDirectory() as name:
        folder = Path(name)
        lammps = find_lammps()
        sides: list[Side] = [*ours(export_models(prior, folder), lammps)]
        sides += [*pod(options.data, lammps), *peers(pythons)]
        chosen = options.only or (QUICK if options.quick else FULL)
        taking_turns = [side for label in chosen for side in sides if side.label == label]
        samples = [make_sample(n, folder) for n in sorted(options.sizes)]
        table = measure(taking_turns, samples, folder, options)
        accuracy(sides, options.data, load_potential(prior)[1]["seed"], folder)
    results(table)
    lost = [key for key, rounds in table.items() if key[1].startswith(OURS) and None in rounds]
    if lost:
        sys.exit(f"expected all measurements of ours, found some missing: {lost}; see above")


if __name__ == "__main__":
    main()
