"""The mean of the last parameters as the result of a training."""

from dataclasses import replace

import pytest
import torch
from training import GAUSS_NEWTON, PLAN, die_after, trainer


def parameters(module):
    return torch.cat([p.detach().flatten() for p in module.parameters()])


def watched(found) -> list[torch.Tensor]:
    """Parameters after each step, filled in as the training goes on."""
    seen, step = [], found.optimiser.step

    def noted(epoch, estimates, each):
        step(epoch, estimates, each)
        seen.append(parameters(found.experiment.corrections["100K"]))

    found.optimiser.step = noted
    return seen


@pytest.mark.parametrize("plan", [PLAN, GAUSS_NEWTON], ids=["descent", "gauss-newton"])
def test_the_result_is_the_mean_of_the_last_parameters(prior, tmp_path, plan):
    found = trainer(prior, tmp_path, plan=replace(plan, epochs=3, average_last=2))
    seen = watched(found)
    found.run()
    result = parameters(found.experiment.corrections["100K"])
    assert not torch.equal(seen[1], seen[2])
    assert torch.allclose(result, 0.5 * (seen[1] + seen[2]), atol=1e-12)


def test_one_epoch_is_no_mean(prior, tmp_path):
    found = trainer(prior, tmp_path)
    seen = watched(found)
    found.run()
    assert torch.equal(parameters(found.experiment.corrections["100K"]), seen[-1])
    assert not found.average.kept


@pytest.mark.parametrize("killed_after", [4, 5, 6])
def test_an_interrupted_training_ends_with_the_same_mean(
    prior, tmp_path, killed_after, monkeypatch
):
    plan = replace(PLAN, epochs=3, average_last=3)
    whole = trainer(prior, tmp_path / "whole", plan=plan)
    whole.run()
    broken = trainer(prior, tmp_path / "broken", plan=plan)
    die_after(killed_after, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        broken.run()
    monkeypatch.undo()
    resumed = trainer(prior, tmp_path / "broken", plan=plan)
    resumed.run()
    ends = [parameters(t.experiment.corrections["100K"]) for t in (whole, resumed)]
    assert torch.equal(*ends)


def test_a_training_that_goes_on_begins_with_the_mean(prior, tmp_path):
    trainer(prior, tmp_path, plan=replace(PLAN, average_last=2)).run()
    longer = trainer(prior, tmp_path, plan=replace(PLAN, epochs=4, average_last=2))
    begun = parameters(longer.experiment.corrections["100K"])
    before = longer.average.kept[-1]["100K"]
    seen = watched(longer)
    longer.run()
    assert len(seen) == 1
    last = torch.cat([p.flatten() for p in before.values()])
    assert not torch.equal(begun, last)
    result = parameters(longer.experiment.corrections["100K"])
    assert torch.allclose(result, 0.5 * (last + seen[0]), atol=1e-12)
