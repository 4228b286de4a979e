"""Local polarization against analytic cases, and independence of what must not matter."""

import numpy as np
import pytest

from ocvf_lmp.errors import InputError
from ocvf_lmp.observables.born_charges import read_born_charges
from ocvf_lmp.observables.cages import CHAIN, find_cages
from ocvf_lmp.observables.polarization import crystal_axes, local_polarization
from ocvf_lmp.system.structure import perovskite
from ocvf_lmp.units import E_PER_A2_TO_C_PER_M2

SYMBOLS = ("Ba", "Ti", "O")
LATTICE = (3.99, 4.00, 4.03)
SIZES = [(2, 2, 2), (1, 1, 1), (3, 2, 4)]


@pytest.fixture
def charges(root):
    return read_born_charges(root / "data" / "bto" / "born_charges.yaml", "cubic_wu_cohen")


class Crystal:
    """Frames of displaced atoms in shuffled order, in a sheared cell."""

    def __init__(self, repeat, seed=3, frames=4, size=0.15, shear=0.02):
        random = np.random.default_rng(seed)
        cubic = perovskite(SYMBOLS, repeat, LATTICE)
        self.order = random.permutation(cubic.n_atoms)
        self.species = cubic.species.numpy()[self.order]
        ideal = cubic.cell.numpy()
        self.reference = (cubic.positions.numpy() @ np.linalg.inv(ideal))[self.order]
        strain = np.eye(3) + shear * np.tril(random.normal(size=(frames, 3, 3)))
        self.cells = ideal @ strain
        self.moves = random.uniform(-size, size, size=(frames, cubic.n_atoms, 3))
        self.repeat = repeat
        self.cages = find_cages(self.reference, self.species, SYMBOLS, repeat)

    @property
    def positions(self):
        return self.reference @ self.cells + self.moves

    def polarization(self, charges, positions=None):
        positions = self.positions if positions is None else positions
        return local_polarization(self.cages, charges, positions, self.cells)


@pytest.mark.parametrize("repeat", SIZES)
def test_a_rigid_shift_of_titanium_gives_its_charge_times_the_shift(charges, repeat):
    crystal = Crystal(repeat, size=0.0, shear=0.0)
    shift = np.array([0.05, -0.11, 0.17])
    crystal.moves[:, crystal.species == 1] += shift
    neutral = charges.cations["Ti"] - charges.residue / 5
    expected = E_PER_A2_TO_C_PER_M2 * neutral * shift / np.prod(LATTICE)
    found = crystal.polarization(charges)
    np.testing.assert_allclose(found.values, np.broadcast_to(expected, found.values.shape), 1e-10)
    np.testing.assert_allclose(found.farthest, 0.17 / LATTICE[2], rtol=1e-10)


@pytest.mark.parametrize("repeat", SIZES)
def test_the_mean_over_cells_is_the_dipole_of_all_atoms(charges, repeat):
    crystal = Crystal(repeat, shear=0.0)
    chain = np.full(len(crystal.species), -1)
    for k in range(6):
        chain[crystal.cages.neighbour[:, k]] = CHAIN[k]
    table = np.full((len(chain), 3), charges.perpendicular)
    for axis in range(3):
        table[chain == axis, axis] = charges.parallel
    for k, symbol in enumerate(("Ba", "Ti")):
        table[crystal.species == k] = charges.cations[symbol]
    table -= charges.residue / 5
    volume = np.linalg.det(crystal.cells)[:, None]
    dipole = E_PER_A2_TO_C_PER_M2 * (table * crystal.moves).sum(axis=1) / volume
    np.testing.assert_allclose(crystal.polarization(charges).total, dipole, rtol=1e-10)


@pytest.mark.parametrize("repeat", SIZES)
def test_wrapping_and_drift_do_not_matter(charges, repeat):
    crystal = Crystal(repeat)
    random = np.random.default_rng(5)
    drift = random.normal(scale=40.0, size=(4, 1, 3))
    images = random.integers(-2, 3, size=crystal.moves.shape).astype(float)
    moved = crystal.positions + drift + images @ crystal.cells
    before, after = crystal.polarization(charges), crystal.polarization(charges, moved)
    np.testing.assert_allclose(after.values, before.values, atol=1e-10)
    np.testing.assert_allclose(after.farthest, before.farthest, atol=1e-10)


def test_the_orientation_of_the_cell_does_not_matter(charges):
    crystal = Crystal((2, 2, 2))
    rotation, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))
    rotation *= np.sign(np.linalg.det(rotation))
    turned = local_polarization(
        crystal.cages, charges, crystal.positions @ rotation, crystal.cells @ rotation
    )
    np.testing.assert_allclose(turned.values, crystal.polarization(charges).values, atol=1e-10)


def test_crystal_axes_keep_the_metric_and_are_symmetric():
    cells = Crystal((2, 2, 2)).cells
    turned = crystal_axes(cells)
    np.testing.assert_allclose(turned, np.swapaxes(turned, 1, 2), atol=1e-12)
    metric = cells @ np.swapaxes(cells, 1, 2)
    np.testing.assert_allclose(turned @ np.swapaxes(turned, 1, 2), metric, rtol=1e-10)


def test_tetragonal_batio3_has_the_literature_polarization(charges):
    """Shirane's P4mm structure; 0.26 C/m² are measured, cubic charges give 10 to 25 % more."""
    sites = [[0, 0, 0], [0.5, 0.5, 0.515], [0.5, 0.5, -0.023], [0.5, 0, 0.486], [0, 0.5, 0.486]]
    ideal = np.array([[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
    cages = find_cages(ideal, np.array([0, 1, 2, 2, 2]), SYMBOLS, (1, 1, 1))
    cell = np.diag([3.986, 3.986, 4.026])
    found = local_polarization(cages, charges, (np.array(sites) @ cell)[None], cell[None]).total[0]
    np.testing.assert_allclose(found[:2], 0.0, atol=1e-12)
    assert 0.26 < found[2] < 0.26 * 1.25


def test_the_displaced_start_of_a_run_serves_as_reference():
    crystal = Crystal((3, 2, 4))
    random = np.random.default_rng(1).uniform(-0.06, 0.06, size=crystal.reference.shape)
    again = find_cages(
        crystal.reference + random / np.array(crystal.repeat) - 0.001,
        crystal.species, SYMBOLS, crystal.repeat,
    )  # fmt: skip
    np.testing.assert_array_equal(again.neighbour, crystal.cages.neighbour)
    assert again.symbols == ("Ba", "Ti", "O")


def test_the_order_of_species_does_not_matter():
    crystal = Crystal((2, 2, 2))
    names = ("O", "Ti", "Ba")
    species = np.array([2, 1, 0])[crystal.species]
    assert find_cages(crystal.reference, species, names, (2, 2, 2)).symbols == SYMBOLS


def test_what_is_no_perovskite_is_refused(charges):
    crystal = Crystal((2, 2, 2))
    with pytest.raises(InputError, match="repeat"):
        find_cages(crystal.reference, crystal.species, SYMBOLS, (2, 2, 3))
    with pytest.raises(InputError, match="near the sites"):
        find_cages(crystal.reference**2, crystal.species, SYMBOLS, (2, 2, 2))
    strange = find_cages(crystal.reference, crystal.species, ("Sr", "Ti", "O"), (2, 2, 2))
    with pytest.raises(InputError, match="give a set for these atoms"):
        local_polarization(strange, charges, crystal.positions, crystal.cells)


def test_sets_of_charges_are_chosen_by_name_and_say_their_source(root):
    path = root / "data" / "bto" / "born_charges.yaml"
    assert read_born_charges(path, "cubic_lda").cations["Ti"] == 7.25
    assert "Wu-Cohen" in read_born_charges(path, "cubic_wu_cohen").source
    with pytest.raises(InputError, match="cubic_b1wc"):
        read_born_charges(path, "gold")
