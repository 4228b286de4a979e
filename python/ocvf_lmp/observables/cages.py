"""Which atoms surround which in a perovskite: the cage of every B atom."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree

from ocvf_lmp.errors import InputError

ANION_OFFSETS = 0.5 * np.array(
    [[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], dtype=float
)
CORNER_OFFSETS = np.stack(np.meshgrid(*[[-0.5, 0.5]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
OFFSETS = np.concatenate([ANION_OFFSETS, CORNER_OFFSETS])
"""From B to its six X and eight A in the cubic crystal, in unit cells, (14, 3)."""

CHAIN = np.repeat(np.arange(3), 2)
"""Axis of the chain B-X-B that each of the six X lies on."""

SHARES = np.array([1 / 2] * 6 + [1 / 8] * 8)
"""Of each neighbour, what belongs to the cell of this B."""

FARTHEST = 0.3
"""Unit cells that an atom of the reference may be away from its cubic site, seen from B.

Two neighbouring sites of the same species are 0.71 apart; off-centring reaches about 0.07."""


@dataclass(frozen=True, slots=True)
class Cages:
    """The five-atom cells of a supercell, each about its B atom.

    Attributes:
        centre: index of B, (cells,).
        neighbour: indices of its X and A in the order of `OFFSETS`, (cells, 14). The same atom may
            stand at several places of a small supercell, as different images.
        repeat: unit cells along a, b, c.
        symbols: of A, B and X.
    """

    centre: np.ndarray
    neighbour: np.ndarray
    repeat: np.ndarray
    symbols: tuple[str, str, str]

    def __len__(self) -> int:
        return len(self.centre)


def find_cages(
    reference: np.ndarray,
    species: np.ndarray,
    symbols: Sequence[str],
    repeat: Sequence[int],
    anion: str = "O",
) -> Cages:
    """The cages of a perovskite supercell whose atoms come in any order.

    B is the cation that is nearer to its nearest anion.

    Args:
        reference: fractional coordinates, near to the sites of the cubic crystal, (atoms, 3).
        species: index into `symbols`, (atoms,).
        symbols: chemical symbols; of A, B and X in any order.
        repeat: unit cells along a, b, c.
        anion: symbol of X.

    Raises:
        InputError: the atoms are not those of an ABX3 perovskite with this `repeat`.
    """
    size = np.asarray(repeat, dtype=float)
    cells = int(np.prod(size))
    places = np.mod(np.asarray(reference, dtype=float), 1.0) * size
    places = np.where(places >= size, 0.0, places)  # rounding of a tiny negative number
    atoms = {s: np.flatnonzero(np.asarray(species) == k) for k, s in enumerate(symbols)}
    counts = {s: len(found) for s, found in atoms.items()}
    cations = [s for s in symbols if s != anion]
    wanted = {s: 3 * cells if s == anion else cells for s in symbols}
    if anion not in atoms or len(cations) != 2 or counts != wanted:
        raise InputError(
            f"expected an ABX3 perovskite of {cells} cells ({'×'.join(map(str, repeat))}) with"
            f" X = {anion}, found atoms {counts}; give the repeat of the supercell, and charges of"
            " its species"
        )
    anions = KDTree(places[atoms[anion]], boxsize=size)
    distance = {s: float(np.mean(anions.query(places[atoms[s]])[0])) for s in cations}
    a, b = sorted(cations, key=lambda s: -distance[s])
    centre = atoms[b]
    corners = KDTree(places[atoms[a]], boxsize=size)
    around = np.empty((cells, len(OFFSETS)), dtype=int)
    for trees, kind, columns in ((anions, anion, range(6)), (corners, a, range(6, 14))):
        for k in columns:
            away, index = trees.query(np.mod(places[centre] + OFFSETS[k], size))
            if np.max(away) > FARTHEST:
                raise _not_perovskite(f"no {kind} within {FARTHEST} unit cells of a site of it")
            around[:, k] = atoms[kind][index]
    for kind, columns, times in ((anion, slice(0, 6), 2), (a, slice(6, 14), 8)):
        used = np.bincount(around[:, columns].ravel(), minlength=len(places))[atoms[kind]]
        if np.any(used != times):
            raise _not_perovskite(f"{kind} atoms that belong to more or fewer than {times} cells")
    return Cages(centre, around, size, (a, b, anion))


def _not_perovskite(found: str) -> InputError:
    return InputError(
        f"expected the atoms of the reference near the sites of a cubic perovskite, found {found};"
        " start the sweep from a crystal whose axes are those of the pseudocubic cell"
    )
