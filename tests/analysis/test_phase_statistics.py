"""Errors, transitions and free energies against cases that are known exactly."""

from itertools import pairwise

import numpy as np
import pytest
from test_phases import wander

from ocvf_lmp.analysis.phases.balance import balances
from ocvf_lmp.analysis.phases.classify import labels_of
from ocvf_lmp.analysis.phases.free_energy import OVERLAP, free_steps
from ocvf_lmp.analysis.phases.series import LegSeries
from ocvf_lmp.analysis.phases.statistics import block_error, block_resamples, inefficiency
from ocvf_lmp.analysis.phases.transitions import SOUND, branch_transitions, crossing, isotonic
from ocvf_lmp.analysis.phases.windows import Part
from ocvf_lmp.units import KB


def leg(temperature, energy, branch="heating", volume=64.0):
    n = len(energy)
    return LegSeries(
        branch, temperature, 0, 0.1 * np.arange(n), np.zeros((n, 3)), np.zeros(n),
        np.tile([4.0, 4.0, 4.0, 90.0, 90.0, 90.0], (n, 1)), np.full(n, volume), energy,
        np.full(n, temperature), np.zeros(n), 8, n, {},
    )  # fmt: skip


def test_errors_of_correlated_frames():
    """AR(1) with r has 1 + 2 Σ = (1 + r)/(1 - r)."""
    random = np.random.default_rng(4)
    r, n = 0.8, 4000
    draws = [wander(random, n, 1, 1.0, r)[:, 0] for _ in range(20)]
    exact = (1 + r) / (1 - r)
    assert np.mean([inefficiency(x) for x in draws]) == pytest.approx(exact, rel=0.2)
    error = float(np.mean([block_error(x) for x in draws]))
    assert error == pytest.approx((exact / n) ** 0.5, rel=0.35)
    assert error > 1.2 * n**-0.5  # what independent frames would have, by far
    assert np.isnan(block_error(np.arange(5.0)))
    assert inefficiency(np.ones(50)) == 1.0


def test_blocks_of_the_bootstrap_are_consecutive():
    drawn = block_resamples(100, 10, 7, np.random.default_rng(0))
    assert drawn.shape == (7, 100)
    steps = np.diff(drawn.reshape(7, 10, 10), axis=2)
    assert np.all(steps == 1)
    assert drawn.min() >= 0
    assert drawn.max() < 100


def test_isotonic_regression_and_crossing():
    t = np.array([100.0, 120.0, 140.0, 160.0])
    ones = np.ones(4)
    np.testing.assert_allclose(isotonic(np.array([0.0, 0.6, 0.4, 1.0]), ones), [0.0, 0.5, 0.5, 1.0])
    np.testing.assert_allclose(crossing(t, np.array([0, 0, 1, 1.0]), ones), [130, 120, 140])
    np.testing.assert_allclose(crossing(t, np.array([0, 0.25, 0.75, 1.0]), ones), [130, 120, 140])
    assert np.isnan(crossing(t, np.zeros(4), ones)).all()
    assert np.isnan(crossing(t, np.ones(4), ones)).all()


def test_a_transition_smeared_over_temperatures_has_a_statistical_error():
    random = np.random.default_rng(2)
    t = np.arange(150.0, 260.0, 10.0)
    legs, labels = [], []
    for x in t:
        share = 1 / (1 + np.exp(-(x - 204) / 12))
        phases = 1 + (random.random(40) < share)  # O or T, of forty windows
        legs.append(leg(x, np.zeros(400)))
        labels.append(labels_of([Part(10 * k, 10 * k + 10) for k in range(40)], phases.tolist()))
    found = branch_transitions(legs, labels, "polarization", 1.0, 200, random)
    one = found[1]
    assert one.statistical > 0.3
    assert one.resolution == pytest.approx(10 / 12**0.5)
    assert abs(one.temperature.value - 204) < 2.5 * one.temperature.error
    assert found[0].statement == "below 150 K"
    assert found[2].statement == "above 250 K"


def test_a_harmonic_crystal_has_its_free_energy():
    random = np.random.default_rng(6)
    n, t = 120, (200.0, 210.0, 220.0)
    legs = [leg(x, KB * x * random.gamma(n / 2, size=2000)) for x in t]
    for step in free_steps(legs, 0.0):
        exact = -n / 2 * np.log(step.warm / step.cold) / 8
        exact -= step.zero * (1 / (KB * step.warm) - 1 / (KB * step.cold))
        assert not step.refused
        assert step.overlap > OVERLAP
        assert 0 < step.difference.error < 0.01
        assert abs(step.difference.value - exact) < 3.5 * step.difference.error


def test_pressure_times_volume_counts():
    random = np.random.default_rng(6)
    legs = [leg(x, KB * x * random.gamma(60, size=500)) for x in (200.0, 210.0)]
    free, pressed = free_steps(legs, 0.0)[0], free_steps(legs, 1e5)[0]  # 100 kbar
    work = 1e5 / 1.6021765e6 * 64.0 * (1 / (KB * 210) - 1 / (KB * 200))
    assert pressed.difference.value - free.difference.value == pytest.approx(work, rel=1e-6)


def test_temperatures_that_do_not_overlap_are_refused():
    random = np.random.default_rng(6)
    n = 3000
    legs = [leg(x, KB * x * random.gamma(n / 2, size=400)) for x in (200.0, 226.0, 300.0)]
    near, far = free_steps(legs, 0.0)
    assert "overlap" in near.refused
    assert "choose temperatures closer" in near.refused
    assert "overlap" in far.refused
    assert np.isnan(far.difference.value)
    short = free_steps([leg(x, KB * x * random.gamma(60, size=6)) for x in (200.0, 201.0)], 0.0)
    assert "fewer than" in short[0].refused


def two_states(t, random, rise, middle, n=3000):
    """Frames that go back and forth between two phases of equal G at `middle`."""
    share = 1 / (1 + np.exp(rise * (1 - t / middle) / (KB * t)))
    state = np.empty(n, dtype=int)
    state[0] = random.random() < share
    for k in range(1, n):
        stays = random.random() < 0.9
        state[k] = state[k - 1] if stays else random.random() < share
    energy = rise * state + KB * t * random.gamma(60, size=n)
    edges = [0, *(np.flatnonzero(np.diff(state)) + 1), n]
    parts = [Part(a, b) for a, b in pairwise(edges)]
    return leg(t, energy), labels_of(parts, [1 + int(state[p.start]) for p in parts])


def test_equal_free_energies_give_the_transition():
    random = np.random.default_rng(8)
    legs, labels = zip(
        *(two_states(t, random, 0.15, 204.0) for t in (190.0, 200.0, 210.0)), strict=True
    )
    steps = free_steps(legs, 0.0)
    found = {b.phases: b for b in balances(legs, labels, steps, 0.0, random)}
    one = found["O-T"]
    assert one.crossing.error < 5
    assert one.sound >= SOUND
    assert f"in {100 * one.sound:.0f} % of the bootstrap samples" in one.statement
    assert abs(one.crossing.value - 204) < 3 * one.crossing.error
    for t, value in zip(one.temperatures, one.differences, strict=True):
        assert abs(value.value - 1e3 * 0.15 * (1 - t / 204) / 8) < 4 * value.error
    assert found["R-O"].statement.startswith("not defined")


def test_a_single_passage_is_no_balance():
    random = np.random.default_rng(8)
    legs = [leg(x, KB * x * random.gamma(60, size=200)) for x in (190.0, 200.0)]
    labels = [
        labels_of([Part(0, 200)], [1]),
        labels_of([Part(0, 90), Part(90, 200)], [1, 2]),
    ]
    found = balances(legs, labels, free_steps(legs, 0.0), 0.0, random)
    assert all(b.statement.startswith("not defined") for b in found)
    assert all(np.isnan(b.crossing.value) for b in found)


def stretches(t, share, count, random):
    """Ten frames in O or T at a time, in any order, with a given share of T."""
    state = random.permutation(np.arange(count) < round(share * count))
    parts = [Part(10 * k, 10 * k + 10) for k in range(count)]
    energy = KB * t * random.gamma(250, size=10 * count)
    return leg(t, energy), labels_of(parts, [1 + int(x) for x in state])


def balance_of(temperatures, shares, count=60):
    """Of O and T, whose shares at the temperatures need not follow one free energy."""
    random = np.random.default_rng(5)
    each = [stretches(t, s, count, random) for t, s in zip(temperatures, shares, strict=True)]
    legs, labels = zip(*each, strict=True)
    return balances(legs, labels, free_steps(legs, 0.0), 0.0, random)[1]


def test_a_difference_that_changes_its_sign_more_than_once_gives_no_transition():
    one = balance_of((170.0, 200.0, 235.0, 275.0), (0.2, 0.8, 0.2, 0.8))
    assert np.sign([v.value for v in one.differences]).tolist() == [1, -1, 1, -1]
    assert "changes its sign 3 times between 170 and 275 K" in one.statement
    assert np.isnan(one.crossing.value)
    assert np.isnan(one.crossing.error)


def test_a_difference_that_rises_through_zero_gives_no_transition():
    one = balance_of((170.0, 200.0, 235.0), (0.7, 0.5, 0.3))
    assert "rises through zero" in one.statement
    assert np.isnan(one.crossing.value)


def test_phases_that_only_some_samples_find_equal_give_no_transition():
    one = balance_of((170.0, 200.0, 235.0), (0.46, 0.4, 0.6), count=25)
    assert [v.value > 0 for v in one.differences] == [True, True, False]
    assert 0 < one.sound < SOUND
    assert f"only in {100 * one.sound:.0f} % of the bootstrap samples" in one.statement
    assert np.isnan(one.crossing.value)


@pytest.mark.parametrize("changes", [3, 4])
def test_phases_must_be_left_twice_there_and_back(changes):
    random = np.random.default_rng(8)
    n = 40 * (changes + 1)
    legs = [leg(200.0, KB * 200.0 * random.gamma(60, size=n))]
    parts = [Part(40 * k, 40 * k + 40) for k in range(changes + 1)]
    labels = [labels_of(parts, [1 + k % 2 for k in range(changes + 1)])]
    one = balances(legs, labels, [], 0.0, random)[1]
    if changes < 4:
        assert one.statement.startswith("not defined")
        assert "3 changes at the most, 4 are needed" in one.statement
    else:
        assert one.temperatures == [200.0]
