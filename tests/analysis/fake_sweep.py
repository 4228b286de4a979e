"""Made-up sweeps with known phases, transitions and noise, of the size of real small cells."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ocvf_lmp.observables.born_charges import read_born_charges
from ocvf_lmp.system.leg import Leg
from ocvf_lmp.system.structure import perovskite
from ocvf_lmp.system.sweep_file import SweepHeader, write_leg, write_sweep
from ocvf_lmp.units import E_PER_A2_TO_C_PER_M2, KB

SYMBOLS = ("Ba", "Ti", "O")
EDGE = 4.01
DIRECTIONS = {"R": (1, 1, 1), "O": (0, 1, 1), "T": (0, 0, 1), "C": (0, 0, 0)}
SIZES = {"R": 0.33, "O": 0.30, "T": 0.26, "C": 0.0}
"""|P|, C/m²."""
LENGTHS = {"R": (0, 0, 0), "O": (-0.006, 0.003, 0.003), "T": (-0.0037, -0.0037, 0.0073),
           "C": (0, 0, 0)}  # fmt: skip
ANGLES = {"R": (89.8, 89.8, 89.8), "O": (89.8, 90, 90), "T": (90, 90, 90), "C": (90, 90, 90)}
CHARGES = Path(__file__).parents[2] / "data" / "bto" / "born_charges.yaml"

Truth = Callable[[str, float], str]
"""Phase of a branch at a temperature."""


def steps_of(transitions: Mapping[str, Sequence[float]]) -> Truth:
    """Phases R, O, T, C of a branch that change at three temperatures."""
    return lambda branch, t: "ROTC"[int(np.searchsorted(transitions[branch], t))]


@dataclass
class Noise:
    """Standard deviations, and the correlation of successive frames."""

    polarization: float = 0.04
    length: float = 0.003
    angle: float = 0.15
    atoms: float = 0.03
    correlation: float = 0.6


@dataclass
class Fake:
    """What a sweep is made of; frames are 0.1 ps apart."""

    truth: Truth
    temperatures: Sequence[float]
    branches: Sequence[str] = ("heating", "cooling")
    repeat: tuple[int, int, int] = (2, 2, 2)
    frames: int = 200
    equilibration: int = 20
    noise: Noise = field(default_factory=Noise)
    seed: int = 7
    source: dict = field(default_factory=lambda: {"model": "made up", "gated": False})
    change: Callable[[Leg], Leg] = lambda leg: leg
    domains: Callable[[str, float, int], np.ndarray] | None = None
    """Axes (a permutation) and signs of each frame: (branch, temperature, frames) -> (frames, 6)"""

    def write(self, path: Path) -> Path:
        self.random = np.random.default_rng(self.seed)
        cubic = perovskite(SYMBOLS, self.repeat, (EDGE,) * 3)
        self.reference = cubic.positions.numpy() @ np.linalg.inv(cubic.cell.numpy())
        self.species = cubic.species.numpy()
        header = SweepHeader(
            path.stem, SYMBOLS, self.species, self.reference, self.repeat, 1.0, 0.002, self.source
        )
        files = []
        for branch in self.branches:
            order = sorted(self.temperatures, reverse=branch == "cooling")
            for k, t in enumerate(order):
                files.append(path.parent / f"{path.stem}_{branch}_{k}.leg.h5")
                write_leg(files[-1], self.change(self.leg(branch, t, k)))
        write_sweep(path, header, files)
        for file in files:
            file.unlink()
        return path

    def wander(self, n: int, columns: int, size: float) -> np.ndarray:
        """Correlated noise of a given standard deviation, (n, columns)."""
        r = self.noise.correlation
        out = self.random.normal(size=(n, columns))
        for k in range(1, n):
            out[k] = r * out[k - 1] + (1 - r * r) ** 0.5 * out[k]
        return size * out

    def leg(self, branch: str, t: float, order: int) -> Leg:
        n = self.frames + self.equilibration
        phase = self.truth(branch, t)
        direction = np.array(DIRECTIONS[phase], dtype=float)
        direction /= max(1.0, np.linalg.norm(direction))
        p = np.tile(SIZES[phase] * direction, (n, 1))
        e = np.tile(np.array(LENGTHS[phase], dtype=float), (n, 1))
        a = np.tile(np.array(ANGLES[phase], dtype=float) - 90, (n, 1))
        if self.domains is not None:
            domain = self.domains(branch, t, n)
            axes, signs = domain[:, :3].astype(int), domain[:, 3:]
            p = np.take_along_axis(p, axes, 1) * signs
            e, a = np.take_along_axis(e, axes, 1), np.take_along_axis(a, axes, 1)
            a = a * signs.prod(axis=1, keepdims=True) * signs
        p = p + self.wander(n, 3, self.noise.polarization)
        growth = 1 + 1.2e-5 * (t - 200)
        lengths = EDGE * growth * (1 + e + self.wander(n, 3, self.noise.length))
        angles = np.radians(90 + a + self.wander(n, 3, self.noise.angle))
        return self.frame_data(branch, t, order, p, cells_of(lengths, angles))

    def frame_data(self, branch, t, order, p, unit) -> Leg:
        n, count = len(p), len(self.species)
        charges = read_born_charges(CHARGES, "cubic_wu_cohen")
        charge = charges.cations["Ti"] - charges.residue / 5
        volume = np.linalg.det(unit)
        shift = p * volume[:, None] / (E_PER_A2_TO_C_PER_M2 * charge)
        cells = unit * np.array(self.repeat)[:, None]
        positions = self.reference @ cells + self.wander(n, 3, 5.0)[:, None]  # and a drift
        positions += self.random.normal(scale=self.noise.atoms, size=(n, count, 3))
        positions[:, self.species == 1] += shift[:, None]
        modes = 3 * count
        energy = KB * t * self.random.gamma(0.5 * modes, size=n)  # of `modes` harmonic oscillators
        steps = 50 * np.arange(1, n + 1)
        return Leg(
            branch, t, order, 50 * self.equilibration, steps, cells, positions.astype(np.float32),
            t * (1 + self.random.normal(scale=0.04, size=n)), energy,
            self.random.normal(scale=500.0, size=(n, 3, 3)), positions[-1],
            np.zeros((count, 3)), cells[-1],
        )  # fmt: skip


def cells_of(lengths: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Lower triangular cells as LAMMPS has them, (frames, 3, 3)."""
    a, b, c = lengths.T
    cos_a, cos_b, cos_g = np.cos(angles).T
    cell = np.zeros((len(lengths), 3, 3))
    cell[:, 0, 0] = a
    cell[:, 1, 0], cell[:, 1, 1] = b * cos_g, b * np.sqrt(1 - cos_g**2)
    cell[:, 2, 0] = c * cos_b
    cell[:, 2, 1] = (b * c * cos_a - cell[:, 1, 0] * cell[:, 2, 0]) / cell[:, 1, 1]
    cell[:, 2, 2] = np.sqrt(c**2 - cell[:, 2, 0] ** 2 - cell[:, 2, 1] ** 2)
    return cell


def spoil(leg: Leg, **changes: np.ndarray) -> Leg:
    """A leg with some of its arrays replaced."""
    return replace(leg, **changes)


def unsound(leg: Leg) -> Leg:
    """NaN in the energy, an infinite position, an absurd cell, atoms off their sites: 30 to 34."""
    cell, positions, energy = leg.cell.copy(), leg.positions.copy(), leg.potential_energy.copy()
    energy[30] = np.nan
    positions[31, 3, 1] = np.inf
    cell[32] *= 1.4
    positions[33:35, 6] += 2.0
    return spoil(leg, cell=cell, positions=positions, potential_energy=energy)
