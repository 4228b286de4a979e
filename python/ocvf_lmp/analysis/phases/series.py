"""From the legs of a sweep to series: polarization and cell of every frame that is sound."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ocvf_lmp.observables.born_charges import BornCharges
from ocvf_lmp.observables.cages import FARTHEST, Cages
from ocvf_lmp.observables.polarization import farthest_off_site, local_polarization
from ocvf_lmp.system.leg import Leg

BROKEN = "NaN or infinity"
ABSURD = "absurd cell"
STRAYED = "atoms off their sites"
LONGEST_STRAIN = 0.15
"""Change of a length of the cell against the median of its leg that no phase transition makes."""
LARGEST_TILT = 10.0
"""Degrees by which an angle of the pseudocubic cell may differ from 90."""


@dataclass(frozen=True, slots=True)
class LegSeries:
    """The sound frames of a leg after its equilibration.

    Attributes:
        branch: of the leg.
        temperature: of the thermostat, K.
        order: place in the branch.
        time: ps, (frames,).
        polarization: of the whole crystal along the pseudocubic axes, C/m², (frames, 3).
        local: mean size of the polarization of a cell, C/m², (frames,).
        lattice: a, b, c (Å), α, β, γ (degrees) of the pseudocubic cell, (frames, 6).
        volume: of the five-atom cell, Å³, (frames,).
        energy: potential energy of the crystal, eV, (frames,).
        kinetic_temperature: K, (frames,).
        pressure: mean of the three normal components, bar, (frames,).
        cells: number of five-atom cells.
        found: frames after equilibration, sound or not.
        skipped: how many were left out, by reason.
    """

    branch: str
    temperature: float
    order: int
    time: np.ndarray
    polarization: np.ndarray
    local: np.ndarray
    lattice: np.ndarray
    volume: np.ndarray
    energy: np.ndarray
    kinetic_temperature: np.ndarray
    pressure: np.ndarray
    cells: int
    found: int
    skipped: Mapping[str, int]

    def __len__(self) -> int:
        return len(self.time)

    @property
    def spacing(self) -> float:
        """Typical time between frames, ps."""
        return float(np.median(np.diff(self.time))) if len(self) > 1 else 1.0

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.branch} {self.temperature:g} K"


def leg_series(leg: Leg, cages: Cages, charges: BornCharges, timestep: float) -> LegSeries:
    """Polarization and cell of a leg's frames; what is not sound is counted and left out.

    Left out are frames with a number that is not finite; with a length of the cell that differs by
    more than `LONGEST_STRAIN` from the median of the leg, or an angle by more than `LARGEST_TILT`
    from 90°; and with an atom farther than `FARTHEST` unit cells from where its cage expects it.

    Args:
        leg: of a sweep.
        cages: of its crystal.
        charges: Born charges.
        timestep: ps.

    Raises:
        InputError: the charges are those of other atoms.
    """
    counted = np.flatnonzero(leg.step > leg.equilibration)
    reasons: Counter[str] = Counter()
    kept, lattice = _plausible(leg, cages, counted, reasons)
    local = local_polarization(cages, charges, leg.positions[kept], leg.cell[kept])
    home = local.farthest <= FARTHEST
    kept, lattice = _sieve(kept, home, STRAYED, reasons), lattice[home]
    return LegSeries(
        leg.branch,
        leg.temperature,
        leg.order,
        leg.step[kept] * timestep,
        local.total[home],
        np.linalg.norm(local.values[home], axis=2).mean(axis=1),
        lattice,
        np.abs(np.linalg.det(leg.cell[kept])) / len(cages),
        leg.potential_energy[kept],
        leg.kinetic_temperature[kept],
        np.trace(leg.pressure[kept], axis1=1, axis2=2) / 3.0,
        len(cages),
        len(counted),
        dict(reasons),
    )


def sound_frames(leg: Leg, cages: Cages) -> np.ndarray:
    """The frames that `leg_series` keeps, where no polarization is asked for.

    Args:
        leg: of a sweep.
        cages: of its crystal.

    Returns:
        Place of every sound frame among all frames of the leg, (frames,).
    """
    kept, _ = _plausible(leg, cages, np.flatnonzero(leg.step > leg.equilibration), Counter())
    return kept[farthest_off_site(cages, leg.positions[kept], leg.cell[kept]) <= FARTHEST]


def lattice_series(cells: np.ndarray) -> np.ndarray:
    """Lengths and angles of many cells.

    Args:
        cells: rows, Å, (frames, 3, 3).

    Returns:
        a, b, c in Å and α, β, γ in degrees, (frames, 6).
    """
    lengths = np.linalg.norm(cells, axis=2)
    with np.errstate(invalid="ignore", divide="ignore"):  # a flat cell: NaN, which is not sane
        unit = cells / lengths[..., None]
    cosines = np.stack(
        [np.einsum("fx,fx->f", unit[:, j], unit[:, k]) for j, k in ((1, 2), (0, 2), (0, 1))], axis=1
    )
    return np.concatenate([lengths, np.degrees(np.arccos(np.clip(cosines, -1, 1)))], axis=1)


def _plausible(
    leg: Leg, cages: Cages, counted: np.ndarray, reasons: Counter[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Of the frames that count, those with finite numbers and a sane cell; and their lattices."""
    kept = _sieve(counted, _finite(leg)[counted], BROKEN, reasons)
    lattice = lattice_series(leg.cell[kept] / cages.repeat[:, None])
    sane = _sane(lattice)
    return _sieve(kept, sane, ABSURD, reasons), lattice[sane]


def _sieve(kept: np.ndarray, good: np.ndarray, reason: str, reasons: Counter[str]) -> np.ndarray:
    if not good.all():
        reasons[reason] += int(np.sum(~good))
    return kept[good]


def _finite(leg: Leg) -> np.ndarray:
    """Whether every number of a frame is finite, (frames,)."""
    parts = (leg.cell, leg.positions, leg.potential_energy, leg.kinetic_temperature, leg.pressure)
    return np.all([np.isfinite(x).reshape(len(x), -1).all(axis=1) for x in parts], axis=0)


def _sane(lattice: np.ndarray) -> np.ndarray:
    if not len(lattice):
        return np.zeros(0, dtype=bool)
    with np.errstate(invalid="ignore"):
        strain = np.abs(lattice[:, :3] / np.median(lattice[:, :3], axis=0) - 1.0)
        tilt = np.abs(lattice[:, 3:] - 90.0)
        return np.asarray((strain < LONGEST_STRAIN).all(axis=1) & (tilt < LARGEST_TILT).all(axis=1))
