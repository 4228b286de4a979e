"""Phases of frames with noise of the size of real small cells."""

import dataclasses

import numpy as np
import pytest
from fake_sweep import ANGLES, DIRECTIONS, LENGTHS, SIZES

from ocvf_lmp.analysis.phases.classify import (
    PHASES,
    Criteria,
    binder_ratio,
    by_polarization,
    labels_of,
    phase_of_mean,
    window_length,
)
from ocvf_lmp.analysis.phases.series import LegSeries
from ocvf_lmp.analysis.phases.strain import by_strain, phase_of_strain, strains
from ocvf_lmp.analysis.phases.transitions import branch_transitions
from ocvf_lmp.analysis.phases.windows import Part, cut

EDGE = 4.01


def wander(random, n, columns, size, correlation):
    out = random.normal(size=(n, columns))
    for k in range(1, n):
        out[k] = correlation * out[k - 1] + (1 - correlation**2) ** 0.5 * out[k]
    return size * out


def series(p, lattice, spacing=0.1):
    n = len(p)
    return LegSeries(
        "heating", 300.0, 0, spacing * np.arange(n), p, np.linalg.norm(p, axis=1), lattice,
        np.full(n, 64.0), np.zeros(n), np.full(n, 300.0), np.zeros(n), 64, n, {},
    )  # fmt: skip


def noisy(truth, noise=0.05, correlation=0.6, seed=0, n=200):
    """A leg in one phase after another; `truth` holds (phase, axes, signs) of equal lengths."""
    random = np.random.default_rng(seed)
    p, e, a = [], [], []
    for phase, axes, signs in truth:
        direction = np.array(DIRECTIONS[phase], dtype=float)
        mean = SIZES[phase] * direction / max(1.0, np.linalg.norm(direction))
        count = n // len(truth)
        p.append(np.tile(mean[list(axes)] * signs, (count, 1)))
        e.append(np.tile(np.array(LENGTHS[phase])[list(axes)], (count, 1)))
        angle = (np.array(ANGLES[phase], dtype=float) - 90)[list(axes)]
        a.append(np.tile(90 + angle * np.prod(signs) * np.array(signs), (count, 1)))
    p, e, a = map(np.concatenate, (p, e, a))
    p = p + wander(random, len(p), 3, noise, correlation)
    lengths = EDGE * (1 + e + wander(random, len(p), 3, 0.003, correlation))
    angles = a + wander(random, len(p), 3, 0.15, correlation)
    return series(p, np.concatenate([lengths, angles], axis=1))


UP = ((0, 1, 2), (1, 1, 1))


def labelled(legs, criteria=None):
    criteria = criteria or Criteria()
    window = window_length(legs, criteria)
    polar, strain = by_polarization(legs, criteria, window), by_strain(legs, criteria, window)
    return polar, strain, window


@pytest.mark.parametrize(("noise", "correlation"), [(0.02, 0.3), (0.05, 0.6), (0.06, 0.9)])
def test_phases_are_found_under_noise(noise, correlation):
    legs = [noisy([(p, *UP)], noise, correlation, seed=k) for k, p in enumerate(PHASES)]
    polar, strain, _ = labelled(legs)
    for k, name in enumerate(PHASES):
        assert polar[k].fractions[k] > 0.85, name
        assert strain[k].fractions[k] > 0.6, name


def test_slow_fluctuations_make_the_window_longer():
    fast, slow = noisy([("C", *UP)], correlation=0.3), noisy([("C", *UP)], correlation=0.95)
    criteria = Criteria(window=0.5)
    assert window_length([slow], criteria) > 5 * window_length([fast], criteria)


@pytest.mark.parametrize(
    "truth",
    [
        [("T", (0, 1, 2), (1, 1, 1)), ("T", (2, 0, 1), (1, 1, 1))],  # z to x: O or C by its mean
        [("T", (0, 1, 2), (1, 1, 1)), ("T", (0, 1, 2), (1, 1, -1))],  # +z to -z: C by its mean
        [("R", (0, 1, 2), (1, 1, 1)), ("R", (0, 1, 2), (1, 1, -1))],  # O by its mean
        [("O", (0, 1, 2), (1, 1, 1)), ("O", (1, 0, 2), (1, 1, 1))],  # R by its mean
    ],
    ids=["T turns", "T reverses", "R reverses one", "O turns"],
)
def test_a_change_of_axis_within_a_window_is_no_other_phase(truth):
    phase = PHASES.index(truth[0][0])
    leg = noisy(truth, n=60)
    whole = by_polarization([leg], Criteria(distinct=1e9), 6.0)[0]
    assert whole.fractions[phase] == 0.0  # the mean of the window alone is misleading
    seen = by_polarization([leg], Criteria(), 6.0)[0]
    assert seen.fractions[phase] > 0.9
    assert seen.switches == 0


def test_a_turned_tetragonal_cell_is_not_orthorhombic_by_strain():
    leg = noisy([("T", (0, 1, 2), (1, 1, 1)), ("T", (2, 0, 1), (1, 1, 1))], n=60)
    seen = by_strain([leg], Criteria(), 6.0)[0]
    assert seen.fractions[PHASES.index("T")] > 0.9


def test_cubic_noise_is_rarely_cut():
    """Cuts of noise alone would make short windows, whose means look polar."""
    random = np.random.default_rng(3)
    counts = [len(cut(wander(random, 200, 3, 0.08, 0.6), 20)) for _ in range(50)]
    assert np.mean(counts) < 12.5  # of ten windows


def test_binder_ratio_of_order_and_of_noise():
    random = np.random.default_rng(1)
    flips = np.sign(random.normal(size=(4000, 1))) * np.array([[0.0, 0.0, 0.3]])
    assert binder_ratio(flips) == pytest.approx(1.0)
    assert binder_ratio(random.normal(size=(40000, 3))) == pytest.approx(0.0, abs=0.05)


def test_a_direction_between_two_phases_depends_on_the_error():
    between = np.array([0.19, 0.19, 0.13])
    assert PHASES[phase_of_mean(between, Criteria(), 0.33)] == "O"  # sharp: R is left
    assert PHASES[phase_of_mean(between, Criteria(), 0.33, error=0.03)] == "R"  # chance


def test_experimental_cells_have_their_phase(root):
    import yaml

    facts = yaml.safe_load((root / "data" / "bto" / "experiment.yaml").read_text("utf-8"))
    seen = set()
    for record in facts["lattices"]:
        if "pseudocubic" not in record:
            continue
        cell = np.array([record["pseudocubic"]["lengths"] + record["pseudocubic"]["angles"]])
        e, h = strains(cell)
        assert PHASES[phase_of_strain(e[0], h[0])] == record["phase"], record["id"]
        seen.add(record["phase"])
    assert seen == set(PHASES)


def test_the_published_heating_run_of_a_shell_model(shared):
    """R-O 187-205 K, O-T 257-280 K, T-C above 347 K: mean polarization and lengths of 20 runs."""
    table = np.loadtxt(shared / "data" / "potentials" / "shellmodel_heating_101014_danwang.dat")
    t, p, lengths = table[:, 0], table[:, 1:4], table[:, 5:8]
    scale = float(np.linalg.norm(p, axis=1).max())
    phases = np.array([phase_of_mean(x, Criteria(), scale) for x in p])
    assert np.all(np.diff(phases) >= 0)
    last = {name: t[phases == k].max() for k, name in enumerate(PHASES) if np.any(phases == k)}
    first = {name: t[phases == k].min() for k, name in enumerate(PHASES) if np.any(phases == k)}
    assert (round(last["R"]), round(first["O"])) == (187, 205)
    assert (round(last["O"]), round(first["T"])) == (257, 280)
    assert "C" not in last
    e, h = strains(np.concatenate([lengths, np.full_like(lengths, 90.0)], axis=1))  # no angles
    cells = np.array([PHASES[phase_of_strain(*x)] for x in zip(e, h, strict=True)])
    assert np.all((cells == "O") == (phases == PHASES.index("O")))
    assert np.all((cells == "T") == (phases == PHASES.index("T")))


def test_transitions_of_the_published_heating_run(shared):
    """196 ± 9 and 269 ± 12 K, half the distance of the neighbours: where its cell changes shape."""
    table = np.loadtxt(shared / "data" / "potentials" / "shellmodel_heating_101014_danwang.dat")
    t, p = table[:, 0], table[:, 1:4]
    short, middle, long = np.sort(table[:, 5:8], axis=1).T
    equal = long - short < 0.005  # Å: R; in O two axes are long, in T only one
    shape = np.where(equal, 0, np.where(long - middle < middle - short, 1, 2))
    assert shape.tolist() == sorted(shape)
    scale = float(np.linalg.norm(p, axis=1).max())
    legs, labels = [], []
    for k in range(len(t)):
        one = series(p[k : k + 1], np.append(table[k, 5:8], [90.0] * 3)[None])
        legs.append(dataclasses.replace(one, temperature=float(t[k])))
        labels.append(labels_of([Part(0, 1)], [phase_of_mean(p[k], Criteria(), scale)]))
    random = np.random.default_rng(1)
    found = branch_transitions(legs, labels, "polarization", 1.0, 50, random)
    for k, expected in enumerate((196, 269)):
        below, above = t[shape <= k].max(), t[shape > k].min()
        assert (found[k].below, found[k].above) == (below, above)
        half = 0.5 * (above - below)
        assert found[k].temperature.value == pytest.approx(0.5 * (below + above), abs=half / 3)
        assert found[k].temperature.value == pytest.approx(expected, abs=1)
        assert found[k].temperature.error == pytest.approx(half / 3**0.5)
    assert found[2].statement == "above 346.712 K"
