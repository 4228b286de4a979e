"""Temperature series in LAMMPS: one leg after another, each from where the last one ended.

A leg is a run at one temperature, a chain a series of legs. Each leg's results are a file of its
own, made in one piece when the leg has ended: a sweep that is killed goes on with the leg that was
being run, from the end of the one before.
"""

import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from ocvf_lmp.errors import SimulationError
from ocvf_lmp.lammps.dynamics import Dynamics, Host, is_physical
from ocvf_lmp.lammps.model_header import ModelHeader
from ocvf_lmp.md.parameters import NptParameters
from ocvf_lmp.md.state import initial_state
from ocvf_lmp.seeding import normal, stream
from ocvf_lmp.system.cell import lower_triangular, volume
from ocvf_lmp.system.leg import Leg, leg_name
from ocvf_lmp.system.structure import Structure
from ocvf_lmp.system.sweep_file import read_leg, write_leg


@dataclass(frozen=True, slots=True)
class LegPlan:
    """What is to be run at one temperature.

    Attributes:
        branch: name of the series.
        temperature: K.
        order: place in the series, from 0.
    """

    branch: str
    temperature: float
    order: int

    @property
    def name(self) -> str:
        """Unique in a sweep, and fit for a file."""
        return leg_name(self.branch, self.temperature)


@dataclass(frozen=True, slots=True)
class Chain:
    """Legs that follow one another.

    Attributes:
        name: unique in a sweep.
        legs: in their order.
        start: where the first one starts.
    """

    name: str
    legs: tuple[LegPlan, ...]
    start: Structure


@dataclass(frozen=True, slots=True)
class Sampling:
    """How each leg is run.

    Attributes:
        params: the ensemble; the temperature is the leg's.
        equilibration: steps before what is averaged.
        steps: further steps.
        every: steps between frames.
        seed: of the velocities at the start of a chain.
    """

    params: NptParameters
    equilibration: int
    steps: int
    every: int
    seed: int


OnLeg = Callable[[LegPlan, Leg | None, float], None]
"""Told of a leg at its beginning (None) and at its end, with the seconds that it took."""


def run_chain(
    chain: Chain,
    sampling: Sampling,
    host: Host,
    model: tuple[Path, ModelHeader] | None,
    folder: Path,
    on_leg: OnLeg,
) -> list[Path]:
    """Runs the legs of a chain that are not there yet.

    Args:
        chain: the series.
        sampling: how.
        host: LAMMPS, with its prior.
        model: file and header of what is laid over it, or is the whole; or None.
        folder: of the sweep; legs go into ``legs/``.
        on_leg: is told of every leg that is run.

    Returns:
        The files of all legs of the chain.

    Raises:
        LammpsError: a run failed; the legs before it are kept.
        DataError: a leg of an earlier run cannot be read.
    """
    files = [leg_file(folder, plan) for plan in chain.legs]
    before: Leg | None = None
    for plan, path in zip(chain.legs, files, strict=True):
        if not path.is_file():
            began = time.perf_counter()
            on_leg(plan, None, 0.0)
            state = _start(chain, plan, sampling) if before is None else _end(before, chain.start)
            leg = _run_leg(plan, sampling, host, model, state, folder)
            write_leg(path, leg)
            on_leg(plan, leg, time.perf_counter() - began)
            before = leg
        else:
            before = read_leg(path)
    return files


def leg_file(folder: Path, plan: LegPlan) -> Path:
    """Where the results of a leg lie in the folder of a sweep."""
    return folder / "legs" / f"{plan.name}.h5"


def missing(chains: Sequence[Chain], folder: Path) -> list[LegPlan]:
    """Legs whose results are not there yet."""
    return [p for chain in chains for p in chain.legs if not leg_file(folder, p).is_file()]


def _start(chain: Chain, plan: LegPlan, sampling: Sampling) -> tuple[Structure, torch.Tensor]:
    """The start of a chain with thermal velocities."""
    given = chain.start
    cell, rotation = lower_triangular(given.cell)
    turned = replace(given, positions=given.positions @ rotation, cell=cell)
    params = replace(sampling.params, temperature=plan.temperature)
    noise = normal((given.n_atoms, 3), stream(sampling.seed, f"sweep/{chain.name}"))
    state = initial_state(turned.positions, cell, turned.masses, params, noise)
    return turned, state.momenta / state.masses[:, None]


def _end(leg: Leg, like: Structure) -> tuple[Structure, torch.Tensor]:
    """Where a leg has ended."""
    structure = replace(
        like,
        positions=torch.from_numpy(leg.last_positions),
        cell=torch.from_numpy(leg.last_cell),
    )
    return structure, torch.from_numpy(leg.last_velocities)


def _run_leg(
    plan: LegPlan,
    sampling: Sampling,
    host: Host,
    model: tuple[Path, ModelHeader] | None,
    state: tuple[Structure, torch.Tensor],
    folder: Path,
) -> Leg:
    # What a killed process has left may still be written to by a LAMMPS that outlived it.
    own = folder / "running" / f"{plan.name}.{os.getpid()}"
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir(parents=True)
    params = replace(sampling.params, temperature=plan.temperature)
    n_steps = sampling.equilibration + sampling.steps
    start, velocities = state
    found = host.run(own, model, start, velocities, params, n_steps, sampling.every)
    leg = _leg(plan, sampling.equilibration, found)
    _refuse_unphysical(leg, start, own)
    logs = folder / "logs"
    logs.mkdir(exist_ok=True)
    shutil.copyfile(own / "log.lammps", logs / f"{plan.name}.log")
    shutil.rmtree(own)
    return leg


def _refuse_unphysical(leg: Leg, start: Structure, folder: Path) -> None:
    before, after = float(volume(start.cell)), float(np.linalg.det(leg.last_cell))
    finite = all(np.isfinite(x).all() for x in (leg.last_positions, leg.last_velocities))
    if not finite or not is_physical(before, after):
        raise SimulationError(
            f"expected the simulation at {leg.temperature:g} K to stay on physical ground, found a"
            f" volume of {after:.4g} Å³ after {before:.4g} Å³ at its start, or positions that are"
            f" no numbers; look at {folder}, and check the model at this temperature"
        )


def _leg(plan: LegPlan, equilibration: int, found: Dynamics) -> Leg:
    frames, thermo, last = found.frames, found.thermo, found.last
    assert last.velocities is not None  # the host has seen to it
    return Leg(
        branch=plan.branch,
        temperature=plan.temperature,
        order=plan.order,
        equilibration=equilibration,
        step=np.array([f.step for f in frames]),
        cell=np.stack([f.cell.numpy() for f in frames]),
        positions=np.stack([f.positions.numpy() for f in frames]).astype(np.float32),
        kinetic_temperature=np.array([thermo[f.step]["Temp"] for f in frames]),
        potential_energy=np.array([thermo[f.step]["PotEng"] for f in frames]),
        pressure=np.stack([found.pressure(f.step) for f in frames]),
        last_positions=last.positions.numpy(),
        last_velocities=last.velocities.numpy(),
        last_cell=last.cell.numpy(),
    )
