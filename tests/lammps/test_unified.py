import logging

import numpy as np
import pytest
import torch
from bto_models import SYMBOLS, Exchanging, Listed, corrected, network

from ocvf_lmp.errors import InputError, SimulationError
from ocvf_lmp.lammps.cells import distorted_cell
from ocvf_lmp.lammps.parity import in_python

CELL = distorted_cell(SYMBOLS, (2, 1, 1), 5)
CUTOFF, SKIN = 4.5, 1.0


def listed_with_ghosts(n_hops, ghost_cutoff=None):
    wide = ghost_cutoff or n_hops * CUTOFF + SKIN
    return Listed(CELL, CUTOFF, wide, ghost_centers=True)


def assert_right(data, potential, tolerance=1e-12):
    expected = in_python(potential, CELL)
    assert data.energy == pytest.approx(float(expected.energy[0]), rel=tolerance)
    np.testing.assert_allclose(data.eatoms, expected.atom_energies, rtol=0, atol=tolerance)
    np.testing.assert_allclose(data.forces, expected.forces, rtol=0, atol=20 * tolerance)


@pytest.mark.parametrize("n_blocks", [0, 1, 2])
def test_exchanged_ghosts_give_the_energies_and_forces_of_the_periodic_cell(model_of, n_blocks):
    potential = corrected(n_blocks)
    data = Exchanging(CELL, CUTOFF)
    model_of(potential).compute_forces(data)
    assert_right(data, potential)


@pytest.mark.parametrize("n_blocks", [0, 1, 2])
def test_ghosts_as_centres_give_the_energies_and_forces_of_the_periodic_cell(model_of, n_blocks):
    potential = corrected(n_blocks)
    data = listed_with_ghosts(n_blocks + 1)
    model_of(potential).compute_forces(data)
    assert_right(data, potential)


def test_ghosts_as_centres_do_no_harm_where_rows_are_exchanged(model_of):
    data = Exchanging(CELL, CUTOFF, 2 * CUTOFF + SKIN, ghost_centers=True)
    model_of(corrected()).compute_forces(data)
    assert_right(data, corrected())


def test_kokkos_on_cpu_is_never_asked_for_more_than_three_columns(model_of):
    data = Exchanging(CELL, CUTOFF)
    model_of(corrected()).compute_forces(data)
    assert data.widths
    assert max(abs(width) for width in data.widths) <= 3


def test_a_rank_without_atoms_exchanges_as_often_as_the_others(model_of):
    model = model_of(corrected(n_blocks=2))
    busy, idle = Exchanging(CELL, CUTOFF), Exchanging(CELL, CUTOFF)
    idle.nlocal = idle.nlistatoms = idle.npairs = 0
    idle.rij = idle.pair_i = idle.pair_j = None  # what some hosts offer
    idle.owner = torch.arange(idle.ntotal)  # ghosts it has, of other ranks
    model.compute_forces(busy)
    model.compute_forces(idle)
    assert idle.widths == busy.widths
    assert idle.energy == 0.0
    empty = Listed(CELL, CUTOFF)
    empty.nlocal = empty.nlistatoms = empty.npairs = empty.ntotal = 0
    model.compute_forces(empty)
    assert empty.energy == 0.0


@pytest.mark.parametrize("kind", [Exchanging, Listed])
def test_atoms_that_are_not_the_models_feel_and_give_nothing(model_of, kind):
    """Oxygen is NULL: what is left is the crystal of barium and titanium."""
    potential = corrected()
    kept = CELL.species < 2
    metal = type(CELL)(CELL.positions[kept], CELL.cell, CELL.species[kept], SYMBOLS)
    expected = in_python(potential, metal)
    wide = {"ghost_cutoff": 2 * CUTOFF + SKIN, "ghost_centers": True} if kind is Listed else {}
    data = kind(CELL, CUTOFF, **wide)
    data.elems[data.elems == 2] = -1
    model_of(potential).compute_forces(data)
    assert data.energy == pytest.approx(float(expected.energy[0]), rel=1e-12)
    np.testing.assert_allclose(data.eatoms[kept], expected.atom_energies, rtol=0, atol=1e-12)
    np.testing.assert_allclose(data.forces[kept], expected.forces, rtol=0, atol=1e-11)
    assert (data.eatoms[~kept] == 0.0).all()
    assert (data.forces[~kept] == 0.0).all()


def test_ghosts_without_neighbours_are_told_from_the_input(model_of):
    with pytest.raises(InputError, match=r"unified model\.pt 1\n  comm_modify cutoff 11 "):
        model_of(corrected()).compute_forces(Listed(CELL, CUTOFF))


@pytest.mark.parametrize("missing", [0.5, 3.0])
def test_ghosts_with_neighbours_missing_are_found(model_of, missing):
    data = listed_with_ghosts(2, ghost_cutoff=2 * CUTOFF - missing)
    with pytest.raises(InputError, match=r"neighbours missing; write\n  comm_modify cutoff 11 "):
        model_of(corrected()).compute_forces(data)


def test_a_model_of_one_layer_needs_no_ghosts_as_centres(model_of):
    data = Listed(CELL, CUTOFF)
    model_of(network(1, n_blocks=0)).compute_forces(data)
    assert_right(data, network(1, n_blocks=0))


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_results_that_are_no_numbers_end_the_run(model_of, value):
    data = Exchanging(CELL, CUTOFF)
    data.rij[7] = value
    with pytest.raises(SimulationError, match="finite energies and forces"):
        model_of(corrected()).compute_forces(data)


def test_single_precision_agrees_to_single_precision(model_of):
    model = model_of(corrected(), precision="float32")
    data = Exchanging(CELL, CUTOFF)
    model.compute_forces(data)
    assert_right(data, corrected(), tolerance=1e-5)
    assert data.energy != pytest.approx(float(in_python(corrected(), CELL).energy[0]), rel=1e-13)


def test_a_correction_for_another_temperature_says_so_once(model_of, caplog):
    model = model_of(corrected(), temperature=150.0)
    data = Exchanging(CELL, CUTOFF)
    data.temperature = 300.0
    with caplog.at_level(logging.WARNING, "ocvf_lmp"):
        model.compute_forces(data)
        model.compute_forces(data)
    warnings = [text for text in caplog.messages if text.startswith("WARNING")]
    assert len(warnings) == 1
    assert "150 K" in warnings[0]
    assert "300 K" in warnings[0]
