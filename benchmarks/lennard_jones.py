"""The 32-atom Lennard-Jones solid in NPT whose gradient is known: twin, and the same in LAMMPS.

Reduced units throughout the problem: kT = 0.5, P = 1, dt = 0.005, the potential tapered from 1.35
to 1.55 as LAMMPS' `lj/mdf` does; scaled to argon for the twin, which works in metal units.
"""

import tempfile
from pathlib import Path

import numpy as np
import torch
from ase.io import iread
from torch import nn

from ocvf_lmp.lammps.run import find_lammps, run_lammps
from ocvf_lmp.md.parameters import NptParameters
from ocvf_lmp.md.state import NptState, initial_state
from ocvf_lmp.seeding import normal, stream
from ocvf_lmp.units import BAR, KB, MVV2E

EPSILON, SIGMA, MASS = 0.01032, 3.405, 39.948
INNER, OUTER = 1.35 * SIGMA, 1.55 * SIGMA
TIMESTEP = 0.005 * SIGMA * (MASS * MVV2E / EPSILON) ** 0.5
TEMPERATURE = 0.5 * EPSILON / KB
PRESSURE = EPSILON / SIGMA**3 / BAR
N_ATOMS = 32
CELL = (N_ATOMS * 1.0776) ** (1.0 / 3.0) * SIGMA
"""Edge of the cell that has the mean volume, Å."""
SPECIES = torch.zeros(N_ATOMS, dtype=torch.long)


class LennardJones(nn.Module):
    """4 ε (σ/r)^12 - (σ/r)^6, tapered; the parameter is the depth in units of ε."""

    n_hops, symbols = 1, ("Ar",)

    def __init__(self, depth: float = 1.0, inner: float = INNER, outer: float = OUTER) -> None:
        super().__init__()
        self.inner, self.cutoff = inner, outer
        self.depth = nn.Parameter(torch.tensor(depth, dtype=torch.float64))

    def atom_energies(self, edges, species, exchange=None):  # noqa: ANN001, ANN201
        """Energy of each atom, eV."""
        square = edges.vector.square().sum(dim=1)
        sixth = (SIGMA**2 / square) ** 3
        x = ((square.sqrt() - self.inner) / (self.cutoff - self.inner)).clamp(0.0, 1.0)
        pair = 2.0 * EPSILON * (sixth * sixth - sixth) * (1 - x**3 * (10 - 15 * x + 6 * x * x))
        zero = torch.zeros(len(species), dtype=square.dtype)
        return self.depth * zero.index_add(0, edges.center, pair)

    def energy(self, edges, species):  # noqa: ANN001, ANN201
        """Total energy, eV."""
        return self.atom_energies(edges, species).sum()


def parameters(p_damp_steps: int) -> NptParameters:
    """The ensemble, with a barostat of so many steps."""
    return NptParameters(
        temperature=TEMPERATURE, pressure=PRESSURE, timestep=TIMESTEP, t_damp=50 * TIMESTEP,
        p_damp=p_damp_steps * TIMESTEP, mode="isotropic",
    )  # fmt: skip


def fcc() -> torch.Tensor:
    """Scaled positions of the crystal, (atoms, 3)."""
    corners = torch.tensor([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]).double()
    cells = torch.cartesian_prod(*[torch.arange(2).double()] * 3)
    return (cells[:, None] + corners).reshape(-1, 3) / 2


def start(params: NptParameters, seed: int) -> NptState:
    """The fcc crystal at the mean volume, with thermal momenta of atoms and cell."""
    cell = CELL * torch.eye(3, dtype=torch.float64)
    noise = normal((N_ATOMS, 3), stream(seed, "momenta"))
    cell_noise = normal((3, 3), stream(seed, "cell"))
    masses = torch.full((N_ATOMS,), MASS, dtype=torch.float64)
    return initial_state(fcc() @ cell, cell, masses, params, noise, cell_noise)


def observe(positions: torch.Tensor, cell: torch.Tensor) -> dict[str, torch.Tensor]:
    """Volume an atom in σ³."""
    del positions
    return {"volume": torch.linalg.det(cell) / (N_ATOMS * SIGMA**3)}


def loss(means) -> torch.Tensor:  # noqa: ANN001
    """The mean volume itself: its gradient is d<V>/dε / N."""
    return means["volume"]


def mean_volume(
    depth: float, seed: int, n_steps: int, p_damp_steps: int, folder: Path, every: int = 0
) -> float:
    """The same solid in LAMMPS (`lj/mdf`, `fix npt iso`).

    Args:
        depth: of the potential, in units of ε.
        seed: of the momenta.
        n_steps: of the run, after 10000 of equilibration.
        p_damp_steps: of the barostat.
        folder: to work in.
        every: steps between frames in ``frames.dump``; 0: no frames.

    Returns:
        Mean volume an atom, σ³.
    """
    dump = f"dump frames all custom {every} frames.dump id type x y z" if every else ""
    text = f"""
units metal
atom_style atomic
lattice fcc {CELL / 2}
region box block 0 2 0 2 0 2
create_box 1 box
create_atoms 1 box
mass 1 {MASS}
pair_style lj/mdf {INNER} {OUTER}
pair_coeff 1 1 {depth * EPSILON} {SIGMA}
neighbor 0.6 bin
timestep {TIMESTEP}
velocity all create {TEMPERATURE} {seed} mom yes rot no dist gaussian
fix npt all npt temp {TEMPERATURE} {TEMPERATURE} {50 * TIMESTEP} &
    iso {PRESSURE} {PRESSURE} {p_damp_steps * TIMESTEP}
thermo 0
run 10000
reset_timestep 0
variable v equal vol/{N_ATOMS * SIGMA**3}
fix mean all ave/time 10 {n_steps // 10} {n_steps} v_v
{dump}
{"dump_modify frames sort id format float %.12g" if every else ""}
run {n_steps}
print "MEAN $(f_mean:%.10f)"
"""
    (folder / "in.lj").write_text(text)
    done = run_lammps(find_lammps(arguments=("-log", "none")), Path("in.lj"), folder)
    line = next(x for x in done.text.splitlines() if x.startswith("MEAN"))
    return float(line.split()[1])


def frames_of_lammps(
    n_runs: int, n_steps: int, p_damp_steps: int, every: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Positions and cells that LAMMPS sampled, run after run, Å."""
    positions, cells = [], []
    with tempfile.TemporaryDirectory() as name:
        for seed in range(n_runs):
            mean_volume(1.0, 500 + seed, n_steps, p_damp_steps, Path(name), every)
            for atoms in iread(Path(name) / "frames.dump", format="lammps-dump-text"):
                positions.append(torch.tensor(atoms.positions))
                cells.append(torch.tensor(np.array(atoms.cell)))
    return torch.stack(positions), torch.stack(cells)


def finite_difference(
    n_runs: int, n_steps: int, p_damp_steps: int, step: float = 0.03
) -> tuple[float, float]:
    """Central difference of LAMMPS' mean volume with respect to the depth, and its error."""
    with tempfile.TemporaryDirectory() as name:
        ends = [
            np.array(
                [
                    mean_volume(1.0 + s, 1000 + k, n_steps, p_damp_steps, Path(name))
                    for k in range(n_runs)
                ]
            )
            for s in (-step, step)
        ]
    values = (ends[1] - ends[0]) / (2 * step)
    return float(values.mean()), float(values.std(ddof=1) / n_runs**0.5)
