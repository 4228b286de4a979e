"""Plans that could not be carried through are refused before anything is run."""

import re
from dataclasses import replace

import pytest
import torch
from training import PLAN, correction, state

from ocvf_lmp.errors import InputError
from ocvf_lmp.fit.experiment import Experiment
from ocvf_lmp.fit.fluctuations import Fluctuations
from ocvf_lmp.fit.logbook import Logbook
from ocvf_lmp.fit.plan import TrainingPlan
from ocvf_lmp.fit.reweight import pooled_gradient


def part(n_frames: int) -> Fluctuations:
    generator = torch.Generator().manual_seed(n_frames)
    weights = torch.full((n_frames,), 1.0 / n_frames, dtype=torch.float64)
    values = torch.randn(n_frames, 1, generator=generator, dtype=torch.float64)
    return Fluctuations({"x": values}, values[:, 0], {"a": values}, weights)


def jackknife_works(n_frames: int, replicas: int) -> bool:
    try:
        found = pooled_gradient(
            [part(n_frames)] * replicas, 300.0, lambda means: means["x"].square().sum()
        )
    except InputError:
        return False
    return bool(torch.isfinite(found.errors["a"]).all())


@pytest.mark.parametrize("replicas", [1, 2, 3, 8, 12])
def test_a_plan_needs_as_many_frames_as_the_error_of_its_gradient(replicas):
    for n_frames in range(1, 20):
        options = {"sampling": 10 * n_frames + 9, "sample_every": 10, "replicas": replicas}
        if jackknife_works(n_frames, replicas):
            TrainingPlan(**options)
        else:
            with pytest.raises(InputError, match="frames in a run"):
                TrainingPlan(**options)


@pytest.mark.parametrize("ansatz", ["network", "cevm"])
def test_what_the_refusal_advises_helps(ansatz):
    few = {"ansatz": ansatz, "sampling": 100, "sample_every": 10}
    with pytest.raises(InputError) as refused:
        TrainingPlan(**few)
    message = str(refused.value)
    longer = re.search(r"raise training\.sampling to at least (\d+)", message)
    oftener = re.search(r"training\.sample_every to at most (\d+)", message)
    assert longer is not None
    assert oftener is not None
    TrainingPlan(**few | {"sampling": int(longer.group(1))})
    TrainingPlan(**few | {"sample_every": int(oftener.group(1))})
    with pytest.raises(InputError):
        TrainingPlan(**few | {"sampling": int(longer.group(1)) - 1})
    with pytest.raises(InputError):
        TrainingPlan(**few | {"sample_every": int(oftener.group(1)) + 1})


def test_frames_for_reweighting_are_no_matter_of_the_adjoint():
    TrainingPlan(estimator="adjoint", sampling=10)


def test_measurements_with_too_few_frames_are_refused():
    with pytest.raises(InputError, match=r"training\.evaluation to at least 100"):
        TrainingPlan(evaluation=99, evaluate_every=20)
    TrainingPlan(evaluation=100, evaluate_every=20)


def test_a_horizon_too_short_for_an_exponent_is_refused():
    with pytest.raises(InputError, match=r"training\.horizon of at least 80"):
        TrainingPlan(estimator="adjoint", horizon=79)
    for steps in (0, 80):
        TrainingPlan(estimator="adjoint", horizon=steps)


def test_short_looks_are_refused_only_where_a_state_is_held_out(prior, tmp_path):
    states = [state(), replace(state(200.0), held_out=True)]
    one, logbook = correction(), Logbook(tmp_path, {}, shared=True)
    plan = replace(PLAN, validation=19, validate_every=1)

    def experiment(states, plan):
        return Experiment(prior, {s.name: one for s in states}, states, plan, logbook)

    with pytest.raises(InputError, match=r"training\.validation to at least 20"):
        experiment(states, plan)
    experiment(states, replace(plan, validation=20))
    experiment(states, replace(plan, validate_every=0))
    experiment(states[:1], plan)
