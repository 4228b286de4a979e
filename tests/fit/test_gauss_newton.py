"""Steps of networks that are not linear in their parameters."""

from types import SimpleNamespace

import pytest
import torch
from test_damped import KT, data, gaussian
from torch import nn

from ocvf_lmp.fit.gauss_newton import CONFIRMED, LEFT, GaussNewton
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


@pytest.fixture
def step(monkeypatch):
    """Makes one step of a module, and gives the state's frames."""

    @torch.no_grad()
    def energies_of(module, species, positions, cells):
        return module.energies(positions)

    def made(module, x):
        stretched = []
        group = [data(x, TARGET, torch.ones(3, dtype=torch.float64))]
        site = group[0].site
        site.runs = [Run(1, None, 1, ensemble=SimpleNamespace(positions=x, cells=None))]  # pyright: ignore
        site.objective.species = None  # pyright: ignore
        site.sample_longer = lambda: stretched.append(True)  # pyright: ignore
        plan = SimpleNamespace(estimator="reweight", min_effective=LIMIT)
        corrections = {"300K": module}
        GaussNewton(SimpleNamespace(plan=plan, corrections=corrections))._move(group)  # pyright: ignore
        assert site.runs[0].ensemble is None
        assert len(site.runs[0].earlier) == 1
        return group[0], stretched

    monkeypatch.setattr("ocvf_lmp.fit.gauss_newton.energies_of", energies_of)
    return made


def losses(state, module, x):
    """Before, by the slopes, and by the module itself."""
    change = module.theta.detach()
    with torch.no_grad():
        own = module.energies(x)
    return state.loss, state.foreseen(change).loss, state.after([own]).loss


def test_what_is_linear_moves_as_far_as_its_frames_go(step):
    module, x = Bent(0.0), gaussian(2000, 6)
    state, stretched = step(module, x)
    before, foreseen, own = losses(state, module, x)
    assert own == pytest.approx(foreseen, rel=1e-9)
    assert own < 0.1 * before
    assert not stretched


@pytest.mark.parametrize("bend", [1.2, 3.0])
def test_a_step_is_shortened_until_the_network_confirms_it(step, bend):
    linear, module, x = Bent(0.0), Bent(bend), gaussian(2000, 6)
    step(linear, x)
    state, stretched = step(module, x)
    assert 0.05 < float(module.theta.detach().norm()) < 0.99 * float(linear.theta.detach().norm())
    before, foreseen, own = losses(state, module, x)
    assert before - own >= CONFIRMED * (before - foreseen) > 0.0
    assert state.after([module.energies(x).detach()]).parts[0].effective >= LEFT * LIMIT
    assert not stretched


def test_a_network_that_does_the_opposite_does_not_move(step):
    module, x = Bent(0.0), gaussian(2000, 6)
    module.energies = lambda x: -KT * x @ module.theta  # pyright: ignore
    _, stretched = step(module, x)
    assert float(module.theta.detach().norm()) == 0.0
    assert stretched == [True]
