"""Trainings that begin with the corrections of an earlier one."""

import json
from dataclasses import replace

import pytest
import torch
from training import PLAN, correction, die_after, state, trainer

from ocvf_lmp.build.start import read_samples, read_start
from ocvf_lmp.errors import InputError
from ocvf_lmp.fit.experiment import Experiment
from ocvf_lmp.fit.logbook import Logbook
from ocvf_lmp.fit.site import first_state, make_sites
from ocvf_lmp.fit.train import Trainer
from ocvf_lmp.potential.composite import Corrected
from ocvf_lmp.potential.experts import Experts
from ocvf_lmp.potential.pair_series import PairSeries, PairTerm
from ocvf_lmp.potential.weights import save_potential

PRIOR = {"sha256": "that of the prior"}


def moved(amount):
    network = correction()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(amount)
    return network


def equal(weights, module) -> bool:
    found = module.state_dict()
    return weights.keys() == found.keys() and all(torch.equal(weights[k], found[k]) for k in found)


def written(path, prior, term):
    save_potential(path, Corrected(prior, term), {"prior": PRIOR})
    return path


def test_every_state_takes_the_expert_of_its_temperature(prior, tmp_path):
    experts = [moved(0.01), moved(0.02)]
    path = written(tmp_path / "gated.pt", prior, Experts(experts, [100.0, 300.0], 30.0))
    states = [state(300.0), replace(state(200.0), held_out=True), state(100.0)]
    found = read_start(path, {s.name: correction() for s in states}, states)
    assert found.prior == "that of the prior"
    assert found.weights.keys() == {"100K", "300K"}
    assert equal(found.weights["100K"], experts[0])
    assert equal(found.weights["300K"], experts[1])


def test_a_single_correction_serves_every_state(prior, tmp_path):
    one = moved(0.01)
    path = written(tmp_path / "one.pt", prior, one)
    states = [state(300.0), state(100.0)]
    found = read_start(path, {s.name: correction() for s in states}, states)
    assert equal(found.weights["100K"], one)
    assert equal(found.weights["300K"], one)


def test_what_does_not_fit_is_refused(prior, tmp_path):
    states, ours = [state(100.0)], {"100K": correction()}
    gated = written(tmp_path / "gated.pt", prior, Experts([correction()], [150.0], 30.0))
    with pytest.raises(InputError, match=r"for 100 K .* found those for 150 K"):
        read_start(gated, ours, states)
    series = PairSeries(("Ba", "Ti", "O"), [PairTerm((1.0, 1.0, 1.0), 1.5, 6.0, 4)])
    with pytest.raises(InputError, match="of this training's size"):
        read_start(written(tmp_path / "series.pt", prior, series), ours, states)
    save_potential(tmp_path / "prior.pt", prior, {})
    with pytest.raises(InputError, match="expected a corrected potential"):
        read_start(tmp_path / "prior.pt", ours, states)


def test_a_state_begins_with_the_expert_that_is_chosen_for_it(prior, tmp_path):
    experts = Experts([moved(0.01), moved(0.02)], [100.0, 300.0], 30.0)
    path = written(tmp_path / "gated.pt", prior, experts)
    states = [state(100.0), state(300.0)]
    ours = {s.name: correction() for s in states}
    found = read_start(path, ours, states, {"300K": 100.0})
    assert all(equal(weights, experts.experts[0]) for weights in found.weights.values())
    shared = correction()
    with pytest.raises(InputError, match=r"expected one correction in .* found experts"):
        read_start(path, {s.name: shared for s in states}, states, {"300K": 100.0})


def test_a_shared_correction_begins_with_the_expert_that_is_named(prior, tmp_path):
    experts = Experts([moved(0.01), moved(0.02)], [100.0, 300.0], 30.0)
    path = written(tmp_path / "gated.pt", prior, experts)
    states, shared = [state(300.0), state(100.0)], correction()
    with pytest.raises(
        InputError, match=r"expected one correction in .* found experts for 100, 300"
    ):
        read_start(path, {s.name: shared for s in states}, states)
    found = read_start(
        path, {s.name: shared for s in states}, states, {s.name: 100.0 for s in states}
    )
    assert found.weights.keys() == {"100K", "300K"}
    assert all(equal(weights, experts.experts[0]) for weights in found.weights.values())
    with pytest.raises(InputError, match=r"for 200 K .* found those for 100, 300 K"):
        read_start(path, {s.name: shared for s in states}, states, {s.name: 200.0 for s in states})
    one = moved(0.03)
    path = written(tmp_path / "one.pt", prior, one)
    found = read_start(path, {s.name: shared for s in states}, states)
    assert all(equal(weights, one) for weights in found.weights.values())


def test_the_prior_is_measured_before_the_start_is_taken_over(prior, tmp_path):
    start = {"100K": moved(0.05).state_dict()}

    def run(folder, weights):
        states = [state()]
        ours = {"100K": correction()}
        plan = replace(PLAN, epochs=1, learning_rate=1e-12)
        logbook = Logbook(tmp_path / folder, {}, shared=True)
        Trainer(Experiment(prior, ours, states, plan, logbook, start=weights)).run()
        scores = json.loads((tmp_path / folder / "evaluation.json").read_text())
        return scores["before"], scores["after"], ours["100K"]

    before, after, ours = run("started", start)
    assert before == run("from_zero", {})[0]
    assert before["100K"]["relative_entropy"] == 0.0
    assert after["100K"]["relative_entropy"] != 0.0
    for name, value in ours.state_dict().items():
        assert torch.allclose(value, start["100K"][name], atol=1e-9), name


@pytest.mark.parametrize("killed_after", [None, 3, 4])
@pytest.mark.parametrize("stretch", [None, 1.02])
def test_runs_begin_again_from_their_samples_with_the_corrections_of_the_start(
    prior, tmp_path, killed_after, stretch, monkeypatch
):
    """And not from where the prior has left them, also if it was killed in between."""
    weights = {"100K": moved(0.05).state_dict()}
    sample = state().structure
    samples = {}
    if stretch:
        sample = replace(sample, positions=stretch * sample.positions, cell=stretch * sample.cell)
        samples["100K", 1] = sample

    def trainer_of(folder):
        logbook = Logbook(tmp_path / folder, {}, shared=True)
        ours, plan = {"100K": correction()}, replace(PLAN, epochs=1, learning_rate=1e-12)
        return Trainer(
            Experiment(prior, ours, [state()], plan, logbook, start=weights, samples=samples)
        )

    found = trainer_of("run")
    if killed_after:
        die_after(killed_after, monkeypatch)
        with pytest.raises(KeyboardInterrupt):
            found.run()
        monkeypatch.undo()
        found = trainer_of("run")
    monkeypatch.setattr(found, "_wants_epochs", lambda: False)
    monkeypatch.setattr(found, "_measure", stop_at("after", found._measure))
    with pytest.raises(KeyboardInterrupt):
        found.run()
    run, whole = found.sites[0].runs[0], found.sites[0].model
    whole.correction.load_state_dict(weights["100K"])
    site = make_sites(found.experiment)[0]
    engine, species = found.experiment.engine, site.objective.species
    begun = first_state(site.point, 1, PLAN, sample)
    for _ in range(2):  # equilibrated with the start's corrections, and relaxed
        begun = engine.run(
            whole, species, begun, site.point.params, PLAN.equilibration, 4, lambda frame: None
        )
    assert torch.equal(run.state.positions, begun.positions)
    assert run.stage == "relaxed"


def stop_at(when, measure):
    """A measurement that is not made."""

    def made(stage, name, after):
        if name == when:
            raise KeyboardInterrupt
        measure(stage, name, after)

    return made


def test_a_training_that_goes_on_does_not_begin_again(prior, tmp_path):
    states, start = [state()], {"100K": moved(0.05).state_dict()}

    def trainer_of(epochs):
        logbook = Logbook(tmp_path, {}, shared=True)
        plan = replace(PLAN, epochs=epochs)
        return Trainer(
            Experiment(prior, {"100K": correction()}, states, plan, logbook, start=start)
        )

    first = trainer_of(2)
    first.run()
    trained = {k: v.clone() for k, v in first.experiment.corrections["100K"].state_dict().items()}
    again = trainer_of(2)
    again.run()
    assert equal(trained, again.experiment.corrections["100K"])


def test_samples_of_the_training_that_wrote_the_start(prior, tmp_path):
    """By state and run; what it did not have begins as ever."""
    earlier = trainer(prior, tmp_path, plan=replace(PLAN, epochs=1))
    earlier.run()
    ended = earlier.sites[0].runs[0].state
    found = read_samples(tmp_path / "potential.pt", [state(), state(300.0)], replicas=2)
    assert found.keys() == {("100K", 1)}
    assert torch.equal(found["100K", 1].positions, ended.positions)
    assert torch.equal(found["100K", 1].cell, ended.cell)
    assert torch.equal(found["100K", 1].species, state().structure.species)
    with pytest.raises(InputError, match=r"expected samples of 300K .* found those of 100K"):
        read_samples(tmp_path / "potential.pt", [state(300.0)], replicas=1)
    backwards = state().structure
    backwards = replace(
        backwards,
        species=backwards.species.flip(0),
        positions=backwards.positions.flip(0),
    )
    with pytest.raises(InputError, match="in the order of this training's"):
        read_samples(tmp_path / "potential.pt", [replace(state(), structure=backwards)], 1)
    with pytest.raises(InputError, match=r"leave training\.start_samples away"):
        read_samples(tmp_path / "elsewhere" / "potential.pt", [state()], 1)
