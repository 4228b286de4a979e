"""Born effective charges of a perovskite from a file that states where they come from."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ocvf_lmp.errors import DataError, InputError

ALONG = "_parallel"
ACROSS = "_perpendicular"


@dataclass(frozen=True, slots=True)
class BornCharges:
    """Charges of an ABX3 crystal, diagonal in its cubic axes.

    Attributes:
        name: of the set.
        cations: charge of A and of B by chemical symbol, e.
        anion: chemical symbol of X.
        parallel: charge of X along the chain B-X-B that it belongs to, e.
        perpendicular: charge of X across it, e.
        source: where the set was read, with the functional it was computed with.
    """

    name: str
    cations: Mapping[str, float]
    anion: str
    parallel: float
    perpendicular: float
    source: str

    @property
    def residue(self) -> float:
        """Sum over the five atoms of a cell, e; zero for exact charges (acoustic sum rule)."""
        return sum(self.cations.values()) + self.parallel + 2.0 * self.perpendicular


def read_born_charges(path: Path, name: str) -> BornCharges:
    """One set of a file like ``data/bto/born_charges.yaml``.

    Args:
        path: of the file.
        name: `id` of the set.

    Raises:
        DataError: the file cannot be read, or the set lacks a charge.
        InputError: it has no such set.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        sets = {str(entry["id"]): entry for entry in content["born_charges"]}
        sources = content.get("sources", {})
    except (OSError, yaml.YAMLError, KeyError, TypeError) as reason:
        raise DataError(
            f"expected sets of Born charges in {path}, found: {reason}; give a file laid out like"
            " data/bto/born_charges.yaml of the project"
        ) from reason
    if name not in sets:
        raise InputError(
            f"expected one of the sets {', '.join(sets)} of {path}, found {name!r}; choose one"
        )
    return _of_entry(name, sets[name], sources, path)


def _of_entry(
    name: str, entry: Mapping[str, Any], sources: Mapping[str, Any], path: Path
) -> BornCharges:
    anions = [key.removesuffix(ALONG) for key in entry if key.endswith(ALONG)]
    cations = {
        key: float(value) for key, value in entry.items() if re.fullmatch("[A-Z][a-z]?", key)
    }
    if len(anions) != 1 or len(cations) != 2 or anions[0] + ACROSS not in entry:
        raise DataError(
            f"expected charges of two cations and, as X{ALONG} and X{ACROSS}, of one anion in the"
            f" set {name} of {path}, found {', '.join(entry)}; complete it"
        )
    cited = [str(sources.get(key, {}).get("citation", key)) for key in entry.get("sources", ())]
    functional = entry.get("functional")
    return BornCharges(
        name,
        cations,
        anions[0],
        float(entry[anions[0] + ALONG]),
        float(entry[anions[0] + ACROSS]),
        (f"{functional}: " if functional else "") + ("; ".join(cited) or "no source stated"),
    )
