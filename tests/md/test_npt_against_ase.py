"""The NPT step against an independent implementation, ASE's MTKNPT."""

import ase.units
import numpy as np
import pytest
import torch
from ase.md.nose_hoover_chain import MTKNPT, IsotropicMTKNPT
from md_toy import Toy, relative, solid

from ocvf_lmp.md.calculator import PotentialCalculator
from ocvf_lmp.md.npt import conserved_energy
from ocvf_lmp.md.parameters import NptParameters
from ocvf_lmp.md.rollout import rollout
from ocvf_lmp.system.structure import Structure
from ocvf_lmp.units import BAR, KB, MVV2E

TIME = MVV2E**-0.5  # ps in units of Å sqrt(amu/eV), with LAMMPS' constants


def with_ase(potential, species, state, params, n_steps):
    atoms = Structure(state.positions, state.cell, species, potential.symbols).to_ase()
    atoms.set_masses(state.masses.numpy())
    atoms.set_momenta(state.momenta.numpy() / TIME)
    atoms.calc = PotentialCalculator(potential)
    driver = IsotropicMTKNPT if params.mode == "isotropic" else MTKNPT
    run = driver(
        atoms,
        timestep=params.timestep * TIME,
        temperature_K=params.temperature * KB / ase.units.kB,
        pressure_au=params.pressure * BAR,
        tdamp=params.t_damp * TIME,
        pdamp=params.p_damp * TIME,
        tchain=params.chain,
        pchain=params.cell_chain,
        tloop=params.loops,
        ploop=params.loops,
    )
    run.run(n_steps)
    return atoms, run


@pytest.mark.parametrize(
    ("mode", "chain", "loops"), [("flexible", 3, 1), ("flexible", 1, 2), ("isotropic", 3, 1)]
)
def test_120_steps_agree_with_ase(mode, chain, loops):
    params = NptParameters(
        pressure=5000.0,
        t_damp=0.05,
        p_damp=0.2,
        mode=mode,
        counting="ase",
        chain=chain,
        cell_chain=chain,
        loops=loops,
    )
    potential = Toy()
    species, state = solid(params)
    ours = rollout(potential, species, state, params, 120)
    atoms, run = with_ase(potential, species, state, params, 120)
    found = ours.state
    assert relative(found.positions, torch.from_numpy(atoms.positions)) < 1e-10
    assert relative(found.momenta, torch.from_numpy(atoms.get_momenta() * TIME)) < 1e-9
    assert relative(found.cell, torch.from_numpy(np.array(atoms.cell))) < 1e-11
    conserved = float(conserved_energy(found, ours.mechanics.energy, params))
    assert conserved == pytest.approx(run.get_conserved_energy(), abs=1e-9)
    assert float((found.cell - state.cell).abs().max()) > 1e-3  # the cell did move
