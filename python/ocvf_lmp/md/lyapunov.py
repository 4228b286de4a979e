"""How fast neighbouring trajectories part: the largest Lyapunov exponent, from runs forwards only.

A shadow starts close to a run, in some direction, and is drawn back to that distance every so often
(Benettin, Galgani, Strelcyn, Phys. Rev. A 14, 2338, 1976). The mean logarithm of its stretching is
the exponent. The way back of the adjoint grows at the same rate, but shows it only once its first
powers of the lag are over: a run of the shadow tells what a short window cannot.
"""

from dataclasses import dataclass

import torch

from ocvf_lmp.arrays import Positions, Species
from ocvf_lmp.errors import InputError
from ocvf_lmp.md.forcefield import ForceField
from ocvf_lmp.md.mechanics import Mechanics
from ocvf_lmp.md.npt import Integrator, push_of
from ocvf_lmp.md.parameters import NptParameters
from ocvf_lmp.md.relaxation import integrated_time
from ocvf_lmp.md.rollout import rollout
from ocvf_lmp.md.state import DYNAMIC, NptState
from ocvf_lmp.potential.protocol import Potential
from ocvf_lmp.units import MVV2E

_SETTLING = 0.25
"""Share of the stretches that is left out: the shadow has to turn to the fastest direction."""


LEAST_STRETCHES = 8
"""Fewer tell no exponent."""

STRETCH = 10
"""Steps between the times at which the shadow is drawn back."""


@dataclass(frozen=True, slots=True)
class Lyapunov:
    """Largest Lyapunov exponent.

    Attributes:
        rate: 1/ps.
        error: its standard error along the run, 1/ps.
        length: of the run that it was measured on, ps.
    """

    rate: float
    error: float
    length: float

    def __str__(self) -> str:
        return (
            f"trajectories part at {self.rate:.3g} ± {self.error:.1g} e-folds/ps"
            f" (from {self.length:.3g} ps)"
        )


class Shadow:
    """A neighbouring trajectory beside a run: an observer for `rollout`, called at any steps.

    It costs one evaluation of the forces a step.

    Attributes:
        stretches: logarithm of the growth between calls.
        durations: time between calls, ps.
        state: of the neighbour.
    """

    def __init__(
        self,
        potential: Potential,
        species: Species,
        state: NptState,
        params: NptParameters,
        noise: Positions,
        *,
        first_step: int = 0,
        skin: float = 0.5,
    ) -> None:
        """Starts beside a state.

        Args:
            potential: the energy.
            species: (atoms,).
            state: where the run starts.
            params: the ensemble.
            noise: direction of the first separation of the positions, (atoms, 3).
            first_step: number of the step at which the run starts.
            skin: of the neighbour list, Å.
        """
        self.force_field = ForceField(potential, species, skin)
        self.integrator = Integrator(params, state.n_atoms)
        self.timestep, self.step = params.timestep, first_step
        # far above round-off, far below what bends the trajectories
        self.distance = 100.0 * torch.finfo(state.positions.dtype).eps ** 0.5
        self.scales = _scales(state, self.integrator)
        self.stretches: list[float] = []
        self.durations: list[float] = []
        parted = {name: torch.zeros_like(getattr(state, name)) for name in DYNAMIC}
        parted["positions"] = (noise - noise.mean(dim=0)).to(state.positions)
        self._place(state, parted, self._norm(parted))

    def __call__(self, step: int, state: NptState, mechanics: Mechanics) -> None:
        """Follows the run to a step, notes the stretch and draws the shadow back."""
        del mechanics
        n_steps, self.step = step - self.step, step
        if n_steps < 1:
            return
        with torch.no_grad():
            for _ in range(n_steps):
                self.state, self.mechanics = self.integrator.step(
                    self.state, push_of(self.mechanics), self.force_field
                )
            parted = {
                name: getattr(self.state, name) - getattr(state, name) for name in self.scales
            }
            norm = self._norm(parted)
            self.stretches.append(float((norm / self.distance).log()))
            self.durations.append(n_steps * self.timestep)
            self._place(state, parted, norm)

    def exponent(self) -> Lyapunov:
        """The exponent so far, without the first quarter of the stretches.

        Raises:
            InputError: fewer than `LEAST_STRETCHES`.
        """
        if len(self.stretches) < LEAST_STRETCHES:
            raise InputError(
                f"expected at least {LEAST_STRETCHES} stretches of the shadow, found"
                f" {len(self.stretches)}; lengthen the run or call it more often"
            )
        first = int(_SETTLING * len(self.stretches))
        stretch = torch.tensor(self.stretches[first:], dtype=torch.float64)
        durations = torch.tensor(self.durations[first:], dtype=torch.float64)
        length = float(durations.sum())
        rate = float(stretch.sum()) / length
        excess = stretch - rate * durations
        # uncorrelated stretches at the least: what anticorrelation would gain is not sure
        memory = max(integrated_time(excess)[0], 0.5)
        error = float(excess.square().sum() * 2.0 * memory) ** 0.5 / length
        return Lyapunov(rate, error, length)

    def _norm(self, parted: dict[str, torch.Tensor]) -> torch.Tensor:
        parts = [(parted[name] / scale).flatten() for name, scale in self.scales.items()]
        return torch.cat(parts).norm()

    def _place(self, state: NptState, parted: dict[str, torch.Tensor], norm: torch.Tensor) -> None:
        """Puts the shadow at the set distance from a state, in the direction of `parted`."""
        factor = self.distance / norm
        tensors = (
            getattr(state, name) + parted[name] * factor
            if name in self.scales
            else getattr(state, name)
            for name in DYNAMIC
        )
        self.state = state.with_dynamic(tuple(tensors))
        with torch.no_grad():
            self.mechanics = self.force_field(self.state.positions, self.state.cell)


def largest_exponent(
    potential: Potential,
    species: Species,
    state: NptState,
    params: NptParameters,
    n_steps: int,
    noise: Positions,
    every: int = STRETCH,
) -> tuple[Lyapunov, NptState]:
    """Measures the largest Lyapunov exponent on a run of its own.

    Some ten e-folds tell it to within a tenth or so.

    Args:
        potential: the energy.
        species: (atoms,).
        state: initial state, equilibrated.
        params: the ensemble.
        n_steps: length of the run.
        noise: direction of the first separation, (atoms, 3).
        every: steps between the times at which the shadow is drawn back.

    Returns:
        The exponent, and the state at the end of the run.

    Raises:
        InputError: too short a run.
        SimulationError: the run left physical ground.
    """
    shadow = Shadow(potential, species, state, params, noise)
    end = rollout(potential, species, state, params, n_steps, shadow, every)
    return shadow.exponent(), end.state


def _scales(state: NptState, integrator: Integrator) -> dict[str, torch.Tensor]:
    """Natural size of each variable that feels or moves others.

    The positions of the thermostats do neither: they are left out.
    """
    c = integrator.masses
    one = torch.ones((), dtype=state.positions.dtype, device=state.positions.device)
    chain, cell_chain = one.new_tensor(c.chain), one.new_tensor(c.cell_chain)
    return {
        "positions": one,
        "momenta": (state.masses * (c.kt / MVV2E)).sqrt()[:, None],
        "cell": one,
        "cell_momentum": one * (c.cell_mass * c.kt) ** 0.5,
        "p_eta": (chain * c.kt).sqrt(),
        "p_xi": (cell_chain * c.kt).sqrt(),
    }
