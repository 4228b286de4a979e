"""Training through the twin, on one cell of BaTiO3 with the shipped prior."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from training import (
    GAUSS_NEWTON,
    PLAN,
    REWEIGHT,
    correction,
    die_after,
    metrics,
    parameters_of,
    state,
    trainer,
)

from ocvf_lmp.errors import InputError, OcvfError, SimulationError, TrainingError
from ocvf_lmp.fit import estimators
from ocvf_lmp.fit.estimate import GradientEstimate
from ocvf_lmp.fit.experiment import Experiment
from ocvf_lmp.fit.logbook import Logbook, forget_run
from ocvf_lmp.fit.plan import StatePoint, TrainingPlan
from ocvf_lmp.fit.site import EARLIER
from ocvf_lmp.fit.train import Trainer
from ocvf_lmp.md.adjoint import adjoint_gradient
from ocvf_lmp.md.horizon import Horizon
from ocvf_lmp.md.parameters import NptParameters
from ocvf_lmp.md.rollout import rollout
from ocvf_lmp.potential.composite import Corrected
from ocvf_lmp.potential.experts import experts_of
from ocvf_lmp.potential.weights import load_potential


def test_a_run_leaves_everything_that_it_promises(prior, tmp_path):
    found = trainer(prior, tmp_path)
    start = parameters_of(found).clone()
    found.run()
    assert not torch.equal(start, parameters_of(found))
    scores = json.loads((tmp_path / "evaluation.json").read_text())
    assert scores["before"]["100K"]["parts"].keys() == {"lattice", "pdf"}
    assert scores["before"]["100K"]["r_w_error"]["pdf"] > 0
    lines = [json.loads(x) for x in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    curves = np.load(tmp_path / "evaluation_after_100K.npz")
    assert curves["target0_simulated"].shape == curves["target0_g"].shape
    assert bool(curves["target0_synthetic"])
    model, _ = load_potential(tmp_path / "potential.pt")
    saved = torch.cat([p.flatten() for p in model.correction.parameters()])
    assert torch.equal(saved, parameters_of(found))
    assert (tmp_path / "trajectory_100K.h5").is_file()


def test_the_correction_starts_at_exactly_zero(prior, tmp_path):
    """The prior with a correction and the prior alone run the same trajectory, bit for bit."""
    found = trainer(prior, tmp_path)
    site = found.sites[0]

    runs = [
        rollout(
            model, site.objective.species, site.runs[0].state, site.point.params, 10
        ).state.positions
        for model in (site.model, prior)
    ]
    assert torch.equal(runs[0], runs[1])


def test_the_gradient_step_lowers_the_loss_of_the_same_window(prior, tmp_path):
    found = trainer(prior, tmp_path, plan=TrainingPlan(
        estimator="adjoint", epochs=1, window=40, min_window=10, sample_every=5, memory=0.0,
        equilibration=10, evaluation=20, evaluate_every=4, learning_rate=1e-4,
    ))  # fmt: skip
    site = found.sites[0]

    def window():
        return adjoint_gradient(
            site.model, site.objective.species, site.runs[0].state, site.point.params, 40,
            site.objective.observe, site.objective.loss, 5,
        )  # fmt: skip

    before = window()
    slopes = {k.removeprefix(Corrected.CORRECTION): v for k, v in before.gradients.items()}
    estimate = GradientEstimate(before.loss, slopes, {}, before.observables, 0.0)
    found.optimiser.step(0, [(site, estimate, [])], found._each)
    assert window().loss < before.loss


@pytest.mark.parametrize(
    ("killed_after", "plan"),
    [(1, PLAN), (2, PLAN), (4, PLAN), (8, PLAN), (3, REWEIGHT), (4, REWEIGHT), (5, GAUSS_NEWTON)],
)
def test_a_killed_run_resumes_to_the_same_parameters(
    prior, tmp_path, killed_after, plan, monkeypatch
):
    """Killed right after the n-th checkpoint.

    Equilibration, measurement, its pooling, three epochs, relaxation, measurement, its pooling.
    """
    whole = trainer(prior, tmp_path / "whole", plan=plan)
    whole.run()
    die_after(killed_after, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        trainer(prior, tmp_path / "cut", plan=plan).run()
    monkeypatch.undo()
    resumed = trainer(prior, tmp_path / "cut", plan=plan)
    resumed.run()
    assert torch.equal(parameters_of(whole), parameters_of(resumed))
    assert metrics(tmp_path / "whole") == metrics(tmp_path / "cut")
    for name in ("before", "after"):
        values = [
            json.loads((tmp_path / run / "evaluation.json").read_text())[name]
            for run in ("whole", "cut")
        ]
        assert values[0] == values[1]


def test_a_loss_that_is_not_a_number_ends_training_and_keeps_the_last_good_state(
    prior, tmp_path, monkeypatch
):
    found = trainer(prior, tmp_path)
    real = estimators.adjoint_gradient
    calls = 0

    def poisoned(*arguments, **options):
        nonlocal calls
        calls += 1
        result = real(*arguments, **options)
        if calls == 2:
            next(iter(result.gradients.values())).fill_(float("nan"))
        return result

    monkeypatch.setattr(estimators, "adjoint_gradient", poisoned)
    with pytest.raises(TrainingError, match="learning_rate"):
        found.run()
    good = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert good["epoch"] == 1
    assert all(torch.isfinite(v).all() for v in good["corrections"]["100K"].values())


def test_an_exploding_cell_ends_training_with_the_last_good_thermodynamics(prior, tmp_path):
    wild = StatePoint(
        "100K", state().structure, (1, 1, 1),
        NptParameters(temperature=100.0, pressure=-4.0e6, timestep=0.002, p_damp=0.02),
        state().targets,
    )  # fmt: skip
    with pytest.raises(SimulationError, match="last good"):
        trainer(prior, tmp_path, [wild], TrainingPlan(equilibration=400, epochs=1)).run()


def test_a_full_disk_is_reported_and_the_old_checkpoint_stays(prior, tmp_path, monkeypatch):
    found = trainer(prior, tmp_path)
    found.run()
    before = (tmp_path / "checkpoint.pt").read_bytes()

    def full(content, path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OcvfError, match="No space left on device"):
        found._save()
    assert (tmp_path / "checkpoint.pt").read_bytes() == before


def test_gradients_beyond_the_horizon_are_refused_and_the_window_shortens(
    prior, tmp_path, monkeypatch
):
    real = estimators.adjoint_gradient

    def chaotic(*arguments, **options):
        result = real(*arguments, **options)
        object.__setattr__(result, "horizon", Horizon(200.0, 0.04, 0.015))
        return result

    monkeypatch.setattr(estimators, "adjoint_gradient", chaotic)
    plan = replace(PLAN, epochs=9, patience=3)
    found = trainer(prior, tmp_path, plan=plan)
    start = parameters_of(found).clone()
    with pytest.raises(TrainingError, match="trusted"):
        found.run()
    assert torch.equal(start, parameters_of(found))
    assert found.sites[0].runs[0].window == 10


def test_reweighting_samples_again_only_where_too_few_frames_count(prior, tmp_path):
    steady = replace(REWEIGHT, learning_rate=1e-9, epochs=3)
    trainer(prior, tmp_path / "steady", plan=steady).run()
    lines = metrics(tmp_path / "steady")
    assert [line["window_ps"] > 0 for line in lines] == [True, False, False]
    assert lines[1]["effective"] > 0.99
    assert lines[0]["grad_error"] > 0
    assert lines[0]["loss_error"] > 0
    assert lines[0]["part_errors"].keys() == lines[0]["parts"].keys()
    moving = replace(REWEIGHT, learning_rate=0.5, epochs=2, min_effective=1.0 - 1e-9)
    trainer(prior, tmp_path / "moving", plan=moving).run()
    lines = metrics(tmp_path / "moving")
    assert [line["window_ps"] > 0 for line in lines] == [True, True]


def test_gauss_newton_looks_at_earlier_samples_too(prior, tmp_path):
    found = trainer(prior, tmp_path, plan=GAUSS_NEWTON)
    found.run()
    lines = metrics(tmp_path)
    assert all(line["window_ps"] > 0 for line in lines)  # every epoch samples
    assert lines[0]["effective"] == pytest.approx(1.0)
    assert all(1.1 < line["effective"] < 3.0 for line in lines[1:])
    assert len(found.sites[0].runs[0].earlier) == EARLIER


def test_two_states_share_one_correction(prior, tmp_path):
    found = trainer(prior, tmp_path, [state(100.0), state(300.0)])
    found.run()
    lines = [json.loads(x) for x in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["state"] for line in lines] == ["100K", "300K"] * 3
    assert [p.name for p in tmp_path.glob("potential*")] == ["potential.pt"]


def test_separate_corrections_are_written_one_by_one_and_behind_a_gate(prior, tmp_path):
    states = [state(300.0), state(100.0)]
    corrections = {s.name: correction() for s in states}
    plan = replace(PLAN, epochs=1, gate_width=40.0)
    logbook = Logbook(tmp_path, {}, shared=False)
    found = Trainer(Experiment(prior, corrections, states, plan, logbook))
    found.run()
    names = {path.name for path in tmp_path.glob("potential*")}
    assert names == {"potential.pt", "potential_100K.pt", "potential_300K.pt"}
    gate = experts_of(load_potential(tmp_path / "potential.pt")[0])
    assert (gate.anchors, gate.width) == ((100.0, 300.0), 40.0)
    for expert, name in zip(gate.experts, ("100K", "300K"), strict=True):
        single = load_potential(tmp_path / f"potential_{name}.pt")[0].correction
        pairs = zip(expert.parameters(), single.parameters(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)


def test_a_training_that_was_done_goes_on_with_more_epochs(prior, tmp_path):
    trainer(prior, tmp_path, plan=replace(PLAN, epochs=1)).run()
    first = json.loads((tmp_path / "evaluation.json").read_text())
    more = trainer(prior, tmp_path, plan=replace(PLAN, epochs=3))
    assert more.epoch == 1
    more.run()
    assert [line["epoch"] for line in metrics(tmp_path)] == [1, 2, 3]
    second = json.loads((tmp_path / "evaluation.json").read_text())
    assert second["before"] == first["before"]
    assert second["after"] != first["after"]
    again = trainer(prior, tmp_path, plan=replace(PLAN, epochs=3))
    again.run()
    assert json.loads((tmp_path / "evaluation.json").read_text()) == second


def test_a_state_without_a_correction_is_refused(prior, tmp_path):
    with pytest.raises(InputError, match="one correction for each state"):
        Experiment(prior, {}, [state()], PLAN, Logbook(tmp_path, {}, shared=True))


def test_a_fresh_start_deletes_the_run_and_nothing_else(prior, tmp_path):
    trainer(prior, tmp_path).run()
    (tmp_path / "my_measurement.gr").write_text("precious")
    (tmp_path / ".checkpoint.pt.123.partial").write_text("of a killed process")
    forget_run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["my_measurement.gr"]


def test_what_a_killed_process_had_half_written_goes_when_the_run_is_resumed(prior, tmp_path):
    for name in (".checkpoint.pt.123.partial", ".trajectory_100K.h5.4.partial", ".mine.1.partial"):
        (tmp_path / name).write_text("half")
    trainer(prior, tmp_path)
    assert [path.name for path in tmp_path.glob(".*")] == [".mine.1.partial"]
