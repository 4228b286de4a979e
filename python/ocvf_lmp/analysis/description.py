"""What is said of a file: plain data that the command line draws."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Description:
    """A file in words and numbers.

    Attributes:
        title: what it is.
        rows: labels and values, with units.
        problems: what is wrong with it or lacking in it, one sentence each.
    """

    title: str
    rows: tuple[tuple[str, str], ...]
    problems: tuple[str, ...] = ()


def span(values: Any, unit: str, digits: int = 4) -> str:
    """Lowest and highest value that is finite, with a unit."""
    finite = np.asarray(values, dtype=float).ravel()
    finite = finite[np.isfinite(finite)]
    if not len(finite):
        return "no finite value"
    low, high = (f"{x:.{digits}g}" for x in (finite.min(), finite.max()))
    return f"{low} {unit}".strip() if low == high else f"{low} to {high} {unit}".strip()


def formula(symbols: Iterable[str]) -> str:
    """Composition such as ``Ba8 Ti8 O24``, in order of first appearance."""
    return " ".join(f"{symbol}{count}" for symbol, count in Counter(symbols).items())


def flat(content: Mapping[str, Any], prefix: str = "", longest: int = 90) -> list[tuple[str, str]]:
    """Nested mappings as rows of dotted names; long values are cut."""
    rows: list[tuple[str, str]] = []
    for key, value in content.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            rows += flat(value, f"{name}.", longest)
            continue
        text = f"{value:.6g}" if isinstance(value, float) else str(value)
        rows.append((name, text if len(text) <= longest else text[: longest - 1] + "…"))
    return rows
