"""Gauss-Newton steps on ensembles whose response is known."""

from types import SimpleNamespace

import pytest
import torch

from ocvf_lmp.fit.damped import StateFrames, good_steps
from ocvf_lmp.fit.fluctuations import Fluctuations
from ocvf_lmp.seeding import normal, stream
from ocvf_lmp.units import KB

KT = KB * 300.0


def gaussian(n_frames: int, seed: int, mean=0.0) -> torch.Tensor:
    """Coordinates of an ensemble exp(-|x - mean|²/2), (frames, 3)."""
    return mean + normal((n_frames, 3), stream(seed, "frames"))


def data(x: torch.Tensor, target: torch.Tensor, scale, weight=1.0):
    """A linear correction θ·x·kT, whose answer is known: <x> moves by -θ, without higher orders.

    The loss is |scale (<x> - target)|².
    """
    observables = {"x": x}
    part = Fluctuations(
        observables,
        torch.zeros(len(x)),
        {"theta": KT * x},
        torch.full((len(x),), 1.0 / len(x), dtype=x.dtype),
    )
    objective = SimpleNamespace(
        loss=lambda means: (scale * (means["x"] - target)).square().sum(),
    )
    point = SimpleNamespace(params=SimpleNamespace(temperature=300.0), weight=weight, name="300K")
    site = SimpleNamespace(objective=objective, point=point)
    slope = 2.0 * scale**2 * (x.mean(dim=0) - target)
    gradient = -((x - x.mean(dim=0)).T @ (x - x.mean(dim=0)) / (len(x) - 1)) @ slope
    return StateFrames(site, [part], [KT * x], gradient, ("theta",))  # pyright: ignore


def test_one_step_finds_the_answer_of_a_badly_conditioned_loss():
    """Descent would need as many steps as the condition number, 10^6."""
    scale = torch.tensor([1000.0, 30.0, 1.0], dtype=torch.float64)
    target = torch.tensor([0.3, -0.2, 0.1], dtype=torch.float64)
    step, *damped = good_steps([data(gaussian(4000, 1), target, scale)], 0.1)
    before, after = (float((scale * miss).square().sum()) for miss in (target, target + step))
    assert after < 1e-3 * before
    norms = [float(change.norm()) for change in (step, *damped)]
    assert len(norms) > 3
    assert norms == sorted(norms, reverse=True)


def test_steps_end_where_the_noise_begins():
    """Where the truth is met already, the halves do not vouch for a step that follows the noise."""
    scale = torch.ones(3, dtype=torch.float64)
    x = gaussian(400, 2)
    noise = float(x.mean(dim=0).norm())
    steps = good_steps([data(x, torch.zeros(3, dtype=torch.float64), scale)], 0.1)
    assert all(float(step.norm()) < 0.7 * noise for step in steps)


@pytest.mark.parametrize("limit", [0.3, 0.8])
def test_enough_frames_count_after_a_step(limit):
    scale = torch.ones(3, dtype=torch.float64)
    target = torch.tensor([4.0, 0.0, 0.0], dtype=torch.float64)
    x = gaussian(1000, 3)
    step, *_ = good_steps([data(x, target, scale)], limit)
    weights = torch.softmax(-(x @ step), dim=0)
    assert limit <= float(1.0 / weights.square().sum()) / 1000 < limit + 0.2
    assert float(step[0]) < -0.2


def test_states_that_share_a_correction_are_weighed():
    """Two states that want opposite steps: the heavier one has its way."""
    scale = torch.ones(3, dtype=torch.float64)
    target = torch.tensor([0.4, 0.0, 0.0], dtype=torch.float64)
    light = data(gaussian(2000, 4), -target, scale, weight=0.2)
    heavy = data(gaussian(2000, 5), target, scale, weight=1.0)
    step, *_ = good_steps([light, heavy], 0.1)
    assert float(step[0]) == pytest.approx(-0.4 * 0.8 / 1.2, abs=0.08)
