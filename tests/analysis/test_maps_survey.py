import math

import numpy as np
import pytest
import torch
import yaml
from maps_models import CRYSTAL, LATTICE, SYMBOLS, Bonds, bonds_curve, directly

from ocvf_lmp.analysis.maps.displacements import B_ALONE, DIRECTIONS, PLANES
from ocvf_lmp.analysis.maps.sites import sites_of
from ocvf_lmp.analysis.maps.survey import Survey, survey_model, survey_run
from ocvf_lmp.analysis.maps.tables import correction_page, size, well, well_page
from ocvf_lmp.analysis.maps.words import opening
from ocvf_lmp.analysis.runfolder import read_run
from ocvf_lmp.errors import DataError, InputError
from ocvf_lmp.potential.blocks import DimeNetSize
from ocvf_lmp.potential.composite import Corrected
from ocvf_lmp.potential.dimenet import DimeNet
from ocvf_lmp.potential.elsewhere import Elsewhere
from ocvf_lmp.potential.experts import Experts
from ocvf_lmp.potential.foreign.calculator import CalculatorPrior
from ocvf_lmp.potential.pair_series import PairSeries, PairTerm
from ocvf_lmp.potential.weights import save_potential
from ocvf_lmp.seeding import stream
from ocvf_lmp.system.structure import perovskite

ANCHORS = (100.0, 300.0)


def network(seed: int) -> DimeNet:
    sizes = DimeNetSize(cutoff=4.5, n_features=6, n_angular=4, n_radial=4, l_max=2, n_blocks=1)
    return DimeNet(SYMBOLS, sizes, stream(seed, "maps"))


def series(value: float) -> PairSeries:
    found = PairSeries(SYMBOLS, [PairTerm((0.9, 0.6, 1.3), 1.5, 4.0, 8)])
    torch.nn.init.constant_(found.coefficients, value)
    return found


def write_run(folder, potentials, **sample):
    """A folder with a configuration and potentials, and nothing measured."""
    states = [{"temperature": t, "pressure": 1.0, "targets": []} for t in (100.0, 200.0, 300.0)]
    known = {"symbols": list(SYMBOLS), "lattice": [4.0, 4.0, 4.0], "structure": None}
    config = {"name": "maps", "sample": known | sample, "states": states}
    folder.mkdir(exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    for name, potential in potentials.items():
        save_potential(folder / name, potential, {})
    return read_run(folder)


@pytest.fixture(scope="module")
def surface():
    return survey_model(Corrected(Bonds(0.02), network(1)), CRYSTAL, B_ALONE, 0.2)[0]


def test_curves_are_the_known_ones_less_the_undisplaced_cell(surface):
    correction = network(1)
    assert surface.offset == pytest.approx(directly(correction, (0, 0, 0)), abs=1e-12)
    for name, direction in DIRECTIONS.items():
        curve = surface.curves[name]
        assert curve.prior == pytest.approx(bonds_curve(0.02, surface.sizes), abs=1e-12)
        unit = np.array(direction) / np.linalg.norm(direction)
        expected = [directly(correction, s * unit) - surface.offset for s in surface.sizes]
        assert curve.correction == pytest.approx(expected, abs=1e-11)
        assert curve.corrected == pytest.approx(curve.prior + curve.correction)


@pytest.mark.parametrize("plane", PLANES, ids=lambda p: p.key)
def test_maps_and_discs_are_unfolded_to_what_each_point_has(surface, plane):
    correction, generator = network(1), np.random.default_rng(2)
    found = surface.maps[plane.key].correction
    n = len(surface.edge)
    assert found.shape == (n, n)
    for row, column in generator.integers(0, n, size=(12, 2)):
        u = surface.edge[column] * np.array(plane.x) + surface.edge[row] * np.array(plane.y)
        expected = directly(correction, u) - surface.offset
        assert found[row, column] == pytest.approx(expected, abs=1e-10)
    disc = surface.discs[plane.key].correction
    assert disc.shape == (len(surface.radii), len(surface.angles))
    for k, j in zip(generator.integers(1, disc.shape[0], 12), range(0, 48, 4), strict=True):
        r, phi = surface.radii[k], surface.angles[j]
        u = r * (math.cos(phi) * np.array(plane.x) + math.sin(phi) * np.array(plane.y))
        expected = directly(correction, u) - surface.offset
        assert disc[k, j] == pytest.approx(expected, abs=1e-10)


def test_the_table_holds_what_direct_evaluation_gives(surface):
    correction = network(1)
    page = correction_page(Survey([surface], 0.2))
    assert page is not None
    in_mev, per_atom = ([cell.text for cell in row.cells] for row in page.rows)
    for k, direction in enumerate(DIRECTIONS.values()):
        unit = np.array(direction) / np.linalg.norm(direction)
        middles = 0.2 * (np.arange(80) + 0.5) / 80
        values = np.array([directly(correction, s * unit) for s in middles]) - surface.offset
        rms = np.sqrt(np.mean(values**2))
        values = [directly(correction, s * unit) - surface.offset for s in surface.sizes]
        largest = max(values, key=abs)
        found = size(surface.sizes, surface.curves[list(DIRECTIONS)[k]].correction)
        assert found.largest == pytest.approx(largest, rel=1e-9)
        assert found.rms == pytest.approx(rms, rel=1e-3)
        for column, value in ((2 + 2 * k, found.largest), (3 + 2 * k, found.rms)):
            shown = float(in_mev[column].replace("\N{MINUS SIGN}", "-"))
            assert shown == pytest.approx(1000 * value, rel=5e-3)
            mantissa, _, power = per_atom[column].partition("·10")
            digits = power.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))
            number = float(f"{mantissa}e{digits}".replace("\N{MINUS SIGN}", "-"))
            assert number == pytest.approx(value / 5, rel=5e-3)


def test_a_correction_of_zero_is_zero_everywhere():
    model = Corrected(Bonds(0.02), series(0.0))
    surface, word = survey_model(model, CRYSTAL)
    assert word == ""
    assert surface.offset == 0.0
    for found in (*surface.curves.values(), *surface.maps.values(), *surface.discs.values()):
        assert not found.correction.any()
        assert np.array_equal(found.corrected, found.prior)
    page = correction_page(Survey([surface]))
    assert page is not None
    assert {cell.text for row in page.rows for cell in row.cells[2:]} == {"0"}


def test_wells_are_found_between_points():
    u = np.linspace(0.0, 0.2, 41)
    found = well(u, 40.0 * u**4 - 1.3 * u**2)
    assert found.at == pytest.approx(math.sqrt(1.3 / 80), abs=2e-4)
    assert found.depth == pytest.approx(1.3**2 / 160, rel=1e-3)
    assert well(u, u**2).depth == 0.0
    assert not well(u, -(u**2)).inside


def test_each_state_has_its_own_potential_and_held_out_ones_the_gate(tmp_path):
    prior = network(7)
    experts = [series(0.003), series(-0.002)]
    own = {
        f"potential_{t:g}K.pt": Corrected(prior, e) for t, e in zip(ANCHORS, experts, strict=True)
    }
    gate = Experts(experts, ANCHORS, 80.0)
    survey = survey_run(write_run(tmp_path, own | {"potential.pt": Corrected(prior, gate)}))
    assert survey is not None
    assert not survey.shared
    assert [s.state for s in survey.surfaces] == ["100K", "200K", "300K"]
    assert [bool(s.discs) for s in survey.surfaces] == [False, False, True]
    cold, middle, warm = (s.curves["[110]"].correction for s in survey.surfaces)
    gate.set_temperature(200.0)
    assert 0.0 < gate.weights[0] < 1.0
    assert middle == pytest.approx(gate.weights[0] * cold + gate.weights[1] * warm, abs=1e-12)
    expected = directly(experts[0], (0.2, 0, 0)) - directly(experts[0], (0, 0, 0))
    assert survey.surfaces[0].curves["[100]"].correction[-1] == pytest.approx(expected, abs=1e-12)


def test_a_shared_correction_is_said_to_be_one(tmp_path):
    survey = survey_run(write_run(tmp_path, {"potential.pt": Corrected(network(7), network(8))}))
    assert survey is not None
    assert survey.shared
    page = opening(survey)
    assert page is not None
    assert "One correction serves all states" in page.note
    assert "Ti is displaced" in page.note
    one, other = survey.surfaces[0], survey.surfaces[2]
    assert np.array_equal(one.curves["[111]"].correction, other.curves["[111]"].correction)


@pytest.mark.parametrize(
    ("prior", "why"),
    [
        (
            Elsewhere(SYMBOLS, ["pair_style buck 9"]),
            "LAMMPS alone knows the prior (pair_style buck 9)",
        ),
        (
            CalculatorPrior("ase.calculators.lj:LennardJones", SYMBOLS),
            "LennardJones, which a report does not start",
        ),
    ],
)
def test_without_a_prior_at_hand_the_correction_stands_alone(tmp_path, prior, why):
    run = write_run(tmp_path, {"potential.pt": Corrected(prior, network(8))})
    survey = survey_run(run)
    assert survey is not None
    assert len(survey.surfaces) == 3
    assert all(c.prior is None for s in survey.surfaces for c in s.curves.values())
    assert len(survey.words) == 1
    assert why in survey.words[0]
    assert well_page(survey) is None
    assert correction_page(survey) is not None
    with pytest.raises(InputError, match="soft mode"):
        survey_run(run, "soft-mode")


def test_the_soft_mode_is_that_of_each_cell(tmp_path):
    survey = survey_run(
        write_run(tmp_path, {"potential.pt": Corrected(network(7), network(8))}), "soft-mode"
    )
    assert survey is not None
    first = survey.surfaces[0]
    assert first.constant is not None
    assert first.pattern.off_centring == pytest.approx(1.0)
    page = opening(survey)
    assert page is not None
    assert "soft polar mode" in page.note
    assert f"{first.pattern.b:.3f}" in page.note


def test_unfinished_runs_and_those_without_their_structure_are_skipped_with_a_word(tmp_path):
    assert survey_run(write_run(tmp_path / "bare", {})) is None
    run = write_run(
        tmp_path / "moved",
        {"potential.pt": Corrected(network(7), network(8))},
        structure=str(tmp_path / "missing.extxyz"),
    )
    survey = survey_run(run)
    assert survey is not None
    assert not survey.surfaces
    assert "missing.extxyz" in survey.words[0]


def test_a_perovskite_is_known_by_its_bonds():
    from ase import Atoms

    atoms = perovskite(("Pb", "Zr", "S"), (2, 2, 1), (LATTICE,) * 3, (0.1, 0.05, 0.0)).to_ase()
    atoms.rattle(0.05, seed=3)
    assert sites_of(atoms) == ("Pb", "Zr", "S")
    assert sites_of(atoms[::-1]) == ("Pb", "Zr", "S")
    with pytest.raises(DataError, match="which is not ABO3"):
        sites_of(atoms[:-1])
    group = [(0.5, 0.5, 0.5), (0.5, 0.5, 0.18), (0.5, 0.78, 0.66), (0.5, 0.22, 0.66)]
    carbonate = Atoms("CaCO3", scaled_positions=[(0, 0, 0), *group], cell=[4.0] * 3, pbc=True)
    with pytest.raises(DataError, match="no chains C–O–C"):
        sites_of(carbonate)
