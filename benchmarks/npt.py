"""The NPT twin: drift of its conserved quantity, and agreement with ASE's MTKNPT.

    python benchmarks/npt.py [--quick] [--prior FILE]

Prints RESULT npt_drift_ev_per_atom_ps (BaTiO3, 40 atoms, 300 K, 1 fs, after equilibration; slope of
a straight line) and npt_vs_ase_rel (largest relative deviation of positions, momenta and cell after
100 steps).
"""

import argparse
from pathlib import Path

import ase.units
import numpy as np
import torch
from ase.md.nose_hoover_chain import MTKNPT
from systems import build, find_prior

from ocvf_lmp.md.calculator import PotentialCalculator
from ocvf_lmp.md.npt import conserved_energy
from ocvf_lmp.md.parameters import NptParameters
from ocvf_lmp.md.rollout import rollout
from ocvf_lmp.md.state import NptState
from ocvf_lmp.system.structure import Structure
from ocvf_lmp.units import BAR, KB, MVV2E

TIME = MVV2E**-0.5
"""1 ps in ASE's unit of time, by LAMMPS' constants."""


def drift(prior: Path | None, equilibration: int, n_steps: int) -> None:
    """Prints the drift of the conserved quantity."""
    params = NptParameters(temperature=300.0, pressure=1.0)
    potential, species, state = build(prior, 2, params)
    state = rollout(potential, species, state, params, equilibration).state  # pyright: ignore
    values: list[float] = []

    def watch(_: int, now: NptState, mechanics) -> None:  # noqa: ANN001
        values.append(float(conserved_energy(now, mechanics.energy, params)))

    end = rollout(potential, species, state, params, n_steps, watch)  # pyright: ignore
    time = np.arange(len(values)) * params.timestep
    slope = np.polyfit(time, np.array(values) / state.n_atoms, 1)[0]
    spread = np.std(values) / state.n_atoms
    print(f"{end.thermo}; spread of the conserved quantity {spread:.2e} eV/atom")
    print(f"RESULT npt_drift_ev_per_atom_ps {abs(slope):.3e} eV/atom/ps")


def against_ase(prior: Path | None, n_steps: int) -> None:
    """Prints the deviation from ASE."""
    params = NptParameters(temperature=300.0, pressure=1.0, p_damp=0.5, counting="ase")
    potential, species, state = build(prior, 2, params)
    state = NptState(**{**state.as_dict(), "cell_momentum": torch.zeros(3, 3).double()})
    found = rollout(potential, species, state, params, n_steps).state  # pyright: ignore
    symbols = potential.symbols
    atoms = Structure(state.positions, state.cell, species, symbols).to_ase()  # pyright: ignore
    atoms.set_masses(state.masses.tolist())  # pyright: ignore
    atoms.set_momenta(state.momenta.numpy() / TIME)
    atoms.calc = PotentialCalculator(potential)  # pyright: ignore
    MTKNPT(
        atoms,
        timestep=params.timestep * TIME,
        temperature_K=params.temperature * KB / ase.units.kB,
        pressure_au=params.pressure * BAR,
        tdamp=params.t_damp * TIME,
        pdamp=params.p_damp * TIME,
    ).run(n_steps)
    pairs = (
        (found.positions, atoms.positions),
        (found.momenta, atoms.get_momenta() * TIME),
        (found.cell, np.array(atoms.cell)),
    )
    largest = max(float(np.abs(a.numpy() - b).max() / np.abs(b).max()) for a, b in pairs)
    print(f"RESULT npt_vs_ase_rel {largest:.3e} 1")


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # pyright: ignore
    parser.add_argument("--quick", action="store_true", help="1.5 ps instead of 10 ps")
    parser.add_argument("--prior", type=Path, help="file of the prior (default: the shipped one)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    prior = find_prior(options.prior)
    print(f"potential: {prior or 'the toy of the tests (no prior found)'}", flush=True)
    against_ase(prior, 100)
    drift(prior, *((300, 1500) if options.quick else (2000, 10000)))


if __name__ == "__main__":
    main()
