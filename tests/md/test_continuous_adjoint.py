"""The discrete adjoint against torchdiffeq's continuous one, of equations written down afresh."""

import torch
import torchdiffeq
from md_toy import Toy, solid

from ocvf_lmp.md.adjoint import adjoint_gradient
from ocvf_lmp.md.forcefield import ForceField
from ocvf_lmp.md.parameters import NptParameters, masses_of
from ocvf_lmp.system.cell import lengths_angles
from ocvf_lmp.units import MVV2E

LENGTH = 0.024  # ps
TARGET = torch.tensor([8.2, 8.1, 8.3, 90.0, 89.0, 91.0], dtype=torch.float64)


class Equations(torch.nn.Module):
    """Martyna, Tobias, Klein 1994, eq. 2.9, for the flexible cell (row vectors)."""

    def __init__(self, potential, species, state, params):
        super().__init__()
        self.potential = potential
        self.force_field = ForceField(potential, species)
        self.mass = state.masses[:, None]
        self.c = masses_of(params, state.n_atoms)
        self.q, self.r = (
            torch.tensor(self.c.chain).double(),
            torch.tensor(self.c.cell_chain).double(),
        )

    def chain(self, twice_kinetic, momenta, masses, freedom):
        kt = self.c.kt
        source = torch.cat([twice_kinetic[None], momenta[:-1] ** 2 / masses[:-1]])
        target = torch.tensor([freedom * kt] + [kt] * (len(masses) - 1)).double()
        friction = torch.cat([momenta[1:] / masses[1:], torch.zeros(1).double()])
        return source - target - friction * momenta

    def forward(self, t, y):
        q, p, h, p_g, _, p_eta, _, p_xi = y
        c = self.c
        with torch.enable_grad():
            if not q.requires_grad:
                q, h = q.detach().requires_grad_(), h.detach().requires_grad_()
            found = self.force_field(q, h, create_graph=True)
        velocity, rate = p / self.mass, p_g / c.cell_mass
        kinetic = MVV2E * torch.einsum("ia,ib->ab", p, velocity)
        twice = torch.trace(kinetic)
        eye = torch.eye(3).double()
        drag = rate + eye * (torch.trace(rate) / c.freedom + p_eta[0] / c.chain[0])
        push = kinetic + found.virial + eye * (twice / c.freedom - c.pressure * torch.det(h))
        return (
            velocity + q @ rate,
            found.forces / MVV2E - p @ drag,
            h @ rate,
            push - p_g * (p_xi[0] / c.cell_chain[0]),
            p_eta / self.q,
            self.chain(twice, p_eta, self.q, c.freedom),
            p_xi / self.r,
            self.chain((p_g * p_g).sum() / c.cell_mass, p_xi, self.r, c.cell_freedom),
        )


def observe(positions, cell):
    return {"cell": lengths_angles(cell), "near": (positions[:8] - positions[8:16]).square()}


def loss(means):
    return (means["cell"] - TARGET).square().sum() + means["near"].square().sum()


def continuous(species, state, params):
    potential = Toy()
    equations = Equations(potential, species, state, params)
    start = tuple(t.clone().requires_grad_() for t in state.dynamic())
    times = torch.tensor([0.0, LENGTH], dtype=torch.float64)
    path = torchdiffeq.odeint_adjoint(
        equations, start, times, method="rk4", options={"step_size": 0.001},
        adjoint_params=tuple(potential.parameters()),
    )  # fmt: skip
    loss(observe(path[0][-1], path[2][-1])).backward()
    slopes = torch.cat([p.grad.flatten() for p in potential.parameters()])
    return torch.cat([slopes, start[1].grad.flatten() * 100.0])


def discrete(species, state, params, n_steps):
    found = adjoint_gradient(Toy(), species, state, params, n_steps, observe, loss, n_steps)
    slopes = torch.cat([g.flatten() for g in found.gradients.values()])
    return torch.cat([slopes, found.initial_gradient.momenta.flatten() * 100.0])


def test_the_discrete_gradient_converges_to_the_continuous_one_with_the_square_of_the_timestep():
    fast = {"pressure": 5000.0, "t_damp": 0.03, "p_damp": 0.1}
    found = []
    for n_steps in (12, 24):
        params = NptParameters(**fast, timestep=LENGTH / n_steps)
        species, state = solid(params)
        found.append(discrete(species, state, params, n_steps))
    expected = continuous(species, state, params)
    errors = [float((f - expected).norm() / expected.norm()) for f in found]
    assert 3.7 < errors[0] / errors[1] < 4.4
    extrapolated = (4.0 * found[1] - found[0]) / 3.0
    assert float((extrapolated - expected).norm() / expected.norm()) < 1e-3
