"""Steps of networks that are not linear in their parameters."""

import pytest
import torch
from test_damped import KT, data, gaussian
from torch import nn

from ocvf_lmp.fit.fluctuations import Slopes, evenly
from ocvf_lmp.fit.following import FRAMES, next_part
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

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.energies(x)

    def energies(self, x: torch.Tensor) -> torch.Tensor:
        return KT * x @ (self.theta - self.bend * self.theta.abs() * self.theta)


def slopes_now(module, x):
    """What a worker takes on the way: of some frames."""
    some = evenly(len(x), FRAMES)
    rows = torch.autograd.functional.jacobian(
        lambda theta: torch.func.functional_call(module, {"theta": theta}, (x[some],)),
        module.theta.detach(),
    )
    return Slopes(module.energies(x[some]).detach(), {"theta": rows})


def step(module, x, parts=1):
    """Makes one step of a module, and gives the state's frames."""
    stretched = []
    state = data(x, TARGET, torch.ones(3, dtype=torch.float64))
    state.site.runs = [Run(1, None, 1, ensemble=object())]  # pyright: ignore
    state.site.sample_longer = lambda: stretched.append(True)  # pyright: ignore
    search = Search(module, [state], LIMIT, parts)
    while search.go_on():
        while search.under_way:
            search.follow({("300K", 1): slopes_now(module, x)})
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


@pytest.mark.parametrize("bend", [0.2, 0.3])
def test_in_parts_a_network_follows_the_whole_step(bend):
    """θ - bend θ² = 0.8, or nearly, along the first axis; straight on, the step is short of it."""
    straight, module, x = Bent(bend), Bent(bend), gaussian(2000, 6)
    state, _ = step(straight, x)
    _, stretched = step(module, x, parts=8)
    before, _, short = losses(state, straight, x)
    _, _, own = losses(state, module, x)
    assert own < min(0.1 * before, 0.7 * short)
    first, *others = (module.theta - bend * module.theta.abs() * module.theta).tolist()
    assert abs(first) == pytest.approx(0.8, abs=0.1)
    assert max(map(abs, others)) < 0.1
    assert not stretched


def test_parts_of_a_straight_network_are_its_step():
    whole, parted, x = Bent(0.0), Bent(0.0), gaussian(FRAMES, 6)
    step(whole, x)
    step(parted, x, parts=5)
    assert parted.theta.tolist() == pytest.approx(whole.theta.tolist(), abs=0.01)


def test_where_the_network_has_no_energies_there_is_no_next_part():
    x = gaussian(20, 6)
    state = data(x, TARGET, torch.ones(3, dtype=torch.float64))
    state.site.runs = [Run(1, None, 1)]  # pyright: ignore
    nowhere = Slopes(torch.nan * x[:, 0], {"theta": torch.nan * x})
    part = next_part([state], [[KT * x[:, 0]]], {("300K", 1): nowhere})
    assert part.tolist() == [0.0, 0.0, 0.0]


def test_some_of_the_frames_are_spread_evenly():
    assert evenly(7, 7).tolist() == list(range(7))
    assert evenly(7, 4).tolist() == [0, 2, 4, 6]
    assert evenly(3, 150).tolist() == [0, 1, 2]
    assert len(evenly(451, 150)) <= 150
