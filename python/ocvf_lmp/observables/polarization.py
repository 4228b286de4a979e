"""Local polarization of a perovskite from atomic displacements and Born charges.

The cell of a B atom holds B, half of each of its six X and an eighth of each of its eight A
(Meyer & Vanderbilt, Phys. Rev. B 65, 104111 (2002), equation 2):

    P = e/Ω [Z_B u_B + 1/2 Σ Z_X u_X + 1/8 Σ Z_A u_A]

with displacements u from the sites of the cubic crystal, strained with the cell. The charges are
made to sum to zero over a cell (what is missing, some 0.005 e, is taken from the five atoms in
equal parts), so that u may be counted from any point: from B itself here, which is the same as
from the mean of its cage, and a drift of the whole crystal drops out exactly. So do the sites,
because they stand around B in opposite pairs.

**What it is not.** With the charges of the cubic crystal the formula is linear and overestimates
the polarization of the polar phases by 10 to 25 %, because the true charges fall as the
off-centring grows (compare the cubic and tetragonal sets in ``data/bto/born_charges.yaml``).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ocvf_lmp.errors import InputError
from ocvf_lmp.observables.born_charges import BornCharges
from ocvf_lmp.observables.cages import CHAIN, OFFSETS, SHARES, Cages
from ocvf_lmp.units import E_PER_A2_TO_C_PER_M2

OVERESTIMATE = (
    "computed with constant Born charges of the cubic crystal, which overestimates it by 10 to 25 %"
    " in the polar phases"
)
"""To be said wherever such a polarization is shown."""

AT_ONCE = 4_000_000
"""Numbers held for one block of frames (32 MB)."""


@dataclass(frozen=True, slots=True)
class LocalPolarization:
    """Of every cell of every frame, along the pseudocubic axes.

    Attributes:
        values: C/m², (frames, cells, 3).
        farthest: the largest distance of a neighbour from its site, both as seen from B, in unit
            cells, (frames,): beyond about 0.3 an atom has left its site.
    """

    values: np.ndarray
    farthest: np.ndarray

    @property
    def total(self) -> np.ndarray:
        """Of the whole crystal: the mean over the cells, C/m², (frames, 3)."""
        return self.values.mean(axis=1)


def weighted_charges(cages: Cages, charges: BornCharges) -> np.ndarray:
    """Share times charge of the 14 neighbours of B along a, b, c, e, (14, 3).

    Raises:
        InputError: the charges are those of other atoms.
    """
    a, b, anion = cages.symbols
    if {a, b} != set(charges.cations) or anion != charges.anion:
        raise InputError(
            f"expected Born charges of {a}, {b} and {anion}, found the set {charges.name} of"
            f" {', '.join(charges.cations)} and {charges.anion}; give a set for these atoms"
        )
    table = np.empty((len(OFFSETS), 3))
    table[:6] = charges.perpendicular
    table[np.arange(6), CHAIN] = charges.parallel
    table[6:] = charges.cations[a]
    return SHARES[:, None] * (table - charges.residue / 5.0)


def local_polarization(
    cages: Cages, charges: BornCharges, positions: np.ndarray, cells: np.ndarray
) -> LocalPolarization:
    """Polarization of every cell of every frame.

    Args:
        cages: who surrounds whom.
        charges: Born effective charges.
        positions: Å, wrapped or not, (frames, atoms, 3).
        cells: of the supercell, rows, Å, any orientation, (frames, 3, 3).

    Raises:
        InputError: the charges are those of other atoms.
    """
    weights = weighted_charges(cages, charges)
    values = np.empty((len(positions), len(cages), 3))
    farthest = np.empty(len(positions))
    for part in _blocks(cages, len(positions)):
        away = _off_sites(cages, positions[part], cells[part])
        values[part] = _moments(cages, weights, away, cells[part])
        farthest[part] = _farthest(away)
    return LocalPolarization(values, farthest)


def farthest_off_site(cages: Cages, positions: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """`LocalPolarization.farthest`, where no polarization is asked for, (frames,).

    Args:
        cages: who surrounds whom.
        positions: Å, wrapped or not, (frames, atoms, 3).
        cells: of the supercell, rows, Å, any orientation, (frames, 3, 3).
    """
    farthest = np.empty(len(positions))
    for part in _blocks(cages, len(positions)):
        farthest[part] = _farthest(_off_sites(cages, positions[part], cells[part]))
    return farthest


def crystal_axes(unit: np.ndarray) -> np.ndarray:
    """The cell rotated so that it is symmetric: its axes as near to x, y, z as they can all be.

    The rotation is that of the polar decomposition, which favours no axis; LAMMPS' own orientation
    lays a along x and so tilts the crystal by the whole of a shear.

    Args:
        unit: rows, Å, (..., 3, 3).

    Returns:
        Symmetric rows, Å, (..., 3, 3).
    """
    left, stretch, _ = np.linalg.svd(unit)
    return left * stretch[..., None, :] @ np.swapaxes(left, -1, -2)


def _blocks(cages: Cages, n_frames: int) -> Iterator[slice]:
    """Frames that are worked on at once."""
    block = max(1, AT_ONCE // (len(cages) * OFFSETS.size))
    for start in range(0, n_frames, block):
        yield slice(start, start + block)


def _off_sites(cages: Cages, positions: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Of the neighbours from their sites, as seen from B, unit cells, (frames, cells, 14, 3)."""
    places = np.matmul(positions.astype(float), np.linalg.inv(cells)) * cages.repeat
    away = places[:, cages.neighbour] - places[:, cages.centre, None] - OFFSETS
    away -= cages.repeat * np.round(away / cages.repeat)  # whichever image was written
    return away


def _farthest(away: np.ndarray) -> np.ndarray:
    return np.abs(away).max(axis=(1, 2, 3))


def _moments(cages: Cages, weights: np.ndarray, away: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Polarization of the cells, C/m², (frames, cells, 3)."""
    unit = cells / cages.repeat[:, None]
    moment = np.einsum("jk,fcjl->fckl", weights, away, optimize=True)
    dipole = np.einsum("fckl,flk->fck", moment, crystal_axes(unit))
    volume = np.abs(np.linalg.det(unit))
    return E_PER_A2_TO_C_PER_M2 * dipole / volume[:, None, None]
