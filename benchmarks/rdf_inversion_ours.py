"""Our side of `rdf_inversion.py`: LAMMPS samples, the correction's gradient comes by reweighting.

    python benchmarks/rdf_inversion_ours.py PROBLEM.npz RESULT.npz STARTED

STARTED is the reading of `time.monotonic` when the process was launched.
"""

import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rdf_toy import (
    Toy,
    lammps_input,
    load_problem,
    read_dump,
    run,
    write_data,
    write_table,
)  # fmt: skip
from torch import nn

from ocvf_lmp.allocator import keep_memory
from ocvf_lmp.fit.ensemble import Ensemble
from ocvf_lmp.fit.stacked import energies_of_stack
from ocvf_lmp.fit.stacked_gradient import stacked_gradient
from ocvf_lmp.observables.rdf import PartialGrid, partials_of_stack
from ocvf_lmp.potential.protocol import Exchange
from ocvf_lmp.system.edges import Edges
from ocvf_lmp.system.stack import Stack, stack_frames


class Spline(nn.Module):
    """The correction of a pair's energy, Σ_k c_k B_k(r) kT."""

    n_hops, symbols = 1, ("Ar",)

    def __init__(self, toy: Toy) -> None:
        super().__init__()
        self.cutoff, self.first, self.step, self.kt = (
            toy.cutoff, toy.knot_first, toy.knot_step, toy.kt,
        )  # fmt: skip
        self.c = nn.Parameter(torch.zeros(toy.n_splines, dtype=torch.float64))

    def atom_energies(
        self, edges: Edges, species: torch.Tensor, exchange: Exchange | None = None
    ) -> torch.Tensor:
        """Energy of each atom, eV."""
        del exchange
        place = (torch.linalg.vector_norm(edges.vector, dim=1) - self.first) / self.step
        interval = place.floor().clamp(-1, len(self.c) + 3)
        x = place - interval
        index, padded = interval.long() + 4, nn.functional.pad(self.c, (4, 4))
        pair = padded[index - 3] * (1 - x) ** 3 / 6
        pair = pair + padded[index - 2] * ((3 * x - 6) * x * x + 4) / 6
        pair = pair + padded[index - 1] * (((3 - 3 * x) * x + 3) * x + 1) / 6
        pair = pair + padded[index] * x**3 / 6
        zero = torch.zeros(len(species), dtype=pair.dtype)
        return zero.index_add(0, edges.center, 0.5 * self.kt * pair)

    def energy(self, edges: Edges, species: torch.Tensor) -> torch.Tensor:
        """Total energy, eV."""
        return self.atom_energies(edges, species).sum()


class Sampler:
    """LAMMPS, going on where it stopped."""

    def __init__(self, toy: Toy, positions: np.ndarray, folder: Path) -> None:
        self.toy, self.folder, self.runs = toy, folder, 0
        self.grid = PartialGrid(1, float(toy.r[-1]), toy.dr, toy.dr)
        write_data(folder / "start.data", toy, positions)

    def frames(self, coefficients: np.ndarray) -> torch.Tensor:
        """New frames of the potential with these coefficients, Å, (frames, atoms, 3)."""
        toy = self.toy
        write_table(self.folder / "pair.table", toy, coefficients)
        start, heat = "read_restart end.restart", ""
        if self.runs == 0:
            start = "read_data start.data"
            heat = f"velocity all create {toy.temperature} {toy.seed} mom yes rot no dist gaussian"
        self.runs += 1
        steps = f"""{heat}
run {toy.equilibration}
reset_timestep 0
dump frames all custom {toy.every} frames.dump id x y z
dump_modify frames sort id format float %.9g
run {toy.steps}
write_restart end.restart"""
        run(self.folder, lammps_input(toy, start, steps))
        found = read_dump(self.folder / "frames.dump", toy.n_atoms)[1:]
        return torch.from_numpy(found)

    def ensemble(self, potential: Spline) -> tuple[Stack, Ensemble]:
        """Frames with their g(r) and energies."""
        positions = self.frames(potential.c.detach().numpy())
        cell = self.toy.side * torch.eye(3, dtype=torch.float64)
        cells = cell.repeat(len(positions), 1, 1)
        species = torch.zeros(self.toy.n_atoms, dtype=torch.long)
        stack = stack_frames(positions, cells, species, self.grid.cutoff)
        g = partials_of_stack(stack, cells, self.grid)[:, 0, -self.toy.n_bins :]
        energies = energies_of_stack(potential, stack)
        return stack, Ensemble(positions, cells, energies, {"g": g})


def train(problem: Path, started: float) -> dict[str, list]:
    """The history of a training: after each update the time, the loss before it, and the rest."""
    toy, positions, goal = load_problem(problem)
    target = torch.from_numpy(goal)
    potential = Spline(toy)
    sampler = Sampler(toy, positions, problem.parent)
    optimizer = torch.optim.Adam(potential.parameters(), lr=toy.learning_rate, betas=toy.betas)
    decay = torch.optim.lr_scheduler.ExponentialLR(
        optimizer, (toy.final_rate / toy.learning_rate) ** (1.0 / toy.updates)
    )
    names = ("time", "processor", "coefficients", "loss", "effective", "sampled")
    history = {name: [] for name in names}
    frames = None
    for _ in range(toy.updates):
        sampled = False
        while True:
            if frames is None:
                frames, sampled = sampler.ensemble(potential), True
            estimate = stacked_gradient(
                potential, *frames, toy.temperature,
                lambda means: (means["g"] - target).square().mean(),
                min_effective=toy.min_effective,
            )  # fmt: skip
            if not estimate.refusal:
                break
            frames = None
        potential.c.grad = estimate.gradients["c"]
        optimizer.step()
        decay.step()
        history["time"].append(time.monotonic() - started)
        history["processor"].append(processor_time())
        history["coefficients"].append(potential.c.detach().numpy().copy())
        history["loss"].append(estimate.loss)
        history["effective"].append(estimate.notes["effective"])
        history["sampled"].append(sampled)
        if len(history["loss"]) >= 3 and max(history["loss"][-3:]) < toy.goal:
            break
    return history


def processor_time() -> float:
    """Seconds of this process and its children."""
    used = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def main() -> None:
    """Trains, and writes the history."""
    torch.set_num_threads(1)
    keep_memory()
    history = train(Path(sys.argv[1]), float(sys.argv[3]))
    arrays: dict[str, Any] = {k: np.array(v) for k, v in history.items()}
    np.savez(sys.argv[2], compiling=np.zeros(len(arrays["time"])), **arrays)


if __name__ == "__main__":
    main()
