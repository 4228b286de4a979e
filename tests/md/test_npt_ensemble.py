"""Averages of long runs against ensembles that are known exactly."""

import dataclasses

import pytest
import torch

from ocvf_lmp.md.mechanics import Mechanics
from ocvf_lmp.md.npt import Integrator, push_of, twice_kinetic
from ocvf_lmp.md.parameters import NptParameters
from ocvf_lmp.md.state import initial_state
from ocvf_lmp.units import BAR, KB

ATOMS = 5
KT = KB * 300.0


def gas(stiffness):
    """Atoms that do not feel each other in a cell of energy ½ k |h|², no potential needed."""

    def forces(positions, cell):
        energy = 0.5 * stiffness * cell.square().sum()
        return Mechanics(energy, torch.zeros_like(positions), -stiffness * cell.T @ cell)

    return forces


@torch.no_grad()
def run(params, forces, length, n_steps, seed=1):
    """Cells (steps, 3, 3), twice the kinetic energy (steps,), cell momenta (steps, 3, 3).

    The momenta in scaled coordinates of atoms that do not collide never change their direction;
    drawing all momenta anew from time to time keeps the ensemble and makes the motion ergodic.
    """
    generator = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)  # noqa: E731
    masses = torch.arange(20.0, 20.0 + 10 * ATOMS, 10.0).double()
    state = initial_state(
        draw(ATOMS, 3), torch.eye(3).double() * length, masses, params,
        draw(ATOMS, 3), draw(3, 3),
    )  # fmt: skip
    integrator = Integrator(params, ATOMS)
    mechanics = forces(state.positions, state.cell)
    seen = []
    for step in range(n_steps):
        if step % 25 == 0:
            fresh = initial_state(
                state.positions, state.cell, masses, params, draw(ATOMS, 3)
            ).momenta
            state = dataclasses.replace(state, momenta=fresh)
        state, mechanics = integrator.step(state, push_of(mechanics), forces)
        seen.append((state.cell, twice_kinetic(state.momenta, masses), state.cell_momentum))
    return [torch.stack(column) for column in zip(*seen, strict=True)]


def mean_and_error(values, blocks=20):
    means = torch.stack([chunk.mean() for chunk in values.chunk(blocks)])
    return float(means.mean()), float(means.std()) / blocks**0.5


def assert_mean(values, expected, largest_error):
    """Agreement within four standard errors, which must be small enough to tell."""
    mean, error = mean_and_error(values)
    assert error < largest_error * expected
    assert abs(mean - expected) < 4.0 * error


@pytest.mark.slow
def test_the_volume_of_an_ideal_gas_follows_its_gamma_distribution():
    pressure = 5000.0
    params = NptParameters(
        pressure=pressure, timestep=4e-3, t_damp=0.04, p_damp=0.08, mode="isotropic"
    )
    unit = KT / (pressure * BAR)
    cells, kinetic, _ = run(params, gas(0.0), (ATOMS * unit) ** (1 / 3), 12000)
    volume = torch.det(cells) / unit  # density V^(N-1) exp(-V): the centre of mass is fixed
    assert_mean(volume, ATOMS, 0.03)
    assert_mean((volume - ATOMS).square(), ATOMS, 0.12)
    assert_mean(kinetic / KT, 3 * ATOMS - 3, 0.02)


@pytest.mark.slow
def test_a_flexible_cell_of_quadratic_energy_follows_its_wishart_distribution():
    params = NptParameters(pressure=0.0, timestep=4e-3, t_damp=0.04, p_damp=0.06)
    stiffness = KT / 2.0
    cells, kinetic, momenta = run(params, gas(stiffness), 3.0, 12000)
    # |det h|^(N-1-2) exp(-½ k|h|²/kT) dh makes h hᵀ k/kT a Wishart matrix of N degrees of freedom
    gram = cells @ cells.transpose(1, 2) * (stiffness / KT)
    trace = gram.diagonal(dim1=1, dim2=2).sum(dim=1)
    assert_mean(trace, 3 * ATOMS, 0.04)
    assert_mean(gram.square().sum(dim=(1, 2)), 3 * ATOMS * (ATOMS + 4), 0.08)
    assert_mean(torch.det(gram), ATOMS * (ATOMS - 1) * (ATOMS - 2), 0.15)
    assert_mean(kinetic / KT, 3 * ATOMS - 3, 0.02)
    # each of the six strains carries kT/2
    energies = momenta.square() / Integrator(params, ATOMS).masses.cell_mass / KT
    assert_mean(energies.diagonal(dim1=1, dim2=2).sum(dim=1), 3.0, 0.08)
    assert_mean(energies.sum(dim=(1, 2)) - energies.diagonal(dim1=1, dim2=2).sum(dim=1), 3.0, 0.08)
