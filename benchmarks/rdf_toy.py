"""The problem of `rdf_inversion.py`: find the pair potential of an argon-like fluid from its g(r).

The truth is a Lennard-Jones potential; the prior another one, too weak and too small; the
correction a cubic spline on equal intervals, whose coefficients (in units of kT) train. All three
end smoothly at one cutoff. LAMMPS samples the truth, and judges what anybody trained, by its own
`compute rdf` on `pair_style table`.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ocvf_lmp.lammps.run import find_lammps, run_lammps
from ocvf_lmp.units import KB, MVV2E

EPSILON, SIGMA, MASS = 0.01032, 3.405, 39.948
"""The truth: argon (eV, Å, amu)."""


@dataclass(frozen=True)
class Toy:
    """All numbers of the problem, in eV, Å, ps, amu and K; both trainers get them in a file."""

    cells: int = 3
    density: float = 0.80 / SIGMA**3
    temperature: float = 120.0
    kt: float = KB * 120.0
    mass: float = MASS
    mvv2e: float = MVV2E
    prior_epsilon: float = 0.0080
    prior_sigma: float = 3.30
    inner: float = 6.5
    cutoff: float = 7.5
    knot_first: float = 2.4
    knot_step: float = 0.3
    n_splines: int = 14
    timestep: float = 0.01
    t_damp: float = 1.0
    equilibration: int = 1000
    steps: int = 4000
    every: int = 20
    r_first: float = 2.5
    dr: float = 0.05
    n_bins: int = 111
    min_effective: float = 0.9
    learning_rate: float = 0.2
    final_rate: float = 0.02
    betas: tuple[float, float] = (0.1, 0.4)
    updates: int = 40
    goal: float = 1.0e-3
    seed: int = 1

    @property
    def n_atoms(self) -> int:
        """Atoms of the cube of fcc cells that the fluid is molten from."""
        return 4 * self.cells**3

    @property
    def side(self) -> float:
        """Side of the cube, Å."""
        return (self.n_atoms / self.density) ** (1.0 / 3.0)

    @property
    def r(self) -> np.ndarray:
        """Distances of the loss, Å, (bins,)."""
        return self.r_first + self.dr * np.arange(self.n_bins)


def lennard_jones(r: np.ndarray, epsilon: float, sigma: float, toy: Toy) -> np.ndarray:
    """Energy of a pair, eV, tapered between `inner` and `cutoff`."""
    sixth = (sigma / r) ** 6
    x = np.clip((r - toy.inner) / (toy.cutoff - toy.inner), 0.0, 1.0)
    return 4.0 * epsilon * (sixth * sixth - sixth) * (1 - x**3 * (10 - 15 * x + 6 * x * x))


def spline(r: np.ndarray, coefficients: np.ndarray, toy: Toy) -> np.ndarray:
    """Σ_k c_k B_k(r) kT, eV: uniform cubic B-splines, the k-th on four intervals from the k-th."""
    total = np.zeros_like(r)
    for k, c in enumerate(coefficients):
        x = np.abs((r - toy.knot_first) / toy.knot_step - k - 2)
        near, far = (4 - 6 * x**2 + 3 * x**3) / 6, np.clip(2 - x, 0, None) ** 3 / 6
        total += c * toy.kt * np.where(x < 1, near, far)
    return total


def trained(r: np.ndarray, coefficients: np.ndarray, toy: Toy) -> np.ndarray:
    """Prior and correction, eV."""
    prior = lennard_jones(r, toy.prior_epsilon, toy.prior_sigma, toy)
    return prior + spline(r, coefficients, toy)


def write_table(path: Path, toy: Toy, coefficients: np.ndarray | None) -> None:
    """A file of `pair_style table`; without coefficients that of the truth."""

    def energy(r: np.ndarray) -> np.ndarray:
        if coefficients is None:
            return lennard_jones(r, EPSILON, SIGMA, toy)
        return trained(r, coefficients, toy)

    r, step = np.linspace(2.0, toy.cutoff, 1101), 1.0e-5
    force = (energy(r - step) - energy(r + step)) / (2 * step)
    rows = np.column_stack([np.arange(1, len(r) + 1), r, energy(r), force])
    with path.open("w") as file:
        file.write(f"PAIR\nN {len(r)} R {r[0]:g} {r[-1]:g}\n\n")
        np.savetxt(file, rows, fmt="%d %.8g %.12g %.12g")


def lammps_input(toy: Toy, start: str, steps: str, reach: float = 0.0) -> str:
    """An input that runs `steps` from `start` (its commands) on the table in ``pair.table``."""
    return f"""
units metal
atom_style atomic
{start}
mass 1 {toy.mass}
pair_style table spline 1100
pair_coeff 1 1 pair.table PAIR
neighbor 1.0 bin
{f"comm_modify cutoff {reach}" if reach else ""}
timestep {toy.timestep}
thermo 0
fix nvt all nvt temp {toy.temperature} {toy.temperature} {toy.t_damp}
{steps}
"""


def run(folder: Path, text: str) -> None:
    """Runs LAMMPS on an input in a folder."""
    (folder / "in.lammps").write_text(text)
    lammps = find_lammps(arguments=("-log", "none", "-screen", "none"))
    run_lammps(lammps, Path("in.lammps"), folder)


def melt(toy: Toy, folder: Path) -> np.ndarray:
    """Positions of the fluid of the prior, Å, (atoms, 3): where both trainers start."""
    write_table(folder / "pair.table", toy, np.zeros(0))
    edge = toy.side / toy.cells
    lattice = f"""lattice fcc {edge}
region box block 0 {toy.cells} 0 {toy.cells} 0 {toy.cells}
create_box 1 box
create_atoms 1 box"""
    steps = f"""velocity all create {4 * toy.temperature} {toy.seed} mom yes rot no dist gaussian
run 5000
velocity all scale {toy.temperature}
run 20000
write_dump all custom start.dump id x y z modify sort id format float %.10g"""
    run(folder, lammps_input(toy, lattice, steps))
    return read_dump(folder / "start.dump", toy.n_atoms)[0]


def radial(
    toy: Toy, folder: Path, coefficients: np.ndarray | None, steps: int, seed: int
) -> np.ndarray:
    """g(r) that LAMMPS finds for a potential (None: the truth), smeared as the trainers do.

    Returns:
        (bins,); LAMMPS divides by N - 1 neighbours, the trainers by N: the latter here.
    """
    write_table(folder / "pair.table", toy, coefficients)
    write_data(folder / "start.data", toy, np.load(folder / "start.npy"))
    fine, reach = 0.01, toy.r[-1] + 8 * toy.dr
    bins = round(reach / fine)
    sampling = f"""velocity all create {toy.temperature} {seed} mom yes rot no dist gaussian
run 5000
reset_timestep 0
compute g all rdf {bins} cutoff {bins * fine}
fix g all ave/time 10 {steps // 10} {steps} c_g[*] mode vector file g.txt
run {steps}"""
    text = lammps_input(toy, "read_data start.data", sampling, reach=bins * fine + 1.1)
    run(folder, text)
    r, g = np.loadtxt(folder / "g.txt", skiprows=4, usecols=(1, 2)).T
    kernel = np.exp(-0.5 * ((toy.r[:, None] - r) / toy.dr) ** 2) / (toy.dr * np.sqrt(2 * np.pi))
    g *= 1.0 - 1.0 / toy.n_atoms
    return (kernel @ (r * g)) * fine / toy.r


def write_data(path: Path, toy: Toy, positions: np.ndarray) -> None:
    """A data file of LAMMPS."""
    rows = "\n".join(
        f"{k} 1 {x:.10g} {y:.10g} {z:.10g}" for k, (x, y, z) in enumerate(positions, 1)
    )
    box = "\n".join(f"0 {toy.side} {a}lo {a}hi" for a in "xyz")
    path.write_text(f"toy\n\n{toy.n_atoms} atoms\n1 atom types\n\n{box}\n\nAtoms\n\n{rows}\n")


def read_dump(path: Path, n_atoms: int) -> np.ndarray:
    """Positions of a dump of ``id x y z``, (frames, atoms, 3)."""
    lines = path.read_text().splitlines()
    n_frames = len(lines) // (n_atoms + 9)
    body = [line for k in range(n_frames) for line in lines[k * (n_atoms + 9) + 9 :][:n_atoms]]
    return np.array(" ".join(body).split(), dtype=float).reshape(n_frames, n_atoms, 4)[:, :, 1:]


def save_problem(path: Path, toy: Toy, positions: np.ndarray, target: np.ndarray) -> None:
    """All that a trainer is given, in one file."""
    told = asdict(toy) | {"side": toy.side}
    np.savez(path, toy=json.dumps(told), positions=positions, r=toy.r, target=target)


def load_problem(path: Path) -> tuple[Toy, np.ndarray, np.ndarray]:
    """The toy, positions to start from, and the target."""
    with np.load(path) as file:
        told = json.loads(str(file["toy"]))
        told.pop("side")
        told["betas"] = tuple(told["betas"])
        return Toy(**told), file["positions"], file["target"]
