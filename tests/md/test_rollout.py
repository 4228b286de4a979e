import dataclasses

import pytest
import torch
from md_toy import Toy, largest_difference, solid

from ocvf_lmp.errors import SimulationError
from ocvf_lmp.md.parameters import NptParameters
from ocvf_lmp.md.rollout import Limits, rollout

FAST = {"pressure": 5000.0, "t_damp": 0.05, "p_damp": 0.2}


def test_rebuilding_the_neighbour_list_does_not_change_the_run():
    params = NptParameters(**FAST)
    species, state = solid(params)
    every_step = rollout(Toy(), species, state, params, 60, skin=0.0)
    seldom = rollout(Toy(), species, state, params, 60, skin=0.6)
    assert every_step.rebuilds > 40 > seldom.rebuilds
    assert largest_difference(every_step.state, seldom.state) < 1e-10


def test_a_run_in_pieces_is_the_run_in_one():
    params = NptParameters(**FAST)
    species, state = solid(params)
    steps = []
    whole = rollout(Toy(), species, state, params, 20, lambda n, s, m: steps.append(n), 5)
    half = rollout(Toy(), species, state, params, 10)
    rest = rollout(Toy(), species, half.state, params, 10, first_step=10)
    assert steps == [5, 10, 15, 20]
    assert largest_difference(rest.state, whole.state) < 1e-11
    assert rest.thermo.step == 20
    assert rest.thermo.conserved == pytest.approx(whole.thermo.conserved, abs=1e-11)


def test_a_run_keeps_no_graph_and_leaves_its_input_alone():
    params = NptParameters(**FAST)
    species, state = solid(params)
    before = state.map(torch.clone)
    end = rollout(Toy(), species, state.map(lambda t: t.clone().requires_grad_()), params, 2)
    assert not any(t.requires_grad for t in end.state.dynamic())
    rollout(Toy(), species, state, params, 2)
    assert all(torch.equal(a, b) for a, b in zip(before.dynamic(), state.dynamic(), strict=True))


def broken(state, params, kind):
    if kind == "not finite":
        return dataclasses.replace(state, momenta=state.momenta * float("nan")), params, None
    if kind == "Å apart":
        positions = state.positions.clone()
        positions[0] = positions[1] + 0.1
        return dataclasses.replace(state, positions=positions), params, None
    if kind == "a volume of":
        return state, dataclasses.replace(params, pressure=-2e6), None
    if kind == "a temperature of":
        return state, params, Limits(temperature_ratio=0.5)
    return dataclasses.replace(state, momenta=state.momenta * 1e7), params, None


@pytest.mark.parametrize(
    "kind", ["not finite", "Å apart", "a volume of", "a temperature of", "beyond all bounds"]
)
def test_leaving_physical_ground_ends_the_run_with_its_step_and_last_good_state(kind):
    params = NptParameters(**FAST)
    species, state = solid(params)
    state, params, limits = broken(state, params, kind)
    if kind == "beyond all bounds":
        limits = Limits(temperature_ratio=1e30)
    with pytest.raises(SimulationError, match=kind) as caught:
        rollout(Toy(), species, state, params, 200, limits=limits)
    assert "at step" in str(caught.value)
    assert "last good: step" in str(caught.value)


def test_a_potential_that_returns_not_a_number_is_noticed_at_once():
    params = NptParameters(**FAST)
    species, state = solid(params)
    potential = Toy()
    calls = []

    def broken_energies(edges, species, exchange=None):
        calls.append(1)
        values = Toy.atom_energies(potential, edges, species, exchange)
        return values * float("nan") if len(calls) == 8 else values

    potential.atom_energies = broken_energies
    with pytest.raises(SimulationError, match="at step 7 "):
        rollout(potential, species, state, params, 20)
