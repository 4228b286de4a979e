"""A made-up training run: real observables and real writers around invented dynamics.

python tests/analysis/fake_run.py FOLDER      writes one to look at
"""

import math
import sys
from pathlib import Path

import numpy as np
import torch
import yaml

from ocvf_lmp.fit.evaluation import scores, write_curves
from ocvf_lmp.fit.logbook import Logbook
from ocvf_lmp.fit.objective import NamedTarget, Objective
from ocvf_lmp.fit.plan import StatePoint
from ocvf_lmp.fit.progress import WindowRecord
from ocvf_lmp.fit.sampling import N_BLOCKS, Measurement
from ocvf_lmp.fit.targets import PdfTarget
from ocvf_lmp.md.parameters import NptParameters
from ocvf_lmp.observables.lattice import lattice_parameters
from ocvf_lmp.potential.composite import Corrected
from ocvf_lmp.potential.repulsion import Repulsion
from ocvf_lmp.system.h5md import H5mdWriter
from ocvf_lmp.system.structure import perovskite

REPEAT = (2, 2, 2)
SYMBOLS = ("Ba", "Ti", "O")
GOALS = {100.0: (4.002, 4.002, 4.002, 89.85), 300.0: (3.992, 3.992, 4.036, 90.0)}
EPOCHS = 12
WINDOW = 60
STEP = 0.002  # ps


def frames(
    temperature: float, wrong: float, n: int, generator: torch.Generator
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Configurations of a harmonic crystal; `wrong` is the size of its bias."""
    a, b, c, angle = GOALS[temperature]
    lattice = (a, b, c + 0.06 * wrong)
    start = perovskite(SYMBOLS, REPEAT, lattice, (0.05, 0.05, 0.08 + 0.08 * wrong))
    width = 0.045 * math.sqrt(temperature / 100.0)
    tilt = math.radians(90.0 - angle)
    found = []
    for _ in range(n):
        strain = 0.002 * torch.randn(3, 3, generator=generator, dtype=torch.float64)
        shear = 0.5 * tilt * (1 - torch.eye(3, dtype=torch.float64))
        change = torch.eye(3, dtype=torch.float64) + 0.5 * (strain + strain.T) + shear
        noise = torch.randn(start.n_atoms, 3, generator=generator, dtype=torch.float64)
        found.append(((start.positions + width * noise) @ change, start.cell @ change))
    return found


def averages(objective: Objective, sample: list) -> dict[str, torch.Tensor]:
    seen = [objective.observe(positions, cell) for positions, cell in sample]
    return {name: torch.stack([s[name] for s in seen]).mean(dim=0) for name in seen[0]}


def pdf_target(temperature: float, radiation: str, synthetic: bool, seed: int) -> PdfTarget:
    """The PDF of the unbiased crystal with noise."""
    r = torch.arange(1.5, 8.0, 0.02, dtype=torch.float64)
    options = {
        "temperature": temperature, "pressure": 1.0, "r": r, "radiation": radiation,
        "q_max": 25.0, "q_damp": 0.02, "metric": "chi2", "synthetic": synthetic,
        "source": f"SYNTHETIC test data, {temperature:g} K" if synthetic else "made-up sample",
    }  # fmt: skip
    one = torch.ones_like(r)
    blank = PdfTarget(g=one, error=one, **options)
    structure = perovskite(SYMBOLS, REPEAT, (4.0, 4.0, 4.0))
    objective = Objective(structure, REPEAT, [NamedTarget("blank", blank)])
    generator = torch.Generator().manual_seed(seed)
    means = averages(objective, frames(temperature, 0.0, 40, generator))
    g = objective.simulated(means)["blank"]
    error = 0.03 * g.std() * torch.ones_like(r)
    noise = torch.randn(len(r), generator=generator, dtype=torch.float64)
    return PdfTarget(g=g + error * noise, error=error, **options)


def state_point(temperature: float, measured: bool) -> StatePoint:
    targets = [
        NamedTarget(f"neutron_{temperature:g}K", pdf_target(temperature, "neutron", True, 1)),
        NamedTarget(f"xray_{temperature:g}K", pdf_target(temperature, "xray", not measured, 2)),
    ]
    structure = perovskite(SYMBOLS, REPEAT, GOALS[temperature][:3])
    params = NptParameters(temperature=temperature, pressure=1.0, timestep=STEP)
    return StatePoint(f"{temperature:g}K", structure, REPEAT, params, targets)


def measurement(point: StatePoint, objective: Objective, wrong: float, seed: int) -> Measurement:
    generator = torch.Generator().manual_seed(seed)
    temperature = point.params.temperature
    sample = frames(temperature, wrong, 4 * N_BLOCKS, generator)
    blocks = [averages(objective, sample[4 * k : 4 * k + 4]) for k in range(N_BLOCKS)]
    means = {k: torch.stack([b[k] for b in blocks]).mean(dim=0) for k in blocks[0]}
    cells = torch.stack([lattice_parameters(cell, REPEAT) for _, cell in sample])
    noise = torch.randn(len(sample), generator=generator, dtype=torch.float64)
    times = STEP * 20.0 * torch.arange(1, len(sample) + 1, dtype=torch.float64)
    temperatures = temperature * (1 + 0.08 * noise)
    return Measurement(means, blocks, times, cells, temperatures, 0.01 * noise)


def write_trajectory(path: Path, point: StatePoint, seed: int) -> None:
    """Equilibration and measurement, a gap for the training, relaxation and measurement."""
    generator = torch.Generator().manual_seed(seed)
    rng = np.random.default_rng(seed)
    n, gap, temperature = 75, EPOCHS * WINDOW, point.params.temperature
    with H5mdWriter(path, point.structure) as writer:
        for wrong, first in ((1.0, 0), (0.3, 20 * n + gap)):
            for k, (positions, cell) in enumerate(frames(temperature, wrong, n, generator)):
                step = first + 20 * (k + 1)
                now = {
                    "temperature": temperature * (1 + 0.08 * rng.normal()),
                    "pressure": 4000 * rng.normal(),
                    "potential_energy": -330.0 + 0.3 * rng.normal(),
                }
                writer.append(step, step * STEP, positions, cell, now)


def records(point: StatePoint, epochs: int, seed: int) -> list[WindowRecord]:
    rng = np.random.default_rng(seed)
    found = []
    temperature = point.params.temperature
    a, b, c, angle = GOALS[temperature]
    for epoch in range(1, epochs + 1):
        wrong = math.exp(-epoch / 6)
        parts = {
            t.name: float(60 * (1 + k) * wrong**2 + 2 + 0.6 * rng.random())
            for k, t in enumerate(point.targets)
        }
        growth = float(rng.normal(12, 9))
        usable = 3.0 / growth if growth > 0 else 1e9
        updated = usable >= WINDOW * STEP
        lattice = [a, b, c + 0.06 * wrong, angle, angle, angle]
        noise = rng.normal(size=6) * [0.004, 0.004, 0.004, 0.05, 0.05, 0.05]
        lattice = (np.array(lattice) + noise).tolist()
        found.append(
            WindowRecord(
                epoch=epoch, state=point.name, target_temperature=temperature,
                loss=sum(parts.values()), parts=parts, grad_norm=float(900 * wrong + 90),
                growth_rate=growth, usable_ps=usable, window_ps=WINDOW * STEP, lattice=lattice,
                volume_fu=64.0, updated=updated, reason="" if updated else "too long",
                learning_rate=2e-3, grad_error=None, effective=None, seconds=1.0,
            )
        )  # fmt: skip
    return found


def write_lammps_log(path: Path, n: int = 120, finished: bool = True) -> None:
    rng = np.random.default_rng(7)
    head = "Step Temp PotEng v_atom_energy Press v_a v_b v_c CellAlpha CellBeta CellGamma Volume"
    rows = []
    for k in range(n):
        a, b, c = np.array([3.993, 3.992, 4.037]) + 0.003 * rng.normal(size=3)
        angles = 90 + 0.06 * rng.normal(size=3)
        columns = [
            50 * k, 300 + 9 * rng.normal(), -2650 + rng.normal(), -8.28, 900 * rng.normal(),
            a, b, c, *angles, 64 * a * b * c,
        ]  # fmt: skip
        rows.append(" ".join(f"{x:.6g}" for x in columns))
    lines = [
        "LAMMPS (22 Jul 2025 - Update 4)", "units metal", "Created 320 atoms",
        "timestep ${timestep}", "timestep 0.001", "run ${steps}", "   " + head,
        *rows[:5], "WARNING: a neighbour list was rebuilt (src/src/nothing.cpp:1)", *rows[5:],
    ]  # fmt: skip
    if finished:
        lines += [f"Loop time of 12.3 on 1 procs for {50 * n} steps", "Total wall time: 0:00:13"]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def configuration() -> dict:
    states = []
    for temperature, (a, b, c, angle) in GOALS.items():
        targets = [{"pdf": f"data/{r}_{temperature:g}K.gr"} for r in ("neutron", "xray")]
        lattice = {
            "lattice": [a, b, c], "angles": [angle] * 3, "length_error": 0.004,
            "angle_error": 0.02, "source": "made-up lattice",
        }  # fmt: skip
        states.append({"temperature": temperature, "pressure": 1.0, "targets": [*targets, lattice]})
    return {
        "name": "made-up", "seed": 1, "prior": "prior.pt",
        "sample": {"repeat": list(REPEAT), "symbols": list(SYMBOLS)},
        "training": {"epochs": EPOCHS, "window": WINDOW, "learning_rate": 0.002},
        "states": states,
    }  # fmt: skip


def write_run(
    folder: Path, *, finished: bool = True, log: bool = True, measured: bool = False
) -> Path:
    """A run folder.

    Args:
        folder: made.
        finished: False stops after half of the epochs.
        log: with a LAMMPS log.
        measured: the x-ray targets pass for measured ones.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(configuration(), sort_keys=False))
    logbook = Logbook(folder, {"ocvf_lmp": "0", "note": "made-up"}, shared=True)
    points = [state_point(t, measured) for t in GOALS]
    epochs = EPOCHS if finished else EPOCHS // 2
    table = [records(p, epochs, k) for k, p in enumerate(points)]
    for epoch in range(epochs):
        logbook.log([rows[epoch] for rows in table])
    for k, point in enumerate(points):
        objective = Objective(point.structure, REPEAT, point.targets)
        for stage, wrong in (("before", 1.0), ("after", 0.3)):
            if stage == "before" or finished:
                found = measurement(point, objective, wrong, 10 * k + int(10 * wrong))
                write_curves(folder, stage, point, objective, found)
                logbook.score(stage, point.name, scores(objective, found, point))
        write_trajectory(folder / f"trajectory_{point.name}.h5", point, k)
    if finished:
        outer = torch.full((3, 3), 1.2, dtype=torch.float64)
        core = Repulsion(SYMBOLS, outer)
        models = {p.name: Corrected(core, Repulsion(SYMBOLS, outer)) for p in points}
        logbook.write_potentials(models, None)
    if log:
        write_lammps_log(folder / "lammps" / "log.lammps")
    return folder


if __name__ == "__main__":
    torch.set_num_threads(1)
    write_run(Path(sys.argv[1]))
