"""Replicas, states that are held out, staying near the prior, and the rigid ansatz in training."""

import json
from dataclasses import replace

import pytest
import torch
from training import PLAN, SYMBOLS, correction, metrics, parameters_of, state, trainer

from ocvf_lmp.errors import InputError
from ocvf_lmp.fit.experiment import Experiment
from ocvf_lmp.fit.logbook import Logbook
from ocvf_lmp.fit.plan import TrainingPlan
from ocvf_lmp.fit.replay import mean_square_force
from ocvf_lmp.fit.team import Processes
from ocvf_lmp.fit.train import Trainer
from ocvf_lmp.potential.experts import Experts
from ocvf_lmp.potential.pair_series import PairSeries, PairTerm

REWEIGHT = replace(
    PLAN, estimator="reweight", sampling=32, sample_every=2, relaxation=4, min_signal=0.0
)


def test_replicas_are_pooled_and_give_an_error(prior, tmp_path):
    plan = replace(PLAN, replicas=2, epochs=2)
    found = trainer(prior, tmp_path, plan=plan)
    assert not torch.equal(*(run.state.momenta for run in found.sites[0].runs))
    found.run()
    lines = metrics(tmp_path)
    assert all(line["grad_error"] > 0 for line in lines)
    assert (tmp_path / "replica2_100K.h5").is_file()
    scores = json.loads((tmp_path / "evaluation.json").read_text())
    assert scores["before"].keys() == {"100K"}


@pytest.mark.parametrize("plan", [PLAN, REWEIGHT])
def test_replicas_in_two_processes_give_the_same_and_resume(prior, tmp_path, plan, monkeypatch):
    plan = replace(plan, replicas=2, epochs=2)
    whole = trainer(prior, tmp_path / "whole", plan=plan)
    whole.run()
    other = trainer(prior, tmp_path / "processes", plan=plan)
    with Processes(2, 1, other.experiment) as team:
        other.run(team=team)
    assert torch.equal(parameters_of(whole), parameters_of(other))
    save, count = Logbook.save, 0

    def die(self, content):
        nonlocal count
        save(self, content)
        count += 1
        if count == 3:  # one of two replicas has been measured
            raise KeyboardInterrupt

    monkeypatch.setattr(Logbook, "save", die)
    with pytest.raises(KeyboardInterrupt):
        trainer(prior, tmp_path / "cut", plan=plan).run()
    monkeypatch.undo()
    resumed = trainer(prior, tmp_path / "cut", plan=plan)
    assert [run.stage for run in resumed.sites[0].runs] == ["training", "equilibrated"]
    resumed.run()
    assert torch.equal(parameters_of(whole), parameters_of(resumed))
    assert metrics(tmp_path / "whole") == metrics(tmp_path / "cut")


def held_out(prior, folder, plan):
    states = [state(100.0), replace(state(200.0), held_out=True), state(300.0)]
    corrections = {"100K": correction(), "300K": correction()}
    corrections["200K"] = Experts(list(corrections.values()), (100.0, 300.0), 50.0, 200.0)
    logbook = Logbook(folder, {}, shared=False)
    return Trainer(Experiment(prior, corrections, states, plan, logbook))


def test_a_state_that_is_held_out_is_watched_and_not_trained_on(prior, tmp_path):
    plan = replace(PLAN, validate_every=1, validation=20)
    found = held_out(prior, tmp_path, plan)
    found.run()
    lines = [json.loads(x) for x in (tmp_path / "validation.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert lines[0]["ratio"] == 1.0
    assert lines[1]["states"]["200K"]["loss"] > 0
    assert {line["state"] for line in metrics(tmp_path)} == {"100K", "300K"}
    scores = json.loads((tmp_path / "evaluation.json").read_text())
    assert scores["after"]["200K"]["held_out"]
    assert {p.name for p in tmp_path.glob("potential*")} == {
        "potential.pt", "potential_100K.pt", "potential_300K.pt",
    }  # fmt: skip


def test_training_stops_when_the_held_out_loss_rises_and_gives_back_the_best(
    prior, tmp_path, monkeypatch
):
    plan = replace(PLAN, epochs=9, validate_every=1, validation=20, stop_after=2)
    found = held_out(prior, tmp_path, plan)
    looks, real, seen = iter([5.0, 3.0, 4.0, 6.0]), found.validation.look, []

    def look(epoch, tables):
        seen.append(found.experiment.corrections["100K"].state_dict()["scale"].clone())
        weights = [p.detach().clone() for p in found.experiment.corrections["100K"].parameters()]
        seen[-1] = weights
        real(epoch, {"200K": tables["200K"] | {"loss": next(looks)}})

    monkeypatch.setattr(found.validation, "look", look)
    found.run()
    assert found.epoch == 4
    final = list(found.experiment.corrections["100K"].parameters())
    assert all(torch.equal(a, b) for a, b in zip(final, seen[1], strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(final, seen[3], strict=True))
    again = held_out(prior, tmp_path, plan)
    assert again.validation.stopped
    assert again.validation.history == found.validation.history


def test_staying_near_the_prior_pulls_the_forces_down(prior, tmp_path):
    free = trainer(prior, tmp_path / "free", plan=REWEIGHT)
    near = trainer(prior, tmp_path / "near", plan=replace(REWEIGHT, closeness=1e6))
    free.run()
    near.run()
    frames = next(iter(near.replay.frames.values()))
    forces = [mean_square_force(t.sites[0], frames)[0] for t in (free, near)]
    assert 0.0 < forces[1] < 0.5 * forces[0]


def test_the_penalty_on_forces_has_the_gradient_of_finite_differences(prior, tmp_path):
    found = trainer(prior, tmp_path, plan=REWEIGHT)
    found.run()
    site, frames = found.sites[0], None
    run = site.runs[0]
    frames = [(run.ensemble.positions[0], run.ensemble.cells[0])]
    _, gradients = mean_square_force(site, frames)
    name, parameter = list(site.model.correction.named_parameters())[-1]
    place, step = (0,) * parameter.dim(), 1e-5
    values = []
    for sign in (1, -1):
        with torch.no_grad():
            parameter[place] += sign * step
        values.append(mean_square_force(site, frames)[0])
        with torch.no_grad():
            parameter[place] -= sign * step
    expected = (values[0] - values[1]) / (2 * step)
    assert float(gradients[name][place]) == pytest.approx(expected, rel=1e-5)


def test_the_rigid_ansatz_trains_and_is_written(prior, tmp_path):
    plan = replace(REWEIGHT, ansatz="cevm", epochs=2, equilibration=20)
    series = PairSeries(SYMBOLS, [PairTerm((0.5, -0.5, 1.2), 1.6, 2.9, 3)])
    logbook = Logbook(tmp_path, {}, shared=True)
    found = Trainer(Experiment(prior, {"100K": series}, [state()], plan, logbook))
    found.run()
    assert float(series.coefficients.detach().abs().max()) > 0.0
    assert (tmp_path / "potential.pt").is_file()


def test_a_gradient_that_is_noise_is_refused_and_the_next_run_longer(prior, tmp_path):
    plan = replace(REWEIGHT, min_signal=1e9, epochs=1, patience=2)
    found = trainer(prior, tmp_path, plan=plan)
    start = parameters_of(found).clone()
    found.run()
    (line,) = metrics(tmp_path)
    assert not line["updated"]
    assert "noise" in line["reason"]
    assert found.sites[0].stretch == pytest.approx(1.5)
    assert torch.equal(start, parameters_of(found))


def test_what_cannot_be_combined_is_refused(prior, tmp_path):
    for options in ({"ansatz": "cevm"}, {"entropy_weight": 1.0}):
        with pytest.raises(InputError, match="estimator: reweight"):
            TrainingPlan(estimator="adjoint", **options)
    only = replace(state(), held_out=True)
    logbook = Logbook(tmp_path, {}, shared=True)
    with pytest.raises(InputError, match="held out"):
        Experiment(prior, {"100K": correction()}, [only], PLAN, logbook)
