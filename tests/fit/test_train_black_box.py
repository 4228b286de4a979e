"""Training on top of a calculator, in worker processes, against the same prior in torch."""

import json
from dataclasses import replace

import pytest
from argon import ARGUMENTS, FACTORY, Argon, correction

from ocvf_lmp.errors import InputError, ModelFileError
from ocvf_lmp.fit.experiment import Experiment
from ocvf_lmp.fit.logbook import Logbook
from ocvf_lmp.fit.objective import NamedTarget
from ocvf_lmp.fit.plan import StatePoint, TrainingPlan
from ocvf_lmp.fit.targets import LatticeTarget
from ocvf_lmp.fit.team import Processes
from ocvf_lmp.fit.train import Trainer
from ocvf_lmp.md.parameters import NptParameters
from ocvf_lmp.potential.foreign.calculator import calculator_prior
from ocvf_lmp.potential.weights import load_potential
from ocvf_lmp.system.structure import from_ase

PLAN = TrainingPlan(
    estimator="reweight", epochs=2, sample_every=2, sampling=40, relaxation=10, min_effective=0.3,
    equilibration=10, evaluation=20, evaluate_every=4, learning_rate=0.05,
)  # fmt: skip


def states(lattice=5.5):
    from ase.build import bulk

    structure = from_ase(bulk("Ar", "fcc", a=5.35, cubic=True).repeat(2), ("Ar",))
    return [
        StatePoint(
            f"{t:g}K", structure, (2, 2, 2), NptParameters(temperature=t, timestep=0.004),
            [NamedTarget("lattice", LatticeTarget(t, 1.0, (lattice,) * 3))],
        )
        for t in (30.0, 40.0)
    ]  # fmt: skip


def trained(prior, folder, processes, plan=PLAN):
    """Metrics of a training, without the time that it took."""
    points = states()
    corrections = dict.fromkeys([s.name for s in points], correction(zero_start=True))
    experiment = Experiment(prior, corrections, points, plan, Logbook(folder, {}, shared=True))
    trainer = Trainer(experiment)
    if isinstance(prior, Argon):
        with pytest.raises(ModelFileError, match="Argon"):  # at the end: it cannot be stored
            trainer.run()
    elif processes:
        with Processes(2, 1, experiment) as team:
            trainer.run(team=team)
    else:
        trainer.run()
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def box():
    return calculator_prior(FACTORY, ("Ar",), ARGUMENTS)


@pytest.mark.slow
def test_training_with_a_calculator_is_that_with_the_same_prior_in_torch(tmp_path):
    found = trained(box(), tmp_path / "box", processes=True)
    expected = trained(Argon(), tmp_path / "torch", processes=False)
    assert len(found) == len(expected) == 4
    for line, other in zip(found, expected, strict=True):
        assert line["loss"] == pytest.approx(other["loss"], rel=1e-7)
        assert line["a"] == pytest.approx(other["a"], rel=1e-9)
    read = load_potential(tmp_path / "box" / "potential.pt")[0]
    assert read.prior.factory == FACTORY
    assert any(bool(p.any()) for p in read.correction.outputs[0].final.parameters())


def test_the_adjoint_is_refused_with_what_to_do(tmp_path):
    with pytest.raises(InputError, match=r"estimator: adjoint.*reweight"):
        trained(box(), tmp_path, processes=False, plan=replace(PLAN, estimator="adjoint"))
