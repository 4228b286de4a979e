"""The parts of the NPT step run backwards, together with their adjoints.

Every function takes the state after a part and the cotangent of that state, and returns both before
the part. The derivatives are those of `npt.Integrator`, written out, because automatic
differentiation of so many tiny tensors would cost more than the forces of a small system.
"""

import torch

from ocvf_lmp.md.chain import pull_back_chain
from ocvf_lmp.md.exponential import identity_like, phi_series, pull_back_exponentials
from ocvf_lmp.md.npt import Integrator, Push, twice_kinetic
from ocvf_lmp.md.state import NptState, allowed_strain
from ocvf_lmp.system.cell import volume
from ocvf_lmp.units import MVV2E


@torch.no_grad()
def undo_first_half(
    integrator: Integrator, after: NptState, push: Push, timestep: float, cotangent: NptState
) -> tuple[NptState, NptState, Push]:
    """Back through `Integrator.first_half`.

    Args:
        integrator: of the step.
        after: state after the half step.
        push: forces and virial at its configuration.
        timestep: ps, of the whole step.
        cotangent: of the state after the half step.

    Returns:
        The state before, its cotangent, and the cotangent of the push.
    """
    half = 0.5 * timestep
    middle, cotangent, of_forces = _undo_kick_particles(
        integrator, after, push.forces, half, cotangent
    )
    earlier, cotangent, of_virial = _undo_kick_cell(
        integrator, middle, push.virial, half, cotangent
    )
    before, cotangent = _undo_chains(integrator, earlier, half, cotangent)
    return before, cotangent, Push(of_forces, of_virial)


@torch.no_grad()
def undo_second_half(
    integrator: Integrator, after: NptState, push: Push, timestep: float, cotangent: NptState
) -> tuple[NptState, NptState, Push]:
    """Back through `Integrator.second_half`; see `undo_first_half`."""
    half = 0.5 * timestep
    middle, cotangent = _undo_chains(integrator, after, half, cotangent)
    earlier, cotangent, of_virial = _undo_kick_cell(
        integrator, middle, push.virial, half, cotangent
    )
    before, cotangent, of_forces = _undo_kick_particles(
        integrator, earlier, push.forces, half, cotangent
    )
    return before, cotangent, Push(of_forces, of_virial)


@torch.no_grad()
def undo_drift(
    integrator: Integrator, after: NptState, timestep: float, cotangent: NptState
) -> tuple[NptState, NptState]:
    """Back through `Integrator.drift`.

    Args:
        integrator: of the step.
        after: state after the drift.
        timestep: ps.
        cotangent: of that state.

    Returns:
        The state before the drift and its cotangent.
    """
    before = integrator.drift(after, -timestep)
    rate = timestep / integrator.masses.cell_mass
    x = before.cell_momentum * rate
    phi = phi_series(x)
    growth = torch.addmm(identity_like(x), x, phi)
    mass = before.masses[:, None]
    of_q, of_h = cotangent.positions, cotangent.cell
    of_growth = torch.addmm(before.positions.T @ of_q, before.cell.T, of_h)
    of_phi = (before.momenta / mass).T @ of_q * timestep
    of_x = pull_back_exponentials(x, phi, of_growth, of_phi)
    return before, NptState(
        of_q @ growth.T,
        cotangent.momenta + of_q @ (phi.T * timestep) / mass,
        of_h @ growth.T,
        cotangent.cell_momentum + of_x * rate,
        cotangent.eta,
        cotangent.p_eta,
        cotangent.xi,
        cotangent.p_xi,
        cotangent.masses,
    )


def _undo_chains(
    integrator: Integrator, after: NptState, duration: float, cotangent: NptState
) -> tuple[NptState, NptState]:
    c, loops = integrator.masses, integrator.params.loops
    before = integrator.chains(after, -duration)
    p, p_g, of_p, of_pg = (
        before.momenta,
        before.cell_momentum,
        cotangent.momenta,
        cotangent.cell_momentum,
    )
    scale, of_kinetic, of_p_eta = pull_back_chain(
        twice_kinetic(p, before.masses), before.eta, before.p_eta, c.chain, c.freedom, c.kt,
        duration, loops, ((of_p * p).sum(), cotangent.eta, cotangent.p_eta),
    )  # fmt: skip
    cell_scale, of_cell_kinetic, of_p_xi = pull_back_chain(
        p_g.square().sum() / c.cell_mass, before.xi, before.p_xi, c.cell_chain, c.cell_freedom,
        c.kt, duration, loops, ((of_pg * p_g).sum(), cotangent.xi, cotangent.p_xi),
    )  # fmt: skip
    return before, NptState(
        cotangent.positions,
        of_p * scale + p * (2.0 * MVV2E * of_kinetic / before.masses)[:, None],
        cotangent.cell,
        of_pg * cell_scale + p_g * (2.0 * of_cell_kinetic / c.cell_mass),
        cotangent.eta,
        of_p_eta,
        cotangent.xi,
        of_p_xi,
        cotangent.masses,
    )


def _undo_kick_cell(
    integrator: Integrator,
    after: NptState,
    virial: torch.Tensor,
    duration: float,
    cotangent: NptState,
) -> tuple[NptState, NptState, torch.Tensor]:
    c = integrator.masses
    before = integrator.kick_cell(after, virial, -duration)
    of_push = allowed_strain(cotangent.cell_momentum, integrator.params.mode) * duration
    of_stress = 0.5 * (of_push + of_push.T)
    of_uniform = torch.trace(of_push)
    velocity = before.momenta * (2.0 * MVV2E / before.masses)[:, None]
    drag = of_stress + identity_like(of_stress) * (of_uniform / c.freedom)
    of_volume = of_uniform * (-c.pressure * volume(before.cell))
    of_cell = torch.linalg.inv(before.cell).T * of_volume
    return (
        before,
        NptState(
            cotangent.positions,
            cotangent.momenta + velocity @ drag,
            cotangent.cell + of_cell,
            cotangent.cell_momentum,
            cotangent.eta,
            cotangent.p_eta,
            cotangent.xi,
            cotangent.p_xi,
            cotangent.masses,
        ),
        of_stress,
    )


def _undo_kick_particles(
    integrator: Integrator,
    after: NptState,
    forces: torch.Tensor,
    duration: float,
    cotangent: NptState,
) -> tuple[NptState, NptState, torch.Tensor]:
    rate = -duration / integrator.masses.cell_mass
    before = integrator.kick_particles(after, forces, -duration)
    x = integrator.friction(before.cell_momentum) * rate
    phi = phi_series(x)
    decay = torch.addmm(identity_like(x), x, phi)
    of_p = cotangent.momenta
    of_phi = forces.T @ of_p * (duration / MVV2E)
    of_x = pull_back_exponentials(x, phi, before.momenta.T @ of_p, of_phi)
    return (
        before,
        NptState(
            cotangent.positions,
            of_p @ decay.T,
            cotangent.cell,
            cotangent.cell_momentum + integrator.friction(of_x) * rate,
            cotangent.eta,
            cotangent.p_eta,
            cotangent.xi,
            cotangent.p_xi,
            cotangent.masses,
        ),
        of_p @ phi.T * (duration / MVV2E),
    )
