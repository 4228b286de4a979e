"""Whoever runs dynamics for us, behind one interface: the twin here, or LAMMPS elsewhere."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch

from ocvf_lmp.arrays import Cell, Matrix3, Positions, Species
from ocvf_lmp.md.mechanics import Mechanics
from ocvf_lmp.md.parameters import NptParameters
from ocvf_lmp.md.rollout import rollout
from ocvf_lmp.md.state import NptState
from ocvf_lmp.md.thermo import pressure_tensor, thermo
from ocvf_lmp.potential.protocol import Potential


@dataclass(frozen=True, slots=True)
class Frame:
    """A configuration that a run has passed.

    Attributes:
        step: number of steps since the start of the run.
        positions: Å, (atoms, 3); not wrapped.
        cell: rows, Å, (3, 3).
        temperature: K, from the kinetic energy.
        pressure: tensor, bar, (3, 3), kinetic part included.
        energy: potential energy, eV.
    """

    step: int
    positions: Positions
    cell: Cell
    temperature: float
    pressure: Matrix3
    energy: float


OnFrame = Callable[[Frame], None]
"""Told of every frame, in their order."""


class Engine(Protocol):
    """Runs dynamics in the ensemble that `NptParameters` describe."""

    def run(
        self,
        potential: Potential,
        species: Species,
        state: NptState,
        params: NptParameters,
        n_steps: int,
        every: int,
        on_frame: OnFrame,
    ) -> NptState:
        """Advances a state.

        Args:
            potential: the energy.
            species: (atoms,).
            state: initial state.
            params: the ensemble.
            n_steps: number of steps.
            every: steps between frames; the first frame comes after so many steps.
            on_frame: told of every frame.

        Returns:
            The final state.

        Raises:
            SimulationError: the run left physical ground.
        """
        ...


class Twin:
    """The integrator of this package."""

    def run(
        self,
        potential: Potential,
        species: Species,
        state: NptState,
        params: NptParameters,
        n_steps: int,
        every: int,
        on_frame: OnFrame,
    ) -> NptState:
        """See `Engine`."""

        def observer(step: int, now: NptState, mechanics: Mechanics) -> None:
            known = thermo(now, mechanics, params, step)
            pressure = pressure_tensor(now, mechanics)
            on_frame(
                Frame(step, now.positions, now.cell, known.temperature, pressure, known.energy)
            )

        with torch.no_grad():
            return rollout(potential, species, state, params, n_steps, observer, every).state
