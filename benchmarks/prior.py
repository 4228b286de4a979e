"""Errors and phase energies of the BaTiO3 prior, recomputed from its weights.

    python benchmarks/prior.py --data FOLDER [--potential FILE] [--quick]

FOLDER holds the reference frames (extxyz); without it only the phases are computed. The held-out
frames are those of the training's own split (same seed), which the weights have never seen.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS
from scipy.optimize import minimize_scalar

from ocvf_lmp.fit.frames import Frame, read_frames, split_frames
from ocvf_lmp.fit.matching import errors
from ocvf_lmp.md.calculator import PotentialCalculator
from ocvf_lmp.potential.weights import load_potential
from ocvf_lmp.system.structure import perovskite

DEFAULT = Path(__file__).parents[1] / "data" / "prior" / "bto_pbesol.pt"
FILES = ("unipero_BaTiO3_PBEsol_train.extxyz", "alamode_BaTiO3_PBEsol_80.extxyz")
PHASES = {"T": (0.0, 0.0, 0.1), "O": (0.0, 0.07, 0.07), "R": (0.06, 0.06, 0.06)}


def held_out(folder: Path, potential: Any, zeros_of: dict[str, Any], seed: int) -> None:
    """Prints the errors on the frames that were held out."""
    present = [folder / name for name in FILES if (folder / name).is_file()]
    if not present:
        print(f"no reference frames in {folder}: errors skipped")
        return
    frames = split_frames(read_frames(present, potential.symbols, potential.cutoff), seed)[2]
    references = zeros(frames, zeros_of, len(potential.symbols))
    for name, chosen in groups(frames).items():
        found = errors(potential, chosen, references)
        label = "" if name == "all" else f"_{name.split('_')[0]}"
        print(f"RESULT prior_energy_rmse{label}_mev_atom {found.energy:.4f} meV/atom")
        print(f"RESULT prior_force_rmse{label}_mev_A {found.forces:.3f} meV/A")
        print(f"RESULT prior_stress_rmse{label}_gpa {found.stress:.4f} GPa")
    print(f"# {len(frames)} held-out frames")


def groups(frames: list[Frame]) -> dict[str, list[Frame]]:
    """All frames, and those of each source."""
    found = {"all": frames}
    for frame in frames:
        found.setdefault(frame.source, []).append(frame)
    return found


def zeros(frames: list[Frame], shifts: dict[str, Any], n_species: int) -> dict[str, torch.Tensor]:
    """Energy zero of each source relative to the potential's, as stored with the weights."""
    none = [0.0] * n_species
    return {f.source: torch.tensor(shifts.get(f.source, none), dtype=torch.float64) for f in frames}


def phases(potential: Any, tolerance: float) -> None:
    """Prints a0 of the cubic cell and the energies of the relaxed phases below it."""
    calculator = PotentialCalculator(potential)

    def cubic(a: float) -> float:
        atoms = perovskite(potential.symbols, (1, 1, 1), (a, a, a)).to_ase()
        atoms.calc = calculator
        return atoms.get_potential_energy()

    best: Any = minimize_scalar(cubic, bounds=(3.9, 4.1), method="bounded", options={"xatol": 1e-5})
    print(f"RESULT prior_a0_A {best.x:.5f} A")
    for name, shift in PHASES.items():
        atoms = perovskite(potential.symbols, (1, 1, 1), (best.x,) * 3, shift).to_ase()
        atoms.positions[2:] -= 0.5 * np.array(shift)
        atoms.calc = calculator
        moving: Any = FrechetCellFilter(atoms)
        BFGS(moving, logfile=None).run(fmax=tolerance, steps=300)
        depth = 1e3 * (atoms.get_potential_energy() - best.fun)
        print(f"RESULT prior_dE_{name}_mev_fu {depth:.3f} meV")
        lengths = " ".join(f"{x:.4f}" for x in atoms.cell.lengths())
        angles = " ".join(f"{x:.3f}" for x in atoms.cell.angles())
        print(f"# {name}: a b c = {lengths} A, angles {angles}")


def main() -> None:
    """Prints all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of the reference frames")
    parser.add_argument("--potential", type=Path, default=DEFAULT)
    parser.add_argument("--quick", action="store_true", help="looser relaxations")
    options = parser.parse_args()
    torch.set_num_threads(1)
    potential, provenance = load_potential(options.potential)
    if options.data:
        shifts = provenance.get("energy_zeros", {})
        held_out(options.data, potential, shifts, provenance["seed"])
    phases(potential, 5e-3 if options.quick else 1e-4)


if __name__ == "__main__":
    main()
