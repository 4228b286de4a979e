"""Runs of many steps without a graph, watched by an observer and by checks of sanity."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

import torch

from ocvf_lmp.arrays import Cell, Positions, Species
from ocvf_lmp.errors import SimulationError
from ocvf_lmp.md.forcefield import ForceField
from ocvf_lmp.md.mechanics import Mechanics
from ocvf_lmp.md.npt import Integrator, push_of
from ocvf_lmp.md.parameters import NptParameters
from ocvf_lmp.md.state import NptState
from ocvf_lmp.md.thermo import Thermo, thermo
from ocvf_lmp.potential.protocol import Potential
from ocvf_lmp.system.cell import volume

Observer = Callable[[int, NptState, Mechanics], None]
"""Called with the number of the step, the state and the mechanics at its configuration."""

_FARTHEST = 1e6
"""Å; an atom cannot get that far from the origin by honest motion."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What still counts as physical ground.

    Attributes:
        check_every: steps between checks of distances, volume and temperature (a number that is
            not finite is noticed at every step).
        closest: Å; two atoms closer than that end the run.
        volume_ratio: largest factor by which the volume may grow or shrink.
        temperature_ratio: largest ratio of the kinetic to the target temperature.
    """

    check_every: int = 10
    closest: float = 0.5
    volume_ratio: float = 1.5
    temperature_ratio: float = 20.0


@dataclass(frozen=True, slots=True)
class Rollout:
    """The end of a run.

    Attributes:
        state: final state.
        mechanics: energy, forces and virial of the final state.
        thermo: final thermodynamics.
        rebuilds: number of neighbour lists that were made.
    """

    state: NptState
    mechanics: Mechanics
    thermo: Thermo
    rebuilds: int


def rollout(
    potential: Potential,
    species: Species,
    state: NptState,
    params: NptParameters,
    n_steps: int,
    observer: Observer | None = None,
    every: int = 1,
    *,
    skin: float = 0.5,
    limits: Limits | None = None,
    first_step: int = 0,
) -> Rollout:
    """Advances a state by a number of steps.

    Args:
        potential: the energy.
        species: (atoms,).
        state: initial state.
        params: the ensemble.
        n_steps: number of steps.
        observer: called after the steps whose number is a multiple of `every` (not at the start).
        every: see there.
        skin: of the neighbour list, Å.
        limits: of physical ground.
        first_step: number of the initial state, for runs made in pieces.

    Raises:
        SimulationError: the run left physical ground; the message names the step and the last good
            thermodynamics.
    """
    force_field = ForceField(potential, species, skin)
    with torch.no_grad():
        state = state.map(torch.Tensor.detach)
        integrator = Integrator(params, state.n_atoms)
        mechanics = force_field(state.positions, state.cell)
        start = thermo(state, mechanics, params, first_step)
        guard = Guard(force_field, params, limits or Limits(), start)
        guard.check(state, mechanics, everything=True)
        for step in range(first_step + 1, first_step + n_steps + 1):
            guard.step = step
            state, mechanics = integrator.step(state, push_of(mechanics), guard)
            guard.check(state, mechanics)
            if observer is not None and step % every == 0:
                observer(step, state, mechanics)
        final = thermo(state, mechanics, params, first_step + n_steps)
    return Rollout(state, mechanics, final, force_field.rebuilds)


class Guard:
    """Evaluates forces, and notices when a run leaves physical ground.

    Attributes:
        step: number of the step that is being made.
        last_good: thermodynamics at the last check that was passed.
    """

    def __init__(
        self, force_field: ForceField, params: NptParameters, limits: Limits, start: Thermo
    ) -> None:
        self.force_field, self.params, self.limits = force_field, params, limits
        self.start = self.last_good = start
        self.step = start.step

    def __call__(self, positions: Positions, cell: Cell) -> Mechanics:
        """The mechanics of a configuration, unless listing its neighbours would be hopeless."""
        if not float(positions.abs().max()) < _FARTHEST:
            self._fail("positions that are not finite or beyond all bounds")
        self._check_volume(float(volume(cell)))
        return self.force_field(positions, cell)

    def check(self, state: NptState, mechanics: Mechanics, everything: bool = False) -> None:
        """Raises `SimulationError` if the state after a step is not physical."""
        total = mechanics.energy + mechanics.forces.sum() + mechanics.virial.sum()
        total = total + state.momenta.sum() + state.cell_momentum.sum()
        if not bool(torch.isfinite(total)):
            self._fail("a number that is not finite in the energy, the forces or the momenta")
        if not everything and self.step % self.limits.check_every:
            return
        now = thermo(state, mechanics, self.params, self.step)
        self._check_volume(now.volume)
        if now.temperature > self.limits.temperature_ratio * self.params.temperature:
            self._fail(f"a temperature of {now.temperature:.4g} K")
        closest = self.force_field.shortest_distance(state.positions, state.cell)
        if closest < self.limits.closest:
            self._fail(f"two atoms {closest:.3g} Å apart")
        self.last_good = now

    def _check_volume(self, size: float) -> None:
        largest = self.limits.volume_ratio
        if not self.start.volume / largest <= size <= self.start.volume * largest:
            self._fail(f"a volume of {size:.4g} Å³ after {self.start.volume:.4g} Å³ at the start")

    def _fail(self, found: str) -> NoReturn:
        raise SimulationError(
            f"expected the simulation at {self.params.temperature:g} K and"
            f" {self.params.pressure:g} bar to stay on physical ground, found at step {self.step}"
            f" {found}; last good: {self.last_good}. Start from a relaxed structure, shorten the"
            f" timestep ({self.params.timestep * 1e3:g} fs), or train the potential on such"
            " configurations"
        )
