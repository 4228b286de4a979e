import math

import pytest
import torch
from md_toy import Toy, solid

from ocvf_lmp.errors import InputError
from ocvf_lmp.md.adjoint import adjoint_gradient
from ocvf_lmp.md.lyapunov import Lyapunov, Shadow, largest_exponent
from ocvf_lmp.md.parameters import NptParameters
from ocvf_lmp.md.rollout import rollout
from ocvf_lmp.md.state import initial_state
from ocvf_lmp.units import MVV2E

NPT = NptParameters(temperature=300.0, timestep=2e-3, t_damp=0.1, p_damp=0.3)


class Saddle:
    """Two atoms at rest at a distance of 3 Å, from which they are pushed away."""

    symbols, cutoff, n_hops, stiffness = ("Ar",), 5.0, 1, 0.7

    def atom_energies(self, edges, species, exchange=None):
        length = edges.vector.square().sum(dim=1).sqrt()
        zero = torch.zeros(len(species), dtype=length.dtype)
        return zero.index_add(0, edges.center, -0.25 * self.stiffness * (length - 3.0).square())

    def energy(self, edges, species):
        return self.atom_energies(edges, species).sum()


def test_the_exponent_of_a_saddle_is_the_known_one():
    # thermostats too heavy to move: velocity Verlet of two atoms on an inverted parabola
    params = NptParameters(timestep=2e-3, t_damp=1e5, p_damp=1e5, mode="fixed")
    cell, mass = 20.0 * torch.eye(3).double(), torch.full((2,), 40.0).double()
    positions = torch.tensor([[1.0, 1.0, 1.0], [4.0, 1.0, 1.0]]).double()
    state = initial_state(positions, cell, mass, params, torch.zeros(2, 3).double())
    noise = torch.tensor([[1.0, 0.3, 0.1], [-0.5, 0.2, 0.0]]).double()
    found, end = largest_exponent(Saddle(), torch.zeros(2).long(), state, params, 1500, noise)
    torch.testing.assert_close(end.positions, positions)
    squared = 2.0 * Saddle.stiffness / (40.0 * MVV2E)  # k over the reduced mass
    exact = math.acosh(1.0 + 0.5 * squared * params.timestep**2) / params.timestep
    assert found.rate == pytest.approx(exact, rel=1e-4)
    assert found.error < 0.01 * exact
    assert found.length == pytest.approx(2.26)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_shadow_goes_where_the_adjoint_says(seed):
    # the derivative of any function of the last configuration along the first separation
    species, state = solid(NPT)
    generator = torch.Generator().manual_seed(seed)
    noise, of_atoms = torch.randn(2, *state.positions.shape, generator=generator).double()
    of_cell = torch.randn(3, 3, generator=generator).double()
    noise = noise - noise.mean(dim=0)

    def observe(positions, cell):
        return {"mixed": (of_atoms * positions).sum() + (of_cell * cell).sum()}

    n_steps = 60
    exact = adjoint_gradient(
        Toy(), species, state, NPT, n_steps, observe, lambda m: m["mixed"], n_steps
    ).initial_gradient.positions
    shadow = Shadow(Toy(), species, state, NPT, noise)
    end = rollout(Toy(), species, state, NPT, n_steps, shadow, 10).state
    growth = math.exp(sum(shadow.stretches)) * float(noise.norm()) / shadow.distance
    mixed = observe(shadow.state.positions, shadow.state.cell)["mixed"]
    found = float(mixed - observe(end.positions, end.cell)["mixed"]) * growth
    assert len(shadow.stretches) == 6
    assert found == pytest.approx(float((exact * noise).sum()), rel=1e-4)


def test_calls_at_uneven_steps_count_by_their_time():
    species, state = solid(NPT)
    noise = torch.ones(state.positions.shape).double()
    noise[0] = -1.0
    shadow = Shadow(Toy(), species, state, NPT, noise, first_step=100)

    def watch(step, now, mechanics):
        if step in (104, 105, 111):
            shadow(step, now, mechanics)
            shadow(step, now, mechanics)

    rollout(Toy(), species, state, NPT, 12, watch, first_step=100)
    assert shadow.durations == pytest.approx([0.008, 0.002, 0.012])
    with pytest.raises(InputError, match="at least 8 stretches"):
        shadow.exponent()


def test_the_adjoint_takes_over_the_exponent():
    species, state = solid(NPT)

    def gradient(lyapunov):
        return adjoint_gradient(
            Toy(), species, state, NPT, 10, lambda x, h: {"volume": torch.linalg.det(h)},
            lambda means: means["volume"], 5, lyapunov=lyapunov,
        ).horizon  # fmt: skip

    assert gradient(None).trusted
    assert gradient(None).error is None
    given = gradient(Lyapunov(200.0, 5.0, 3.0))
    assert (given.rate, given.error, given.usable) == (200.0, 5.0, 0.015)
    assert not given.trusted
