import numpy as np
import pytest
from ase import Atoms
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from md_toy import Toy, solid

from ocvf_lmp.errors import InputError
from ocvf_lmp.md.calculator import PotentialCalculator
from ocvf_lmp.md.parameters import NptParameters
from ocvf_lmp.system.structure import Structure


def tilted_atoms():
    species, state = solid(NptParameters())
    atoms = Structure(state.positions, state.cell, species, Toy.symbols).to_ase()
    atoms.calc = PotentialCalculator(Toy())
    return atoms


def test_forces_and_stress_are_the_derivatives_of_the_energy():
    atoms = tilted_atoms()
    forces, stress = atoms.get_forces(), atoms.get_stress()
    some = [0, 7, 20]
    numerical = calculate_numerical_forces(atoms, 1e-4, iatoms=some)
    assert np.abs(numerical - forces[some]).max() < 1e-6 * np.abs(forces).max()
    assert np.abs(calculate_numerical_stress(atoms, 1e-5) - stress).max() < 1e-7


def test_the_result_does_not_depend_on_the_order_of_the_atoms_or_on_what_came_before():
    atoms = tilted_atoms()
    forces = atoms.get_forces()
    order = np.random.default_rng(0).permutation(len(atoms))
    shuffled = atoms[order]
    shuffled.calc = atoms.calc
    assert np.abs(shuffled.get_forces() - forces[order]).max() < 1e-12
    larger = atoms.repeat((1, 1, 2))
    larger.calc = atoms.calc
    assert larger.get_potential_energy() == pytest.approx(2 * atoms.get_potential_energy())


def test_a_species_that_the_potential_does_not_know_is_named():
    atoms = Atoms("AlAu", positions=[[0, 0, 0], [0, 0, 2.5]], cell=[5, 5, 5], pbc=True)
    atoms.calc = PotentialCalculator(Toy())
    with pytest.raises(InputError, match="Au"):
        atoms.get_potential_energy()
