import math

from ocvf_lmp.md.diagnosis import Diagnosis
from ocvf_lmp.md.horizon import Horizon
from ocvf_lmp.md.relaxation import Relaxation


def at(length, usable, relaxation):
    slowest = None if relaxation is None else Relaxation("volume", relaxation, 0.01, 100.0)
    return Diagnosis(Horizon(3.0 / usable, length, usable, 0.1), slowest)


def test_between_relaxation_and_horizon_a_window_is_good():
    found = at(0.2, 0.3, 0.1)
    assert found.verdict == "good"
    assert not found.empty
    assert found.refusal == ""
    assert "good" in str(found)


def test_a_good_window_says_so_where_the_relaxation_is_a_lower_bound():
    horizon = Horizon(10.0, 0.2, 0.3, 0.1)
    assert "or more" in str(Diagnosis(horizon, Relaxation("volume", 0.1, 0.01, 1.0)))
    assert "volume" not in str(Diagnosis(horizon, Relaxation("volume", 0.1, 0.01, 100.0)))


def test_a_window_shorter_than_the_relaxation_is_noted_but_not_refused():
    found = at(0.05, 0.3, 0.1)
    assert found.verdict == "too short"
    assert found.refusal == ""
    assert "beginning of the response; volume relaxes in 0.1" in str(found)
    assert "reweight" not in str(found)


def test_a_window_beyond_the_horizon_is_refused_with_the_reason():
    found = at(0.4, 0.3, 0.1)
    assert found.verdict == "beyond the horizon"
    assert "noise" in found.refusal
    assert "usable up to 0.3 ps" in found.refusal


def test_where_the_cell_is_slower_than_the_horizon_no_window_is_good():
    for length in (0.05, 0.2, 0.4):
        found = at(length, 0.3, 0.9)
        assert found.empty
        assert found.verdict == ("too short" if length < 0.3 else "beyond the horizon")
        assert "the usable window is empty" in str(found)
        assert "estimator: reweight" in str(found)


def test_without_a_relaxation_only_the_horizon_speaks():
    assert at(0.2, 0.3, None).verdict == "good"
    assert at(0.4, 0.3, None).verdict == "beyond the horizon"
    assert not at(0.4, 0.3, None).empty
    assert Diagnosis(Horizon(0.0, 1.0, math.inf)).verdict == "good"
