import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from maps_models import CRYSTAL, SYMBOLS, Bonds, bonds_curve, directly

from ocvf_lmp.analysis.maps.displacements import (
    B_ALONE,
    DIRECTIONS,
    Pattern,
    displaced,
    line,
    named_displacement,
)
from ocvf_lmp.analysis.maps.energies import Crystal, energies, forces
from ocvf_lmp.analysis.maps.soft_mode import soft_mode
from ocvf_lmp.errors import InputError
from ocvf_lmp.potential.composite import Sum
from ocvf_lmp.potential.foreign.calculator import calculator_prior
from ocvf_lmp.potential.weights import load_potential
from ocvf_lmp.system.neighbors import build_neighbors, edges_from

PRIOR = Path(__file__).parents[2] / "data" / "prior" / "bto_pbesol.pt"
SOFT = Pattern(0.12, 0.72, -0.54, -0.15).scaled()


@pytest.fixture(scope="module")
def prior():
    return load_potential(PRIOR)[0]


def equivalent(vector: tuple[float, ...]) -> np.ndarray:
    """All directions that the cubic point group makes of one."""
    found = {
        tuple(s * x for s, x in zip(signs, order, strict=True))
        for order in itertools.permutations(vector)
        for signs in itertools.product((1, -1), repeat=3)
    }
    return np.array(sorted(found))


@pytest.mark.parametrize("pattern", [B_ALONE, SOFT])
@pytest.mark.parametrize("direction", [*DIRECTIONS.values(), (1.0, 0.3, -0.6)])
def test_equivalent_directions_have_equal_energies(prior, pattern, direction):
    u = 0.15 * equivalent(direction) / np.linalg.norm(direction)
    assert len(u) >= 6
    found = energies(prior, CRYSTAL, pattern, u)
    assert np.ptp(found) < 1e-10
    other = energies(prior, CRYSTAL, pattern, 0.15 * np.array([[1.0, 0.0, 0.0], [0.6, 0.8, 0.0]]))
    assert np.ptp(other) > 1e-4


@pytest.mark.parametrize("direction", DIRECTIONS.values())
def test_a_known_pair_potential_gives_the_known_curve(direction):
    sizes = np.linspace(0.0, 0.3, 7)
    found = energies(Bonds(0.02), CRYSTAL, B_ALONE, line(direction, sizes))
    assert found - found[0] == pytest.approx(bonds_curve(0.02, sizes), abs=1e-12)


def test_many_frames_at_once_are_as_one_by_one(prior, monkeypatch):
    u = np.random.default_rng(1).normal(scale=0.1, size=(9, 3))
    expected = [directly(prior, one) for one in u]
    assert energies(prior, CRYSTAL, B_ALONE, u) == pytest.approx(expected, abs=1e-11)
    monkeypatch.setattr("ocvf_lmp.analysis.maps.energies.MAX_EDGES", 1000)
    assert energies(prior, CRYSTAL, B_ALONE, u) == pytest.approx(expected, abs=1e-11)


def test_a_black_box_beside_a_network_is_added():
    box = calculator_prior("ase.calculators.lj:LennardJones", SYMBOLS, {"sigma": 1.8, "rc": 5.0})
    u = np.array([[0.0, 0.0, 0.0], [0.1, 0.05, 0.0]])
    both = energies(Sum([box, Bonds(0.02)]), CRYSTAL, B_ALONE, u)
    alone = energies(box, CRYSTAL, B_ALONE, u) + energies(Bonds(0.02), CRYSTAL, B_ALONE, u)
    assert both == pytest.approx(alone, abs=1e-12)
    atoms_energy = box.configuration_energy(
        displaced(CRYSTAL.lattice, B_ALONE, torch.from_numpy(u))[1],
        CRYSTAL.cell,
        CRYSTAL.species(box),
    )
    expected = float(atoms_energy) + directly(Bonds(0.02), u[1])
    assert both[1] == pytest.approx(expected, abs=1e-11)


def test_forces_are_the_slope_of_the_energy(prior):
    u, step = np.array([0.08, 0.02, -0.05]), 1e-4
    found = forces(prior, CRYSTAL, SOFT, u)
    factors = SOFT.of_sites().numpy()
    for axis, unit in enumerate(np.eye(3)):
        ends = energies(prior, CRYSTAL, SOFT, np.array([u + step * unit, u - step * unit]))
        slope = (ends[0] - ends[1]) / (2 * step)
        assert -(found[:, axis] * factors[:, axis]).sum() == pytest.approx(slope, abs=1e-6)


def test_species_are_found_by_name_and_refused_if_unknown(prior):
    assert Crystal(("Ti", "O", "Ba"), 4.0).species(prior).tolist() == [1, 2, 0, 0, 0]
    with pytest.raises(InputError, match="found one for Ba, Ti, O"):
        energies(prior, Crystal(("Pb", "Ti", "O"), 4.0), B_ALONE, np.zeros((1, 3)))


def test_the_soft_mode_is_the_lowest_of_all_modes_at_the_zone_centre(prior):
    pattern, constant = soft_mode(prior, CRYSTAL)
    sites = displaced(CRYSTAL.lattice, B_ALONE, torch.zeros(1, 3, dtype=torch.float64))[0]
    neighbors = build_neighbors(sites, CRYSTAL.cell, prior.cutoff)

    def energy(x: torch.Tensor) -> torch.Tensor:
        moved = edges_from(neighbors, x.view(5, 3), CRYSTAL.cell)
        return prior.energy(moved, CRYSTAL.species(prior))

    hessian = torch.autograd.functional.hessian(energy, sites.flatten())
    lowest = torch.linalg.eigvalsh(0.5 * (hessian + hessian.T))  # pyright: ignore
    assert lowest[:3].numpy() == pytest.approx([constant] * 3, abs=1e-3)
    assert pattern.off_centring == pytest.approx(1.0)
    along = torch.zeros(5, 3, dtype=torch.float64)
    along[:, 0] = pattern.of_sites()[:, 0]
    along = along.flatten() / along.norm()
    assert float(along @ hessian @ along) == pytest.approx(constant, abs=1e-3)  # pyright: ignore
    assert float(along.view(5, 3)[:, 0].sum()) == pytest.approx(0.0, abs=1e-6)


def test_anions_move_by_the_place_they_have_in_the_chain():
    pattern = Pattern(0.1, 0.8, -0.5, -0.2)
    u = torch.tensor([[0.1, 0.0, 0.0], [0.0, 0.0, 0.2]], dtype=torch.float64)
    at_rest = displaced(4.0, pattern, torch.zeros(1, 3, dtype=torch.float64))
    moved = (displaced(4.0, pattern, u) - at_rest).numpy()
    chain_z, chain_y, chain_x = 2, 3, 4
    assert moved[0, :, 0] == pytest.approx([0.01, 0.08, -0.02, -0.02, -0.05])
    assert moved[1, [chain_x, chain_y, chain_z], 2] == pytest.approx([-0.04, -0.04, -0.1])
    assert abs(moved[0, :, 1:]).max() == 0.0


def test_displacements_have_names():
    assert named_displacement("B") == B_ALONE
    assert named_displacement("soft-mode") == "soft-mode"
    found = named_displacement("0.2,0.76,-0.53,-0.21")
    assert isinstance(found, Pattern)
    assert found.off_centring == pytest.approx(1.0)
    assert found.a / found.b == pytest.approx(0.2 / 0.76)
    for wrong in ("mode", "1,2,3", "1,1,1,1", "nan,1,0,0,"):
        with pytest.raises(InputError):
            named_displacement(wrong)
