"""Martyna-Tobias-Klein dynamics at constant temperature and pressure: one step and its parts.

Equations of motion for cell vectors as rows, with ν = p_g/W symmetric (no rotation) and
α = 1/N_f (Martyna, Tobias, Klein, J. Chem. Phys. 101, 4177, 1994, eq. 2.9):

    dq/dt   = p/m + q ν                              dh/dt = h ν
    dp/dt   = F - p ν - α Tr(ν) p - (p_η1/Q_1) p
    dp_g/dt = Σ p p/m + virial - P V + α Σ p²/m - (p_ξ1/R_1) p_g
    and a Nosé-Hoover chain each for the particles (N_f) and for the cell (d).

They sample exp(-(U + P V)/kT) dq dh V^-2 with the centre of mass fixed in scaled coordinates, so
that the volume of an ideal gas has the density V^(N-1) exp(-P V/kT). The step is the palindrome

    cell chain, particle chain, kick of the cell, kick of the particles (half a step each),
    drift of particles and cell (a step), and the same kicks and chains in opposite order

of Tuckerman et al., J. Phys. A 39, 5629 (2006), as in ASE's `MTKNPT`. Every part is undone exactly
by the same part with the time reversed, and so is the step.
"""

from typing import NamedTuple, Protocol

import torch

from ocvf_lmp.arrays import Cell, Matrix3, Positions, Scalar
from ocvf_lmp.md.chain import chain_energy, chain_step
from ocvf_lmp.md.exponential import exponentials, identity_like
from ocvf_lmp.md.mechanics import Mechanics
from ocvf_lmp.md.parameters import NptMasses, NptParameters, masses_of
from ocvf_lmp.md.state import NptState, allowed_strain
from ocvf_lmp.system.cell import volume
from ocvf_lmp.units import MVV2E


class Forces(Protocol):
    """Energy, forces and virial of a configuration."""

    def __call__(self, positions: Positions, cell: Cell) -> Mechanics:
        """Evaluates one configuration."""
        ...


class Push(NamedTuple):
    """What acts on the extended system at one configuration.

    Attributes:
        forces: eV/Å, (atoms, 3).
        virial: eV, (3, 3), symmetric.
    """

    forces: torch.Tensor
    virial: torch.Tensor


class Integrator:
    """The parts of the NPT step for one ensemble and number of atoms.

    All parts are differentiable in the state and in the push, and are run backwards by a negative
    timestep.

    Attributes:
        params: the ensemble.
        masses: its constants.
    """

    def __init__(self, params: NptParameters, n_atoms: int) -> None:
        self.params = params
        self.masses: NptMasses = masses_of(params, n_atoms)

    def first_half(self, state: NptState, push: Push, timestep: float) -> NptState:
        """Chains and kicks before the drift."""
        half = 0.5 * timestep
        state = self.chains(state, half)
        state = self.kick_cell(state, push.virial, half)
        return self.kick_particles(state, push.forces, half)

    def second_half(self, state: NptState, push: Push, timestep: float) -> NptState:
        """Kicks and chains after the drift."""
        half = 0.5 * timestep
        state = self.kick_particles(state, push.forces, half)
        state = self.kick_cell(state, push.virial, half)
        return self.chains(state, half)

    def drift(self, state: NptState, timestep: float) -> NptState:
        """Exact motion of positions and cell under constant momenta.

        q(t) = q exp(νt) + (p/m) t φ(νt), h(t) = h exp(νt) (eq. for L_1 of Martyna et al. 1994).
        """
        growth, phi = exponentials(state.cell_momentum * (timestep / self.masses.cell_mass))
        velocity = state.momenta / state.masses[:, None]
        positions = state.positions @ growth + velocity @ (phi * timestep)
        return NptState(
            positions,
            state.momenta,
            state.cell @ growth,
            state.cell_momentum,
            state.eta,
            state.p_eta,
            state.xi,
            state.p_xi,
            state.masses,
        )

    def step(
        self, state: NptState, push: Push, forces: Forces, timestep: float | None = None
    ) -> tuple[NptState, Mechanics]:
        """One timestep, with one evaluation of the forces.

        Args:
            state: at the start.
            push: forces and virial at the start.
            forces: evaluates a configuration.
            timestep: ps; the ensemble's if None; negative to go back.

        Returns:
            The state and the mechanics at the end (its `push_of` starts the next step).
        """
        dt = self.params.timestep if timestep is None else timestep
        middle = self.drift(self.first_half(state, push, dt), dt)
        mechanics = forces(middle.positions, middle.cell)
        return self.second_half(middle, push_of(mechanics), dt), mechanics

    def chains(self, state: NptState, duration: float) -> NptState:
        """Both Nosé-Hoover chains."""
        c, loops = self.masses, self.params.loops
        momenta, cell_momentum = state.momenta, state.cell_momentum
        scale, eta, p_eta = chain_step(
            twice_kinetic(momenta, state.masses),
            state.eta,
            state.p_eta,
            c.chain,
            c.freedom,
            c.kt,
            duration,
            loops,
        )
        cell_scale, xi, p_xi = chain_step(
            cell_momentum.square().sum() / c.cell_mass,
            state.xi,
            state.p_xi,
            c.cell_chain,
            c.cell_freedom,
            c.kt,
            duration,
            loops,
        )
        return NptState(
            state.positions,
            momenta * scale,
            state.cell,
            cell_momentum * cell_scale,
            eta,
            p_eta,
            xi,
            p_xi,
            state.masses,
        )

    def kick_cell(self, state: NptState, virial: Matrix3, duration: float) -> NptState:
        """The internal against the external pressure, at constant particles' momenta."""
        c, momenta = self.masses, state.momenta
        stress = MVV2E * (momenta.T @ (momenta / state.masses[:, None])) + virial
        # the trace is α Σ p²/m, plus the work against the external pressure
        uniform = twice_kinetic(momenta, state.masses) / c.freedom - c.pressure * volume(state.cell)
        push = allowed_strain(
            0.5 * (stress + stress.T) + uniform * identity_like(stress), self.params.mode
        )
        return NptState(
            state.positions,
            momenta,
            state.cell,
            state.cell_momentum + duration * push,
            state.eta,
            state.p_eta,
            state.xi,
            state.p_xi,
            state.masses,
        )

    def kick_particles(self, state: NptState, forces: Positions, duration: float) -> NptState:
        """Forces and the drag of the cell's motion, at constant cell momentum."""
        c, p_g = self.masses, state.cell_momentum
        decay, phi = exponentials(self.friction(p_g) * (-duration / c.cell_mass))
        momenta = state.momenta @ decay + forces @ (phi * (duration / MVV2E))
        return NptState(
            state.positions,
            momenta,
            state.cell,
            p_g,
            state.eta,
            state.p_eta,
            state.xi,
            state.p_xi,
            state.masses,
        )

    def friction(self, cell_momentum: Matrix3) -> Matrix3:
        """p_g + α Tr(p_g): the drag on the momenta in units of W."""
        trace = torch.trace(cell_momentum) / self.masses.freedom
        return cell_momentum + identity_like(cell_momentum) * trace


def push_of(mechanics: Mechanics) -> Push:
    """Forces and virial of an evaluation."""
    return Push(mechanics.forces, mechanics.virial)


def twice_kinetic(momenta: Positions, masses: torch.Tensor) -> Scalar:
    """Σ p²/m, eV."""
    return MVV2E * (momenta.square() / masses[:, None]).sum()


def conserved_energy(state: NptState, energy: Scalar, params: NptParameters) -> Scalar:
    """The quantity that the equations of motion conserve, eV.

    K + U + P V + Tr(p_g²)/2W and both chains' energies (Martyna et al. 1994, eq. 2.10).

    Args:
        state: the state.
        energy: potential energy at its configuration, eV.
        params: the ensemble.
    """
    c = masses_of(params, state.n_atoms)
    return (
        energy
        + 0.5 * twice_kinetic(state.momenta, state.masses)
        + c.pressure * volume(state.cell)
        + 0.5 * state.cell_momentum.square().sum() / c.cell_mass
        + chain_energy(state.eta, state.p_eta, c.chain, c.freedom, c.kt)
        + chain_energy(state.xi, state.p_xi, c.cell_chain, c.cell_freedom, c.kt)
    )
