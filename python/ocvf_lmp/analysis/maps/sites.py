"""Whether a sample is a perovskite, and which of its species sits where."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ocvf_lmp.analysis.run_files import dig
from ocvf_lmp.analysis.runfolder import RunFolder
from ocvf_lmp.errors import DataError

if TYPE_CHECKING:
    from ase import Atoms

STRAIGHT = 130.0
"""Degrees: mean angle B–O–B above which octahedra share corners; 90 where they share edges."""


def sites_of_run(run: RunFolder) -> tuple[str, str, str]:
    """A, B and the anion of a run's sample.

    Raises:
        DataError: it is no perovskite, or nothing says what it is.
    """
    found = sites_of_sample(run.config)
    if found is None:
        raise DataError(
            "expected the sample's species in the configuration of the run, found none; keep"
            " config.yaml in the run folder"
        )
    return found


def sites_of_sample(config: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """A, B and the anion of the sample of a configuration; None where it does not say them.

    Raises:
        DataError: it is no perovskite, or the file of its structure is not there.
    """
    structure, symbols = (dig(config, "sample", key) for key in ("structure", "symbols"))
    if structure:
        return sites_of(_read(Path(structure)))
    if not isinstance(symbols, list | tuple) or len(symbols) != 3:
        return None
    a, b, x = map(str, symbols)
    return a, b, x


def sites_of(atoms: "Atoms") -> tuple[str, str, str]:
    """A, B and the anion of a structure, from its composition and its bonds.

    Raises:
        DataError: it is no perovskite: another composition, or octahedra that do not share corners.
    """
    from ase.neighborlist import neighbor_list  # noqa: PLC0415 (slow import)

    counts = Counter(atoms.get_chemical_symbols())
    n = len(atoms) // 5
    if sorted(counts.values()) != [n, n, 3 * n]:
        content = " ".join(f"{symbol}{count}" for symbol, count in counts.items())
        raise _no_perovskite(f"{content}, which is not ABO3")
    anion = next(symbol for symbol, count in counts.items() if count == 3 * n)
    names = np.array(atoms.get_chemical_symbols())
    size = (atoms.get_volume() / n) ** (1 / 3)  # of the pseudocubic cell
    center, neighbor, distance, vector = neighbor_list("ijdD", atoms, 0.75 * size)
    bonds = {
        cation: (names[center] == anion) & (names[neighbor] == cation)
        for cation in counts
        if cation != anion
    }
    b = min(bonds, key=lambda cation: distance[bonds[cation]].min(initial=np.inf))
    mine = bonds[b] & (distance < 0.68 * size)
    angles = [_angle(vector[mine & (center == k)]) for k in np.flatnonzero(names == anion)]
    if not np.mean(angles) > STRAIGHT:
        raise _no_perovskite(f"no chains {b}–{anion}–{b}")
    a = next(cation for cation in bonds if cation != b)
    return a, b, anion


def _angle(bonds: np.ndarray) -> float:
    """Degrees between the two bonds of an anion; 0 where it has not two."""
    if len(bonds) != 2:
        return 0.0
    one, other = bonds / np.linalg.norm(bonds, axis=1)[:, None]
    return float(np.degrees(np.arccos(np.clip(one @ other, -1.0, 1.0))))


def _no_perovskite(found: str) -> DataError:
    return DataError(
        "expected a perovskite ABO3, whose polar displacement is known, found a sample with"
        f" {found}; its energy surface is not drawn"
    )


def _read(path: Path) -> Any:
    from ase.io import read  # noqa: PLC0415 (slow import)

    try:
        return read(path)
    except Exception as reason:
        raise DataError(
            f"expected the sample's structure in {path}, found {type(reason).__name__}: {reason};"
            " put it back, and its energy surface is drawn"
        ) from reason
