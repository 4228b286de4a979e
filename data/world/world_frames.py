"""SYNTHETIC world: frames that LAMMPS wrote, and the averages that are taken over them.

Everything here is numpy, independent of the package's own g(r), which the tests compare with.
"""

import gzip
import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SYMBOLS = ("Ba", "Ti", "O")
"""Species in the order of LAMMPS' core types 1, 2, 3."""

PAIRS = tuple(itertools.combinations_with_replacement(range(3), 2))
"""Ba-Ba, Ba-Ti, Ba-O, Ti-Ti, Ti-O, O-O: the order of the rows of all partials."""


@dataclass(frozen=True, slots=True)
class Frames:
    """Core positions and cells.

    Attributes:
        positions: unwrapped, Å, (frames, atoms, 3).
        cells: rows, Å, (frames, 3, 3).
        species: index into `SYMBOLS`, (atoms,).
    """

    positions: np.ndarray
    cells: np.ndarray
    species: np.ndarray

    @property
    def densities(self) -> np.ndarray:
        """Atoms per Å^3, (frames,)."""
        return len(self.species) / np.linalg.det(self.cells)


def read_dump(path: Path) -> Frames:
    """Read a LAMMPS dump with columns id type xu yu zu, sorted by id, in a triclinic box.

    Raises:
        ValueError: the dump has other columns, changing atoms, or a truncated frame.
    """
    positions, cells, species = [], [], None
    with gzip.open(path, "rt") as lines:
        while lines.readline():
            lines.readline()
            lines.readline()
            n_atoms = int(lines.readline())
            if not lines.readline().startswith("ITEM: BOX BOUNDS xy xz yz"):
                raise ValueError(f"expected a triclinic box in {path}, found another kind")
            bounds = np.array([lines.readline().split() for _ in range(3)], dtype=float)
            cells.append(_cell(bounds))
            if lines.readline().split() != ["ITEM:", "ATOMS", "id", "type", "xu", "yu", "zu"]:
                raise ValueError(f"expected the columns id type xu yu zu in {path}, found others")
            rows = [lines.readline().split() for _ in range(n_atoms)]
            if len(rows[-1]) != 5:
                raise ValueError(f"expected whole frames in {path}, found a truncated last one")
            table = np.array(rows, dtype=float)
            positions.append(table[:, 2:])
            kinds = table[:, 1].astype(int) - 1
            if species is not None and not np.array_equal(kinds, species):
                raise ValueError(f"expected the same atoms in every frame of {path}, found others")
            species = kinds
    if species is None:
        raise ValueError(f"expected at least one frame in {path}, found none")
    return Frames(np.array(positions), np.array(cells), species)


def _cell(bounds: np.ndarray) -> np.ndarray:
    """Rows of the cell from LAMMPS' bounding box and tilts (lo, hi, tilt) of xy, xz, yz."""
    (xlo, xhi, xy), (ylo, yhi, xz), (zlo, zhi, yz) = bounds
    xlo -= min(0.0, xy, xz, xy + xz)
    xhi -= max(0.0, xy, xz, xy + xz)
    ylo -= min(0.0, yz)
    yhi -= max(0.0, yz)
    return np.array([[xhi - xlo, 0.0, 0.0], [xy, yhi - ylo, 0.0], [xz, yz, zhi - zlo]])


def frame_partials(
    positions: np.ndarray, cell: np.ndarray, species: np.ndarray, r_max: float, dr: float
) -> np.ndarray:
    """Partial g_ab(r) at r = dr, 2 dr, ..., r_max by a plain histogram, (6, bins).

    Bins are centred on their r, and each pair counts 1/d rather than 1/r, so that r g(r) is the
    average of the true one over the bin; images beyond half the cell are counted.
    """
    n_bins = round(r_max / dr)
    order = np.argsort(species, kind="stable")
    counts = np.bincount(species, minlength=len(SYMBOLS))
    fractional = positions[order] @ np.linalg.inv(cell)
    fractional -= np.floor(fractional)
    wrapped = fractional @ cell
    heights = 1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    reach = [int(np.ceil(r_max / h)) for h in heights]
    row_of = np.zeros((3, 3), dtype=np.int64)
    for k, (a, b) in enumerate(PAIRS):
        row_of[a, b] = row_of[b, a] = k
    ordered = species[order]
    rows = row_of[ordered[:, None], ordered[None, :]]
    table = np.zeros(len(PAIRS) * (n_bins + 2))
    for shift in itertools.product(*(range(-n, n + 1) for n in reach)):
        if shift < (0, 0, 0):
            continue  # its inverse is counted twice instead
        weight = 1.0 if shift == (0, 0, 0) else 2.0
        distance = _distances(wrapped, wrapped + np.array(shift) @ cell)
        inside = (distance < r_max + 0.5 * dr) & (distance > 0.5 * dr)
        near = distance[inside]
        index = np.rint(near / dr).astype(np.int64) + rows[inside] * (n_bins + 2)
        table += weight * np.bincount(index, weights=1.0 / near, minlength=len(table))
    table = table.reshape(len(PAIRS), n_bins + 2)[:, 1 : n_bins + 1]
    r = dr * np.arange(1, n_bins + 1)
    directed = np.array([(1.0 if a == b else 2.0) * counts[a] * counts[b] for a, b in PAIRS])
    return np.linalg.det(cell) * table / (4.0 * np.pi * r * dr * directed[:, None])


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    square = (a**2).sum(1)[:, None] + (b**2).sum(1)[None, :] - 2.0 * (a @ b.T)
    return np.sqrt(np.maximum(square, 0.0))


def lattice(cells: np.ndarray, repeat: int) -> np.ndarray:
    """a, b, c (Å) and alpha, beta, gamma (degrees) of the five-atom cell, (frames, 6)."""
    lengths = np.linalg.norm(cells, axis=2)
    cosines = [
        (cells[:, i] * cells[:, j]).sum(1) / (lengths[:, i] * lengths[:, j])
        for i, j in ((1, 2), (0, 2), (0, 1))
    ]
    return np.concatenate([lengths / repeat, np.degrees(np.arccos(np.array(cosines))).T], axis=1)


def off_centring(frames: Frames, repeat: int) -> np.ndarray:
    """Mean displacement of Ti against the O sublattice along the cell's axes, Å, (frames, 3)."""
    fractional = frames.positions @ np.linalg.inv(frames.cells) * repeat
    # each sublattice has its atoms at multiples of half a cell: distance to the nearest one
    # along each axis, with Ti at halves and O at halves and wholes
    shift = 2.0 * fractional
    shift = (shift - np.rint(shift)) / 2.0
    mean = [shift[:, frames.species == s].mean(axis=1) for s in (1, 2)]
    edges = np.linalg.norm(frames.cells, axis=2) / repeat
    return (mean[0] - mean[1]) * edges


def block_errors(values: np.ndarray, blocks: int) -> np.ndarray:
    """Standard error of the mean over axis 0 from the scatter of `blocks` block means."""
    means = np.array([part.mean(axis=0) for part in np.array_split(values, blocks)])
    return means.std(axis=0, ddof=1) / np.sqrt(blocks)
