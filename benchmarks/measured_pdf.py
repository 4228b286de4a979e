"""R_w of models against a measured PDF on 1.5 to 20 Å, sampled by LAMMPS in a wide cell.

    python benchmarks/measured_pdf.py MEASURED.gr MODEL.pt [MODEL.pt ...] [--quick]

Every model runs `inputs/in.bto_npt` at 300 K; scale and Q_damp are fitted, nothing else.
"""

import argparse
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import torch
from ase.io import read

from ocvf_lmp.fit.load_targets import load_pdf_target
from ocvf_lmp.lammps.run import find_lammps
from ocvf_lmp.observables.pdf import input_reach
from ocvf_lmp.observables.rdf import PartialGrid, average, number_density, partials
from ocvf_lmp.system.structure import from_ase

INPUT = Path(__file__).parents[1] / "inputs" / "in.bto_npt"
SYMBOLS = ("Ba", "Ti", "O")
R_RANGE = (1.5, 20.0)


def sample(model: Path, folder: Path, size: int, steps: int, seed: int) -> list[Any]:
    """Frames of the second half of an NPT run."""
    lammps = find_lammps()
    options = {"model": model.resolve(), "size": size, "steps": steps, "seed": seed,
               "timestep": 0.002, "dump": 25, "save": steps, "out": "run"}  # fmt: skip
    command = [str(lammps.lmp), "-in", str(INPUT), "-log", "none", "-screen", "none"]
    for name, value in options.items():
        command += ["-var", name, str(value)]
    subprocess.run(command, cwd=folder, check=True)
    frames: Any = read(folder / "run.lammpstrj", index=":", format="lammps-dump-text")
    return frames[len(frames) // 2 :]


def main() -> None:
    """Prints one R_w a model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("measured", type=Path)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--size", type=int, default=6)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="an unequilibrated look")
    options = parser.parse_args()
    steps = 100 if options.quick else options.steps
    target = load_pdf_target(
        options.measured, temperature=300.0, radiation="xray", r_range=R_RANGE, metric="r_w"
    )
    grid = PartialGrid(3, input_reach(R_RANGE[1], target.q_max) + 0.02)
    forward = target.model(grid, SYMBOLS, (0.2, 0.2, 0.6))
    for model in options.models:
        with tempfile.TemporaryDirectory() as folder:
            frames = sample(model, Path(folder), options.size, steps, options.seed)
            structures = [from_ase(atoms, SYMBOLS) for atoms in frames[::2]]
        found = [partials(s.positions, s.cell, s.species, grid) for s in structures]
        density = torch.stack([number_density(s.cell, s.n_atoms) for s in structures])
        g, rho = average(torch.stack(found), density)
        name = model.stem.replace("-", "_")
        print(f"RESULT measured_rw_{name} {target.r_w(forward, g, rho):.4f} 1")
        print(f"RESULT measured_density_{name} {float(rho):.5f} atoms/A3")
    print("# a free fit of an average P4mm structure reaches R_w 0.12 on the same range")


if __name__ == "__main__":
    main()
