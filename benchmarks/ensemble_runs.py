"""Runs of `ensembles.py` in the twin and in LAMMPS, kept in files so that they can go on."""

import dataclasses
import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from ensemble_systems import System

from ocvf_lmp.lammps.run import find_lammps, run_lammps
from ocvf_lmp.md.mechanics import Mechanics
from ocvf_lmp.md.npt import twice_kinetic
from ocvf_lmp.md.rollout import rollout
from ocvf_lmp.md.state import NptState, initial_state
from ocvf_lmp.seeding import normal, stream

PIECE = 2000
"""Steps between the twin's saved states."""


@dataclass(frozen=True)
class Series:
    """Samples of one run.

    Attributes:
        cells: rows, Å, (samples, 3, 3).
        kinetic: kinetic energy of the atoms, eV, (samples,).
        potential: eV, (samples,).
    """

    cells: np.ndarray
    kinetic: np.ndarray
    potential: np.ndarray


def folder_of(root: Path, system: System) -> Path:
    """Where runs of a system are kept: other parameters, other folder."""
    what = f"{system.params} {system.redraw} {system.every} {system.equilibration}"
    what += f" {system.structure.cell.tolist()} {system.structure.n_atoms}"
    folder = root / f"{system.name}_{hashlib.sha256(what.encode()).hexdigest()[:8]}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def twin(system: System, seed: int, n_steps: int, root: Path) -> Series:
    """Samples of the twin; goes on with a run that is in `root`.

    Args:
        system: what to run.
        seed: of the momenta.
        n_steps: after the equilibration; rounded up to whole pieces.
        root: folder of all runs.
    """
    path = folder_of(root, system) / f"twin_{seed}.pt"
    if path.exists():
        saved = torch.load(path)
        state, step, rows = NptState(**saved["state"]), saved["step"], saved["rows"]
    else:
        state, step, rows = _start(system, seed), 0, torch.zeros(0, 11, dtype=torch.float64)
    while step < system.equilibration + n_steps:
        state, new = _piece(system, seed, state, step)
        step += PIECE
        rows = torch.cat([rows, new])
        partial = path.with_suffix(".partial")
        torch.save({"state": state.as_dict(), "step": step, "rows": rows}, partial)
        partial.replace(path)
    found = rows[: n_steps // system.every].numpy()
    return Series(found[:, :9].reshape(-1, 3, 3), found[:, 9], found[:, 10])


def _start(system: System, seed: int) -> NptState:
    structure = system.structure
    noise = normal((structure.n_atoms, 3), stream(seed, "momenta"))
    cell_noise = normal((3, 3), stream(seed, "cell"))
    return initial_state(
        structure.positions, structure.cell, structure.masses, system.params, noise, cell_noise
    )


def _piece(system: System, seed: int, state: NptState, done: int) -> tuple[NptState, torch.Tensor]:
    """The next steps and the samples of those that are beyond the equilibration."""
    rows: list[torch.Tensor] = []

    def watch(step: int, now: NptState, mechanics: Mechanics) -> None:
        if step > system.equilibration:
            kinetic = 0.5 * twice_kinetic(now.momenta, now.masses)
            rows.append(torch.cat([now.cell.flatten(), torch.stack([kinetic, mechanics.energy])]))

    stride = system.redraw or PIECE
    for first in range(done, done + PIECE, stride):
        if system.redraw:
            noise = normal((state.n_atoms, 3), stream(seed, f"redraw{first}"))
            fresh = initial_state(state.positions, state.cell, state.masses, system.params, noise)
            state = dataclasses.replace(state, momenta=fresh.momenta)
        state = rollout(
            system.potential, system.structure.species, state, system.params, stride,  # pyright: ignore
            watch, system.every, limits=system.limits, first_step=first,
        ).state  # fmt: skip
    return state, torch.stack(rows) if rows else torch.zeros(0, 11, dtype=torch.float64)


def lammps(system: System, seed: int, n_steps: int, root: Path) -> Series:
    """Samples of `fix npt` in LAMMPS, unless they are in `root` already.

    Args:
        system: what to run.
        seed: of the velocities.
        n_steps: after the equilibration.
        root: folder of all runs.
    """
    path = folder_of(root, system) / f"lammps_{seed}_{n_steps}.npy"
    if not path.exists():
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "in.run").write_text(_input(system, seed, n_steps, folder))
            # a quiet log: the runs between two draws of the momenta are many
            quiet = find_lammps(arguments=("-log", "none", "-screen", "none"))
            run_lammps(quiet, Path("in.run"), folder)
            np.save(path, np.loadtxt(folder / "series.txt"))
    table = np.load(path)
    lx, ly, lz, xy, xz, yz = table[:, 1:7].T
    zero = np.zeros_like(lx)
    cells = np.stack([lx, zero, zero, xy, ly, zero, xz, yz, lz], axis=1).reshape(-1, 3, 3)
    return Series(cells, table[:, 7], table[:, 8])


def _input(system: System, seed: int, n_steps: int, folder: Path) -> str:
    p = system.params
    style = "tri" if p.mode == "flexible" else "iso"
    generator = np.random.default_rng(seed)
    # `velocity create` scales to exactly the temperature that it is given: with momenta drawn anew
    # that temperature must follow its chi-square distribution itself.
    freedom = 3 * system.structure.n_atoms - 3

    def run(steps: int) -> str:
        if not system.redraw:
            return f"run {steps}\n"
        text = ""
        for _ in range(steps // system.redraw):
            kelvin = p.temperature * generator.chisquare(freedom) / freedom
            text += f"velocity all create {kelvin!r} {generator.integers(1, 2**30)}"
            text += f" mom yes rot no dist gaussian\nrun {system.redraw} post no\n"
        return text

    names = ("lx", "ly", "lz", "xy", "xz", "yz", "ke", "pe")
    variables = "\n".join(f"variable s_{name} equal {name}" for name in names)
    columns = " ".join(f"v_s_{name}" for name in names)
    return f"""units metal
boundary p p p
{system.lammps(folder)}neighbor 1.0 bin
neigh_modify every 1 delay 0 check yes
timestep {p.timestep!r}
velocity all create {p.temperature!r} {seed + 1} mom yes rot no dist gaussian
fix npt all npt temp {p.temperature!r} {p.temperature!r} {p.t_damp!r} &
    {style} {p.pressure!r} {p.pressure!r} {p.p_damp!r} {"flip no" if style == "tri" else ""}
thermo 0
{run(system.equilibration)}reset_timestep 0
{variables}
fix series all ave/time {system.every} 1 {system.every} {columns} &
    file series.txt format " %.12g"
{run(n_steps)}"""
