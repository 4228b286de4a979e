"""Ensemble averages by runs: what a model gives for the observables of a state."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from ocvf_lmp.errors import InputError
from ocvf_lmp.fit.objective import Objective
from ocvf_lmp.md.engine import Engine, Frame, OnFrame
from ocvf_lmp.md.forcefield import ForceField
from ocvf_lmp.md.parameters import NptParameters
from ocvf_lmp.md.relaxation import Relaxation, relaxation
from ocvf_lmp.md.state import NptState
from ocvf_lmp.observables.lattice import lattice_parameters
from ocvf_lmp.potential.composite import Corrected

N_BLOCKS = 5
"""Number of blocks a run from whose scatter standard errors are estimated."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """Averages over runs.

    Attributes:
        means: averaged observables of the objective, by name.
        blocks: the same for each of `N_BLOCKS` consecutive parts of each run.
        times: of the frames since the start of their run, ps, (frames,).
        cells: lattice parameters of the unit cell of each frame, Å and degrees, (frames, 6).
        temperatures: K, (frames,).
        delta: ΔH of the frames, eV, (frames,).
    """

    means: dict[str, Tensor]
    blocks: list[dict[str, Tensor]]
    times: Tensor
    cells: Tensor
    temperatures: Tensor
    delta: Tensor

    def as_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


def measure(
    engine: Engine,
    model: Corrected,
    objective: Objective,
    state: NptState,
    params: NptParameters,
    n_steps: int,
    every: int,
    on_frame: OnFrame = lambda frame: None,
) -> tuple[Measurement, NptState]:
    """Runs dynamics and averages an objective's observables, without gradients.

    Returns:
        The averages, and the final state.

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
    rows: list[tuple[float, Tensor, float, Tensor]] = []
    correction = ForceField(model.correction, objective.species)  # pyright: ignore

    @torch.no_grad()
    def observer(frame: Frame) -> None:
        block = min(len(rows) * N_BLOCKS // n_frames, N_BLOCKS - 1)
        counts[block] += 1
        seen = objective.observe(frame.positions, frame.cell) | objective.of_frame(frame)
        for name, value in seen.items():
            total = sums[block].get(name)
            sums[block][name] = value if total is None else total + value
        parameters = lattice_parameters(frame.cell, objective.repeat)
        delta = correction.energy(frame.positions, frame.cell)
        rows.append((frame.step * params.timestep, parameters, frame.temperature, delta))
        on_frame(frame)

    end = engine.run(model, objective.species, state, params, n_steps, every, observer)
    blocks = [
        {name: value / count for name, value in part.items()}
        for part, count in zip(sums, counts, strict=True)
    ]
    means = {
        name: torch.stack([part[name] for part in sums]).sum(dim=0) / sum(counts)
        for name in sums[0]
    }
    times, cells, temperatures, delta = zip(*rows, strict=True)
    found = Measurement(
        means,
        blocks,
        torch.tensor(times, dtype=torch.float64),
        torch.stack(cells),
        torch.tensor(temperatures, dtype=torch.float64),
        torch.stack(delta),
    )
    return found, end


def pool_measurements(parts: Sequence[Measurement]) -> Measurement:
    """One measurement of several runs of the same length."""
    if len(parts) == 1:
        return parts[0]
    means = {k: torch.stack([p.means[k] for p in parts]).mean(dim=0) for k in parts[0].means}
    return Measurement(
        means,
        [block for part in parts for block in part.blocks],
        torch.cat([p.times for p in parts]),
        torch.cat([p.cells for p in parts]),
        torch.cat([p.temperatures for p in parts]),
        torch.cat([p.delta for p in parts]),
    )


def cell_memory(found: Measurement) -> Relaxation:
    """Relaxation of the slowest of the unit cell's lengths and angles."""
    names = ("a", "b", "c", "alpha", "beta", "gamma")
    first = found.times == found.times.min()  # of each run
    n = len(found.times) // int(first.sum())
    interval = float(found.times[0])
    columns = found.cells[:n].T  # of one run: time does not go on from one to the next
    return max(
        (relaxation(column, interval, name) for column, name in zip(columns, names, strict=True)),
        key=lambda known: known.time,
    )
