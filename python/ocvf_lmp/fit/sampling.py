"""Ensemble averages by runs of the twin: what a model gives for the observables of a state."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ocvf_lmp.errors import InputError
from ocvf_lmp.fit.objective import Objective
from ocvf_lmp.md.mechanics import Mechanics
from ocvf_lmp.md.parameters import NptParameters
from ocvf_lmp.md.rollout import rollout
from ocvf_lmp.md.state import NptState
from ocvf_lmp.md.thermo import thermo
from ocvf_lmp.observables.lattice import lattice_parameters
from ocvf_lmp.potential.protocol import Potential

N_BLOCKS = 5
"""Number of blocks from whose scatter standard errors are estimated."""

Frame = Callable[[int, NptState, Mechanics], None]
"""Told of every frame: number of the step, state, mechanics."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """Averages over a run.

    Attributes:
        means: averaged observables of the objective, by name.
        blocks: the same for each of `N_BLOCKS` consecutive parts of the run.
        times: of the frames since the start of the run, ps, (frames,).
        cells: lattice parameters of the unit cell of each frame, Å and degrees, (frames, 6).
        temperatures: K, (frames,).
        state: final state.
    """

    means: dict[str, Tensor]
    blocks: list[dict[str, Tensor]]
    times: Tensor
    cells: Tensor
    temperatures: Tensor
    state: NptState


def measure(
    potential: Potential,
    objective: Objective,
    state: NptState,
    params: NptParameters,
    n_steps: int,
    every: int,
    on_frame: Frame = lambda step, state, mechanics: None,
) -> Measurement:
    """Runs the twin and averages an objective's observables, without gradients.

    Raises:
        InputError: the run is too short for `N_BLOCKS` blocks.
        SimulationError: the run left physical ground.
    """
    n_frames = n_steps // every
    if n_frames < N_BLOCKS:
        raise InputError(
            f"expected at least {N_BLOCKS} frames to average over, found {n_frames}"
            f" ({n_steps} steps, one frame every {every}); lengthen the run"
        )
    sums: list[dict[str, Tensor]] = [{} for _ in range(N_BLOCKS)]
    counts = [0] * N_BLOCKS
    cells: list[Tensor] = []
    temperatures: list[float] = []
    times: list[float] = []
    objective.forget()

    def observer(step: int, now: NptState, mechanics: Mechanics) -> None:
        block = min(len(times) * N_BLOCKS // n_frames, N_BLOCKS - 1)
        counts[block] += 1
        for name, value in objective.observe(now.positions, now.cell).items():
            total = sums[block].get(name)
            sums[block][name] = value if total is None else total + value
        times.append(step * params.timestep)
        cells.append(lattice_parameters(now.cell, objective.repeat))
        temperatures.append(thermo(now, mechanics, params, step).temperature)
        on_frame(step, now, mechanics)

    end = rollout(potential, objective.species, state, params, n_steps, observer, every)
    blocks = [
        {name: value / count for name, value in part.items()}
        for part, count in zip(sums, counts, strict=True)
    ]
    means = {
        name: torch.stack([part[name] for part in sums]).sum(dim=0) / sum(counts)
        for name in sums[0]
    }
    return Measurement(
        means,
        blocks,
        torch.tensor(times, dtype=torch.float64),
        torch.stack(cells),
        torch.tensor(temperatures, dtype=torch.float64),
        end.state,
    )
