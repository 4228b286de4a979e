"""Steps of networks that are not linear in their parameters."""

import pytest
import torch
from test_damped import KT, data, gaussian
from torch import nn

from ocvf_lmp.fit.gauss_newton import CONFIRMED, LEFT, Search
from ocvf_lmp.fit.site import Run

LIMIT = 0.3
TARGET = torch.tensor([0.8, 0.0, 0.0], dtype=torch.float64)


class Bent(nn.Module):
    """kT x·(θ - bend θ²): as linear as `data` foresees for short θ alone."""

    def __init__(self, bend: float) -> None:
        super().__init__()
        self.bend = bend
        self.theta = nn.Parameter(torch.zeros(3, dtype=torch.float64))

    def energies(self, x: torch.Tensor) -> torch.Tensor:
        return KT * x @ (self.theta - self.bend * self.theta.abs() * self.theta)


def step(module, x):
    """Makes one step of a module, and gives the state's frames."""
    stretched = []
    state = data(x, TARGET, torch.ones(3, dtype=torch.float64))
    state.site.runs = [Run(1, None, 1, ensemble=object())]  # pyright: ignore
    state.site.sample_longer = lambda: stretched.append(True)  # pyright: ignore
    search = Search(module, [state], LIMIT)
    while search.go_on():
        search.judge({("300K", 1): module.energies(x).detach()})
    search.end()
    assert state.site.runs[0].ensemble is None
    assert len(state.site.runs[0].earlier) == 1
    return state, stretched


def losses(state, module, x):
    """Before, by the slopes, and by the module itself."""
    change = module.theta.detach()
    with torch.no_grad():
        own = module.energies(x)
    return state.loss, state.foreseen(change).loss, state.after([own]).loss


def test_what_is_linear_moves_as_far_as_its_frames_go():
    module, x = Bent(0.0), gaussian(2000, 6)
    state, stretched = step(module, x)
    before, foreseen, own = losses(state, module, x)
    assert own == pytest.approx(foreseen, rel=1e-9)
    assert own < 0.1 * before
    assert not stretched


@pytest.mark.parametrize("bend", [1.2, 3.0])
def test_a_step_is_shortened_until_the_network_confirms_it(bend):
    linear, module, x = Bent(0.0), Bent(bend), gaussian(2000, 6)
    step(linear, x)
    state, stretched = step(module, x)
    assert 0.05 < float(module.theta.detach().norm()) < 0.99 * float(linear.theta.detach().norm())
    before, foreseen, own = losses(state, module, x)
    assert before - own >= CONFIRMED * (before - foreseen) > 0.0
    assert state.after([module.energies(x).detach()]).parts[0].effective >= LEFT * LIMIT
    assert not stretched


def test_a_network_that_does_the_opposite_does_not_move():
    module, x = Bent(0.0), gaussian(2000, 6)
    module.energies = lambda x: -KT * x @ module.theta  # pyright: ignore
    _, stretched = step(module, x)
    assert float(module.theta.detach().norm()) == 0.0
    assert stretched == [True]
