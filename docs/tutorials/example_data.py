"""Makes the files that a user would bring: reference frames and a diffraction curve.

    python docs/tutorials/example_data.py FOLDER      about a minute

`my_reference.extxyz` holds 48 frames of 40 atoms of BaTiO3 with energies, forces and stresses; the
shipped prior plays the part of DFT. `my_sample.gr` holds the SYNTHETIC x-ray PDF at 300 K of
data/world under a header such as PDFgetX3 writes. Neither is a measurement.
"""

import sys
from pathlib import Path

import numpy as np
from ase import Atoms, units
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import thermalize_momenta

from ocvf_lmp.fit.gr_file import read_gr
from ocvf_lmp.md.calculator import PotentialCalculator
from ocvf_lmp.potential.weights import load_potential

ROOT = Path(__file__).resolve().parents[2]
PLACES = np.array(
    [[0.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, 0.5, 0.0], [0.5, 0.0, 0.5], [0.0, 0.5, 0.5]]
)


def reference_frames(seed: int = 1) -> list[Atoms]:
    """Frames of short runs at four temperatures, in cells of four sizes."""
    potential, _ = load_potential(ROOT / "data/prior/bto_pbesol.pt")
    calculator = PotentialCalculator(potential)  # pyright: ignore
    random, frames = np.random.default_rng(seed), []
    for temperature, lattice in ((150, 3.97), (300, 4.00), (450, 4.02), (600, 4.05)):
        cell = np.diag([lattice] * 3) + random.normal(scale=0.02, size=(3, 3))
        atoms = Atoms("BaTiO3", scaled_positions=PLACES, cell=cell, pbc=True).repeat((2, 2, 2))
        atoms.calc = calculator
        thermalize_momenta(atoms, temperature_K=2 * temperature, rng=random)
        dynamics = Langevin(
            atoms, 2.0 * units.fs, temperature_K=temperature, friction=0.02, fixcm=False, rng=random
        )
        for _ in range(12):
            dynamics.run(25)
            frame = atoms.copy()
            found = {k: atoms.calc.results[k] for k in ("energy", "forces", "stress")}
            frame.calc = SinglePointCalculator(frame, **found)
            frames.append(frame)
    return frames


def diffraction_curve() -> str:
    """The curve as two columns; what its header says is all that the file says."""
    data = read_gr(ROOT / "data/world/BaTiO3_SYNTHETIC_xray_300K.gr")
    header = ["[DEFAULT]", "", "synthetic = true", "mode = xray", "composition = Ba1 Ti1 O3"]
    header += [f"qmax = {data.q_max}", "rmax = 20.0", "", "#### start data", "#L r(Å)  G(Å^{-2})"]
    rows = [f"{r:.2f} {g:.6f}" for r, g in zip(data.r.tolist(), data.g.tolist(), strict=True)]
    return "\n".join(header + rows) + "\n"


def main(folder: Path) -> None:
    """Writes both files."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "my_sample.gr").write_text(diffraction_curve(), encoding="utf-8")
    frames = reference_frames()
    write(folder / "my_reference.extxyz", frames)
    print(f"wrote {folder}/my_sample.gr and {folder}/my_reference.extxyz ({len(frames)} frames)")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "my"))
