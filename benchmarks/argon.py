"""Lennard-Jones argon as a world with a known answer: sampled by LAMMPS, "measured" as a PDF."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk
from ase.io import write

from ocvf_lmp.fit.gr_file import GrFile, write_gr
from ocvf_lmp.fit.targets import PdfTarget
from ocvf_lmp.lammps.frames import read_frames, read_thermo
from ocvf_lmp.lammps.inputs import overlay
from ocvf_lmp.lammps.run import find_lammps, run_lammps
from ocvf_lmp.observables.pdf import input_reach
from ocvf_lmp.observables.rdf import PartialGrid, average, number_density, partials

EPSILON, SIGMA, MASS = 0.01032, 3.405, 39.948
INNER, OUTER = 1.8 * SIGMA, 2.2 * SIGMA
"""The potential is tapered from INNER to OUTER (`lj/mdf`), Å."""
TIMESTEP = 0.005
R_RANGE, DR, Q_MAX = (2.0, 10.0), 0.05, 20.0


@dataclass(frozen=True, slots=True)
class Model:
    """Who LAMMPS evaluates.

    Attributes:
        name: for tables.
        prior: LAMMPS commands of the pair style.
        model: file of a correction, exported alone, that is laid over it; or None.
    """

    name: str
    prior: Sequence[str]
    model: Path | None = None

    def commands(self) -> str:
        """For an input of LAMMPS."""
        if self.model is None:
            return "\n".join(self.prior)
        return overlay(self.prior, f"mliap unified {self.model} 0", ("Ar",))


@dataclass(frozen=True, slots=True)
class State:
    """Temperature (K) and pressure (bar)."""

    temperature: float
    pressure: float

    def __str__(self) -> str:
        return f"{self.temperature:g}K_{self.pressure:g}bar"


@dataclass(frozen=True, slots=True)
class Sampled:
    """Averages of independent runs of one model at one state.

    Attributes:
        volume: Å³ an atom, (runs,).
        energy: potential energy, eV an atom, (runs,).
        pair_density: ρ g(r) on the grid of `forward_model`, (runs, 1, bins).
        density: atoms/Å³, (runs,).
    """

    volume: np.ndarray
    energy: np.ndarray
    pair_density: torch.Tensor
    density: torch.Tensor


def lennard_jones(depth: float = 1.0, diameter: float = 1.0) -> list[str]:
    """LAMMPS commands of the world's potential, or of a wrong one; factors on ε and σ."""
    return [
        f"pair_style lj/mdf {INNER:.10g} {OUTER:.10g}",
        f"pair_coeff 1 1 {depth * EPSILON:.10g} {diameter * SIGMA:.10g}",
    ]


def pair_energy(r: np.ndarray, depth: float = 1.0, diameter: float = 1.0) -> np.ndarray:
    """What `lennard_jones` is, eV, at distances r in Å."""
    x = np.clip((r - INNER) / (OUTER - INNER), 0.0, 1.0)
    sixth = (diameter * SIGMA / r) ** 6
    taper = (1 - x) ** 3 * (1 + 3 * x + 6 * x * x)
    return 4.0 * depth * EPSILON * (sixth * sixth - sixth) * taper


def melt(folder: Path, state: State, cells: int, seed: int, prior: Sequence[str]) -> None:
    """Writes `start.data` and `start.extxyz`: fluid of 4·cells³ atoms, at rest, of a prior."""
    kick = f"{state.pressure} {state.pressure} 1.0"
    at = state.temperature
    script = f"""
units metal
atom_style atomic
lattice fcc 5.7
region box block 0 {cells} 0 {cells} 0 {cells}
create_box 1 box
create_atoms 1 box
mass 1 {MASS}
{chr(10).join(prior)}
timestep {TIMESTEP}
velocity all create 500 {seed} mom yes rot no dist gaussian
fix hot all npt temp 500 500 0.3 iso {kick}
run 5000
unfix hot
fix cool all npt temp {at} {at} 0.3 iso {kick}
run 10000
write_data start.data nocoeff
write_dump all custom start.dump id type xu yu zu modify sort id format float %.12g
"""
    (folder / "in.melt").write_text(script)
    run_lammps(find_lammps(arguments=("-log", "none")), Path("in.melt"), folder)
    n_atoms = 4 * cells**3
    species = torch.zeros(n_atoms, dtype=torch.long)
    (frame,) = read_frames(folder / "start.dump", [15_000], species)
    numbers = len(frame.positions)
    atoms = Atoms(f"Ar{numbers}", frame.positions.numpy(), cell=frame.cell.numpy(), pbc=True)
    write(folder / "start.extxyz", atoms)


def _production(model: Model, state: State, n_steps: int, every: int, seed: int) -> str:
    t, p = state.temperature, state.pressure
    return f"""
units metal
atom_style atomic
read_data start.data
{model.commands()}
neighbor 1.0 bin
timestep {TIMESTEP}
velocity all create {t} {seed} mom yes rot no dist gaussian
fix motion all npt temp {t} {t} 0.2 iso {p} {p} 0.5
run {max(n_steps // 5, 1000)}
reset_timestep 0
thermo {every}
thermo_style custom step temp pe pxx pyy pzz pxy pxz pyz vol
thermo_modify format float %.12g
dump frames all custom {every} frames.dump id type xu yu zu
dump_modify frames sort id format float %.10g
run {n_steps}
"""


def forward_model():  # noqa: ANN201
    """The imagined diffractometer: neutrons, Q_max, no resolution; on `R_RANGE`."""
    first, last = (round(x / DR) for x in R_RANGE)
    r = DR * torch.arange(first, last + 1, dtype=torch.float64)
    grid = PartialGrid(1, input_reach(float(r[-1]), Q_MAX) + 0.02)
    target = PdfTarget(1.0, 1.0, r, torch.zeros_like(r), "neutron", Q_MAX, metric="r_w")
    return target.model(grid, ("Ar",), (1.0,))


def sample(
    model: Model, state: State, n_runs: int, n_steps: int, *, every: int = 20, cells: int = 3,
    seed: int = 1,
) -> Sampled:  # fmt: skip
    """Independent NPT runs from fluids of the model's prior.

    Args:
        model: who.
        state: where.
        n_runs: independent runs.
        n_steps: of each, after a fifth of it.
        every: steps between frames.
        cells: 4·cells³ atoms.
        seed: of the first run.
    """
    grid, n = forward_model().grid, 4 * cells**3
    species = torch.zeros(n, dtype=torch.long)
    volumes, energies, tables, densities = [], [], [], []
    for number in range(n_runs):
        with tempfile.TemporaryDirectory(prefix="argon-") as name:
            folder, own = Path(name), 1000 * seed + number + 1
            melt(folder, state, cells, own, model.prior)
            text = _production(model, state, n_steps, every, own + 500)
            (folder / "in.run").write_text(text)
            run_lammps(find_lammps(), Path("in.run"), folder)
            lines = list(read_thermo(folder / "log.lammps").values())[1:]
            thermo = np.array([[line["PotEng"], line["Volume"]] for line in lines]) / n
            steps = range(every, n_steps + 1, every)
            frames = read_frames(folder / "frames.dump", steps, species)
        energies.append(thermo[:, 0].mean())
        volumes.append(thermo[:, 1].mean())
        found = [partials(f.positions, f.cell, species, grid) for f in frames]
        density = torch.stack([number_density(f.cell, n) for f in frames])
        g, rho = average(torch.stack(found), density)
        tables.append(rho * g)
        densities.append(rho)
    return Sampled(
        np.array(volumes), np.array(energies), torch.stack(tables), torch.stack(densities)
    )


def curve(sampled: Sampled) -> torch.Tensor:
    """G(r) of all runs together, Å^-2."""
    rho = sampled.density.mean()
    return forward_model()(sampled.pair_density.mean(dim=0) / rho, rho)


def curve_errors(sampled: Sampled) -> torch.Tensor:
    """Standard errors of `curve` from the scatter of the runs."""
    forward = forward_model()
    each = torch.stack(
        [
            forward(x / rho, rho)
            for x, rho in zip(sampled.pair_density, sampled.density, strict=True)
        ]
    )
    return each.std(dim=0) / len(each) ** 0.5


def write_measurement(path: Path, state: State, truth: Sampled, noise: float, seed: int) -> None:
    """A SYNTHETIC .gr file of the truth: noise that grows as Q on F(Q), errors, density.

    Args:
        path: of the file.
        state: where it was "measured".
        truth: long runs.
        noise: its rms, as a share of that of G(r).
        seed: of the noise.
    """
    r, g = forward_model().r, curve(truth)
    generator = np.random.default_rng(seed)
    q = np.arange(0.02, Q_MAX, 0.02)
    ripple = np.sin(np.outer(r.numpy(), q)) @ (q * generator.standard_normal(len(q)))
    size = noise * float(g.square().mean().sqrt())
    ripple = torch.from_numpy(ripple * size / np.sqrt(np.mean(ripple**2)))
    error = torch.sqrt(curve_errors(truth) ** 2 + size**2)
    data = GrFile(
        r, g + ripple, error, radiation="neutron", composition={"Ar": 1.0}, q_max=Q_MAX,
        q_min=0.0, q_damp=0.0, q_broad=0.0, temperature=state.temperature,
        pressure=state.pressure, density=float(truth.density.mean()), synthetic=True,
        source="SYNTHETIC (not measured): Lennard-Jones argon, LAMMPS",
    )  # fmt: skip
    write_gr(path, data, "SYNTHETIC (not measured): computed from a classical simulation")


CRYSTALS = {"fcc": 5.3, "compressed": 5.0, "stretched": 5.6}
"""Lattice constants of static fcc crystals, Å."""


def static_energies(model: Model) -> dict[str, float]:
    """Energies that no fluid at one temperature shows: fcc, and what its strains cost, meV/atom."""
    samples = {name: bulk("Ar", "fcc", a, cubic=True) * (3, 3, 3) for name, a in CRYSTALS.items()}
    each = {k: 1e3 * _static_energy(model, atoms) / len(atoms) for k, atoms in samples.items()}
    return {
        "fcc": each["fcc"],
        "compression": each["compressed"] - each["fcc"],
        "stretching": each["stretched"] - each["fcc"],
    }


def _static_energy(model: Model, atoms: Atoms) -> float:
    with tempfile.TemporaryDirectory(prefix="argon-") as name:
        folder = Path(name)
        write(folder / "start.data", atoms, format="lammps-data", masses=True)
        script = f"""
units metal
atom_style atomic
read_data start.data
{model.commands()}
thermo_style custom step temp pe pxx pyy pzz pxy pxz pyz
thermo_modify format float %.15g
run 0
"""
        (folder / "in.static").write_text(script)
        run_lammps(find_lammps(), Path("in.static"), folder)
        return read_thermo(folder / "log.lammps")[0]["PotEng"]
