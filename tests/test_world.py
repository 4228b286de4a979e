"""The synthetic experiment in data/world: labelled, consistent with itself, physically right."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from ocvf_lmp.fit.gr_file import read_gr

TRAINED = (100, 150, 250, 300)
WORLD = Path(__file__).parents[1] / "data" / "world"
ALL = sorted(int(path.stem[len("partials_") : -1]) for path in WORLD.glob("partials_*K.npz"))
RADIATIONS = ("neutron", "xray")
PAIRS = ("Ba-Ba", "Ba-Ti", "Ba-O", "Ti-Ti", "Ti-O", "O-O")


@pytest.fixture(scope="module")
def folder():
    return WORLD


@pytest.fixture(scope="module")
def world(folder):
    return yaml.safe_load((folder / "world.yaml").read_text(encoding="utf-8"))


def curve(folder, radiation, temperature):
    return read_gr(folder / f"BaTiO3_SYNTHETIC_{radiation}_{temperature}K.gr", "BaTiO3")


def stored(folder, temperature):
    return np.load(folder / f"partials_{temperature}K.npz")


def row(table, pair):
    return table["g"][PAIRS.index(pair)].astype(float)


def test_partials_curves_and_means_of_all_training_temperatures_are_there(folder, world):
    assert set(ALL) >= set(TRAINED)
    assert sorted(world) == ALL
    assert len(list(folder.glob("*.gr"))) == len(RADIATIONS) * len(ALL)


def test_every_data_file_says_that_it_is_synthetic(folder):
    for path in folder.glob("*.gr"):
        assert "SYNTHETIC" in path.name
        assert path.read_text(encoding="utf-8").startswith("# SYNTHETIC (not measured)")
        assert read_gr(path).synthetic
    for path in folder.glob("*.npz"):
        assert str(np.load(path)["what"]).startswith("SYNTHETIC (not measured)")
    for name in ("world.yaml", "in.shell_model"):
        assert (folder / name).read_text(encoding="utf-8").startswith("# SYNTHETIC")


def test_the_data_are_small(folder):
    assert sum(path.stat().st_size for path in folder.iterdir() if path.is_file()) < 3e6


@pytest.mark.parametrize("radiation", RADIATIONS)
@pytest.mark.parametrize("temperature", ALL)
def test_headers_hold_what_the_forward_model_needs(folder, temperature, radiation):
    data = curve(folder, radiation, temperature)
    assert data.radiation == radiation
    assert data.temperature == temperature
    assert data.pressure == 1.0
    assert data.q_max == {"neutron": 35.0, "xray": 25.0}[radiation]
    assert data.q_damp == 0.018
    assert data.density == pytest.approx(float(stored(folder, temperature)["density"]), rel=1e-9)
    assert data.error is not None
    assert bool((data.error > 0).all())


@pytest.mark.parametrize("radiation", RADIATIONS)
@pytest.mark.parametrize("temperature", ALL)
def test_below_the_first_peak_g_falls_as_the_density_says(folder, temperature, radiation):
    data = curve(folder, radiation, temperature)
    low = (data.r > 0.2) & (data.r < 1.5)
    r, g = data.r[low], data.g[low]
    slope = float((r @ g) / (r @ r))
    expected = -4 * np.pi * data.density
    # the tolerance is that of ripples and noise on the fitted slope
    assert slope == pytest.approx(expected, rel=0.1)
    ripple = float((g - expected * r).abs().max())
    assert ripple < {"neutron": 0.06, "xray": 0.08}[radiation] * float(data.g.max())


@pytest.mark.parametrize("temperature", ALL)
def test_peaks_lie_at_the_distances_of_a_perovskite(folder, temperature):
    neutron, xray = (curve(folder, radiation, temperature) for radiation in RADIATIONS)
    bonds = (neutron.r > 1.6) & (neutron.r < 2.4)
    deepest = float(neutron.r[bonds][neutron.g[bonds].argmin()])
    assert 1.8 < deepest < 2.2  # Ti-O, negative because b(Ti) is
    assert float(neutron.g[bonds].min()) < -5
    near = (neutron.r > 2.5) & (neutron.r < 3.2)
    assert float(neutron.r[near][neutron.g[near].argmax()]) == pytest.approx(2.84, abs=0.05)
    middle = (xray.r > 3.2) & (xray.r < 3.75)
    assert float(xray.r[middle][xray.g[middle].argmax()]) == pytest.approx(3.46, abs=0.05)
    edge = (xray.r > 3.8) & (xray.r < 4.2)
    assert float(xray.r[edge][xray.g[edge].argmax()]) == pytest.approx(4.01, abs=0.05)


@pytest.mark.parametrize("radiation", RADIATIONS)
@pytest.mark.parametrize("temperature", ALL)
def test_partials_recombine_to_the_curve_by_the_forward_model(
    folder, scripts, temperature, radiation
):
    curves = scripts["world_curves"]
    instrument = next(i for i in curves.INSTRUMENTS if i.radiation == radiation)
    data, table = curve(folder, radiation, temperature), stored(folder, temperature)
    model = instrument.model()
    clean = curves.noise_free(model, table["g"], float(table["density"]))
    r = data.r.numpy()
    assert np.allclose(r, model.r.numpy(), atol=1e-9)
    rms = float(data.extra["noise_rms"])
    assert rms == pytest.approx(curves.noise_rms(instrument, r, clean), rel=1e-4)
    noise = curves.noise_curve(instrument, temperature, r, rms)
    assert data.g.numpy() == pytest.approx(clean + noise, abs=1e-3 * rms)
    inside = r > 1.5
    assert (data.g.numpy() - clean)[inside].std() == pytest.approx(rms, rel=0.01)
    assert bool((data.error.numpy() > 0.999 * rms).all())


@pytest.mark.parametrize("temperature", ALL)
def test_partials_count_the_neighbours_of_a_perovskite(folder, temperature):
    table = stored(folder, temperature)
    r, dr = table["r"], 0.01
    shell = 4 * np.pi * r**2 * float(table["density"]) * dr

    def count(pair, fraction, low, high):
        inside = (r > low) & (r <= high)
        return float((shell * fraction * row(table, pair))[inside].sum())

    assert count("Ti-O", 0.6, 0.0, 2.8) == pytest.approx(6.0, abs=0.02)
    assert count("Ba-Ti", 0.2, 0.0, 4.4) == pytest.approx(8.0, abs=0.02)
    assert count("Ba-O", 0.6, 0.0, 3.75) == pytest.approx(12.0, abs=0.1)
    assert count("Ba-Ba", 0.2, 0.0, 4.9) == pytest.approx(6.0, abs=0.05)
    assert tuple(table["pairs"]) == PAIRS


@pytest.mark.parametrize("temperature", ALL)
def test_partials_count_all_atoms_within_a_large_sphere(folder, temperature):
    """Also beyond half of the 24 Å cell, where images have to be counted."""
    table = stored(folder, temperature)
    sphere = table["r"] <= 21.0
    r = table["r"][sphere]
    weight = r**2 * (1.0 - (r / 21.0) ** 2) ** 2  # a soft edge: no shell is cut in two
    for line in table["g"][:, sphere].astype(float):
        assert np.average(line, weights=weight) == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("temperature", ALL)
def test_the_first_titanium_oxygen_shell_stays_split(folder, temperature):
    """Two maxima or a shoulder: the variance exceeds what one thermal peak of 0.1 Å would have."""
    table = stored(folder, temperature)
    r = table["r"]
    inside = (r > 1.5) & (r < 2.6)
    weight = (r**2 * row(table, "Ti-O"))[inside]
    mean = np.average(r[inside], weights=weight)
    sigma = np.sqrt(np.average((r[inside] - mean) ** 2, weights=weight))
    assert mean == pytest.approx(2.02, abs=0.03)
    assert sigma > 0.12


def test_density_and_lattice_belong_to_each_other(folder):
    for temperature in ALL:
        table = stored(folder, temperature)
        a, b, c = table["lattice"][:3]
        assert float(table["density"]) == pytest.approx(5.0 / (a * b * c), rel=2e-3)
        assert 0.0764 < float(table["density"]) < 0.0782


def test_the_world_has_the_phase_of_the_experiment(world):
    differs = {
        t
        for t in ALL
        if not world[t]["phase_by_polarization"]
        == world[t]["phase_by_cell"]
        == world[t]["phase_of_experiment"]
    }
    assert not differs


def test_the_runs_were_at_their_temperature_with_cold_shells(world):
    for temperature in ALL:
        entry = world[temperature]
        assert entry["temperature_K"]["value"] == pytest.approx(temperature, abs=4.0)
        assert 0.0 < entry["core_shell_temperature_K"]["value"] < 15.0


def test_the_parameters_are_those_of_core_shell_model_a(folder, shared):
    model = json.loads((shared / "data" / "potentials" / "shell_models_bto.json").read_text())["A"]
    text = (folder / "in.shell_model").read_text()

    def numbers(pattern):
        found = re.search(pattern, text, re.M)
        assert found, pattern
        return [float(x) for x in found.groups()]

    for core, shell, symbol in ((1, 4, "Ba"), (2, 5, "Ti"), (3, 6, "O")):
        charges = [numbers(rf"^set type {kind} charge\s+(\S+)")[0] for kind in (core, shell)]
        assert charges == model["q_core_shell"][symbol]
        half, quartic = numbers(rf"^bond_coeff\s+{core} 0\.0\s+(\S+)\s+0\.0\s+(\S+)")
        assert half == pytest.approx(model["k2"][symbol] / 2)
        assert quartic == pytest.approx(model["k4"].get(symbol, 0) / 24, abs=1e-6)
    for types, pair in (("4 6", "Ba-O"), ("5 6", "Ti-O"), ("6 6", "O-O")):
        a, rho, _, c = numbers(rf"^pair_coeff\s+{types}\s+(\S+) (\S+) (\S+)\s+(\S+)")
        assert [a, rho, c] == [model[pair]["A"], model[pair]["rho"], model[pair].get("C", 0.0)]


@pytest.mark.parametrize("temperature", ALL)
def test_partials_resemble_the_first_versions_of_this_world(folder, shared, temperature):
    """Those had a shorter cutoff, which swells the cell: distances are scaled to compare."""
    old = np.load(shared / "data" / "world" / f"shellA_partials_{temperature}K.npz")
    new = stored(folder, temperature)
    stretch = (float(old["rho0"]) / float(new["density"])) ** (1 / 3)
    assert stretch == pytest.approx(0.9975, abs=0.0025)
    r = old["r"][(old["r"] > 1.5) & (old["r"] < 8.0)]
    for pair in PAIRS:
        mine = np.interp(r * stretch, new["r"], row(new, pair))
        theirs = np.interp(r, old["r"], old["g_" + pair.replace("-", "")])
        assert np.corrcoef(mine, theirs)[0, 1] > 0.95, pair
