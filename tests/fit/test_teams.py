"""Several processes at the runs of a training."""

import json
import os
import signal
import time

import pytest
import torch
from training import GAUSS_NEWTON, IN_PARTS, PLAN, metrics, parameters_of, state, trainer

from ocvf_lmp.errors import SimulationError, TrainingError
from ocvf_lmp.fit.logbook import Logbook
from ocvf_lmp.fit.plan import StatePoint, TrainingPlan
from ocvf_lmp.fit.progress import Silent
from ocvf_lmp.fit.team import Processes
from ocvf_lmp.fit.train import Trainer
from ocvf_lmp.md.parameters import NptParameters


def processes(found: Trainer) -> Processes:
    return Processes(2, 1, found.experiment)


@pytest.mark.parametrize(
    ("plan", "shared"), [(PLAN, True), (GAUSS_NEWTON, False), (IN_PARTS, False)]
)
def test_two_processes_give_what_one_gives_bit_for_bit(prior, tmp_path, plan, shared):
    runs = []
    for name in ("alone", "together"):
        found = trainer(prior, tmp_path / name, [state(100.0), state(300.0)], plan, shared)
        if name == "alone":
            found.run()
        else:
            with processes(found) as team:
                found.run(team=team)
        scores = json.loads((tmp_path / name / "evaluation.json").read_text())
        runs.append((parameters_of(found), metrics(tmp_path / name), scores))
    assert torch.equal(runs[0][0], runs[1][0])
    assert len({tuple(half.tolist()) for half in runs[0][0].chunk(2)}) == 2
    assert runs[0][1:] == runs[1][1:]


def test_an_error_in_a_worker_is_the_trainings_error(prior, tmp_path):
    wild = StatePoint(
        "100K", state().structure, (1, 1, 1),
        NptParameters(temperature=100.0, pressure=-4.0e6, timestep=0.002, p_damp=0.02),
        state().targets,
    )  # fmt: skip
    found = trainer(prior, tmp_path, [wild, state(300.0)], TrainingPlan(equilibration=400))
    with pytest.raises(SimulationError, match="last good"), processes(found) as team:
        found.run(team=team)


def test_a_worker_that_is_ended_takes_no_further_job(prior, tmp_path):
    """The training is told, although other jobs wait for the worker."""
    found = trainer(prior, tmp_path, [state(100.0 + k) for k in range(4)])
    tasks = [(site, site.runs[0]) for site in found.sites]
    with processes(found) as team, pytest.raises(TrainingError, match="found one dead"):
        list(team.each(Ended(), tasks, found.experiment, Silent()))


class Ended:
    """A job whose process is asked to end."""

    def __call__(self, site, run, experiment, progress):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60.0)


def test_a_killed_worker_is_named_and_the_checkpoint_kept(prior, tmp_path, monkeypatch):
    found = trainer(prior, tmp_path, [state(100.0), state(300.0)])
    with processes(found) as team:
        save = Logbook.save

        def save_then_kill(self, content):
            save(self, content)
            for worker in list(team._pool._processes.values()):
                worker.kill()

        monkeypatch.setattr(Logbook, "save", save_then_kill)
        with pytest.raises(TrainingError, match="resumes from the last checkpoint"):
            found.run(team=team)
    monkeypatch.undo()
    again = trainer(prior, tmp_path, [state(100.0), state(300.0)])
    assert any(site.runs[0].stage == "equilibrated" for site in again.sites)
    again.run()
    assert again.epoch == PLAN.epochs
