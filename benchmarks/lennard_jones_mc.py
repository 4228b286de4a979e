"""Monte Carlo of the 32-atom Lennard-Jones solid at constant pressure: no thermostat, no barostat.

Metropolis moves of atoms and of the logarithm of the volume, in many replicas at once, in reduced
units. The density is exp(-(ε U + P V)/kT) V^(N-1) ds dV: that of the dynamics, whose centre of mass
is at rest.
"""

from dataclasses import dataclass

import lennard_jones as lj
import numpy as np

INNER, OUTER = lj.INNER / lj.SIGMA, lj.OUTER / lj.SIGMA
KT, PRESSURE = 0.5, 1.0
MOVE, LOG_VOLUME_MOVE = 0.11, 0.03
PER_SWEEP = 4
"""Moves of the volume a sweep."""


def pair_energy(square: np.ndarray) -> np.ndarray:
    """The tapered potential of unit depth at squared distances."""
    sixth = 1.0 / (square * square * square)
    x = np.clip((np.sqrt(square) - INNER) / (OUTER - INNER), 0.0, 1.0)
    return 4.0 * (sixth * sixth - sixth) * (1.0 - x**3 * (10.0 - 15.0 * x + 6.0 * x * x))


@dataclass(frozen=True, slots=True)
class Samples:
    """Volume an atom and energy of unit depth, after every sweep, (sweeps, replicas)."""

    volumes: np.ndarray
    energies: np.ndarray

    def gradient(self, kept: slice | np.ndarray = slice(None)) -> float:
        """d<V>/dε by covariance."""
        v, u = self.volumes[:, kept], self.energies[:, kept]
        return float(-((v - v.mean()) * (u - u.mean())).mean() / KT)

    def difference(self, step: float, kept: slice | np.ndarray = slice(None)) -> float:
        """Central difference between the averages at the depths 1 ± step, by weights."""
        v, u = self.volumes[:, kept], self.energies[:, kept]
        means = [np.average(v, weights=np.exp(-s * (u - u.mean()) / KT)) for s in (-step, step)]
        return float((means[1] - means[0]) / (2.0 * step))

    def jackknife(self, estimate, groups: int = 16) -> tuple[float, float]:  # noqa: ANN001
        """An estimate from all replicas, and its error from those that leave out a group."""
        parts = np.array_split(np.arange(self.volumes.shape[1]), groups)
        left_out = [estimate(np.setdiff1d(np.arange(self.volumes.shape[1]), p)) for p in parts]
        return estimate(slice(None)), float(np.std(left_out) * (groups - 1) ** 0.5)


class Replicas:
    """Independent copies of the solid.

    Attributes:
        places: scaled positions, (replicas, atoms, 3).
        volume: (replicas,).
        energy: of unit depth, (replicas,).
    """

    def __init__(self, n: int, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.places = np.repeat(lj.fcc().numpy()[None], n, axis=0)
        self.volume = np.full(n, (lj.CELL / lj.SIGMA) ** 3)
        self.energy = self.total(self.volume)

    def with_others(self, atom: int, places: np.ndarray) -> np.ndarray:
        """Energy of one atom, at the given scaled places, with all others, (replicas,)."""
        apart = places[:, None] - self.places
        apart -= np.rint(apart)
        square = (apart * apart).sum(axis=2) * self.volume[:, None] ** (2.0 / 3.0)
        square[:, atom] = OUTER**2
        return pair_energy(square).sum(axis=1)

    def total(self, volume: np.ndarray) -> np.ndarray:
        """Energy at other volumes, (replicas,)."""
        first, second = np.triu_indices(lj.N_ATOMS, 1)
        apart = self.places[:, first] - self.places[:, second]
        apart -= np.rint(apart)
        square = (apart * apart).sum(axis=2) * volume[:, None] ** (2.0 / 3.0)
        return pair_energy(square).sum(axis=1)

    def move_atom(self, atom: int) -> None:
        """A Metropolis move of one atom in every replica."""
        n = len(self.volume)
        size = MOVE / self.volume[:, None] ** (1.0 / 3.0)
        moved = self.places[:, atom] + size * self.random.uniform(-1.0, 1.0, (n, 3))
        change = self.with_others(atom, moved) - self.with_others(atom, self.places[:, atom])
        taken = self.random.random(n) < np.exp(np.minimum(-change / KT, 0.0))
        self.places[taken, atom] = moved[taken]
        self.energy += np.where(taken, change, 0.0)

    def move_volume(self) -> None:
        """A Metropolis move of the logarithm of every volume: one more power of V counts."""
        n = len(self.volume)
        growth = LOG_VOLUME_MOVE * self.random.uniform(-1.0, 1.0, n)
        volume = self.volume * np.exp(growth)
        energy = self.total(volume)
        work = energy - self.energy + PRESSURE * (volume - self.volume)
        taken = self.random.random(n) < np.exp(np.minimum(lj.N_ATOMS * growth - work / KT, 0.0))
        self.volume = np.where(taken, volume, self.volume)
        self.energy = np.where(taken, energy, self.energy)

    def sweep(self) -> None:
        """One move of each atom, and some of the volume."""
        for atom in range(lj.N_ATOMS):
            self.move_atom(atom)
            if atom % (lj.N_ATOMS // PER_SWEEP) == 0:
                self.move_volume()


def sample(n_replicas: int, n_sweeps: int, seed: int = 1, settle: int = 200) -> Samples:
    """Runs replicas from the crystal, and samples after every sweep beyond the first ones."""
    replicas = Replicas(n_replicas, seed)
    volumes, energies = [], []
    for k in range(settle + n_sweeps):
        replicas.sweep()
        if k >= settle:
            volumes.append(replicas.volume / lj.N_ATOMS)
            energies.append(replicas.energy.copy())
    return Samples(np.array(volumes), np.array(energies))
