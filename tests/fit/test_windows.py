"""Windows of the adjoint against the horizon that a run before them has measured."""

from dataclasses import replace

import pytest
from training import PLAN, metrics, trainer

from ocvf_lmp.fit import estimators
from ocvf_lmp.fit.progress import Silent
from ocvf_lmp.fit.site import Run
from ocvf_lmp.md.horizon import E_FOLDS, Horizon
from ocvf_lmp.md.lyapunov import Lyapunov

TIMESTEP = 0.002
MEASURED = replace(PLAN, horizon=80, window=40)


class Told(Silent):
    """Keeps what is said."""

    def __init__(self):
        self.remarks = []

    def remark(self, state, text):
        self.remarks.append((state, text))


def parting_after(steps, monkeypatch):
    """The shadow finds that so many steps are usable."""
    rate = E_FOLDS / (steps * TIMESTEP)
    monkeypatch.setattr(
        estimators,
        "largest_exponent",
        lambda model, species, state, *rest: (Lyapunov(rate, 0.1, 0.12), state),
    )


def test_the_first_window_is_the_usable_one(prior, tmp_path, monkeypatch):
    parting_after(27, monkeypatch)
    found = trainer(prior, tmp_path, plan=MEASURED)
    found.run()
    lines = metrics(tmp_path)
    assert all(line["updated"] for line in lines)
    assert lines[0]["window_ps"] == pytest.approx(25 * TIMESTEP)  # whole frames of 5 steps
    # it grows no further than the horizon, only to be refused there
    assert max(line["window_ps"] for line in lines) == pytest.approx(27 * TIMESTEP)


def test_the_planned_window_is_kept_where_the_horizon_allows_it(prior, tmp_path, monkeypatch):
    parting_after(41, monkeypatch)
    trainer(prior, tmp_path, plan=MEASURED).run()
    assert [line["window_ps"] for line in metrics(tmp_path)] == pytest.approx([40 * TIMESTEP] * 3)


def test_the_first_window_is_not_cut_below_the_least_one(prior, tmp_path, monkeypatch):
    parting_after(3, monkeypatch)
    trainer(prior, tmp_path, plan=MEASURED).run()
    lines = metrics(tmp_path)
    assert [line["window_ps"] for line in lines] == pytest.approx([10 * TIMESTEP] * 3)
    assert not any(line["updated"] for line in lines)
    assert all("noise" in line["reason"] for line in lines)


def test_a_window_grows_back_by_a_tenth_to_what_is_usable():
    plan = replace(PLAN, window=100)

    def grown(window, usable):
        run = Run(1, None, window)  # pyright: ignore
        run.adapt_window(Horizon(1.0, window * TIMESTEP, usable * TIMESTEP), plan, TIMESTEP)
        return run.window

    assert grown(45, 1e9) == 50
    assert grown(45, float("inf")) == 50
    assert grown(50, 52.5) == 52
    assert grown(99, 1e9) == 100
    assert grown(50, 30.5) == 30


@pytest.mark.parametrize(("memory", "empty"), [(10.0, True), (0.01, False)])
def test_an_empty_usable_window_is_said_once(prior, tmp_path, monkeypatch, memory, empty):
    parting_after(27, monkeypatch)
    found, told = trainer(prior, tmp_path, plan=MEASURED), Told()
    share = estimators.Window.pooled

    def slow_cell(self, shares, site, plan):
        site.relaxation = replace(site.relaxation, time=memory)
        return share(self, shares, site, plan)

    monkeypatch.setattr(estimators.Window, "pooled", slow_cell)
    found.run(told)
    assert len(told.remarks) == empty
    for state, text in told.remarks:
        assert state == "100K"
        assert "too short" in text
        assert "the usable window is empty" in text
        assert "estimator: reweight" in text
