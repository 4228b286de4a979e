"""What models are measured against: another sweep, or the facts of an experiment."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ocvf_lmp.analysis.phases.analysis_file import Analysis
from ocvf_lmp.analysis.phases.results import Value
from ocvf_lmp.errors import DataError

UNKNOWN = math.nan
BOTH = "heating and cooling"
"""In the place of a branch: the middle of the transitions that two branches bracket."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Known values; an error that nobody states is NaN.

    Attributes:
        name: for tables.
        transitions: K, by branch ("" for all of them, or `BOTH`), name and what they were found by
            ("polarization", "strain"; "" for either).
        polarization: |⟨P⟩| by phase, C/m².
        lattice: parameters that the symmetry leaves free, by phase and name; Å, degrees.
        volumes: of a five-atom cell by branch and temperature (K), Å³.
    """

    name: str
    transitions: Mapping[tuple[str, str, str], Value]
    polarization: Mapping[str, Value]
    lattice: Mapping[str, Mapping[str, Value]]
    volumes: Mapping[tuple[str, float], Value]

    def by_polarization(self, name: str) -> list[Value]:
        """A transition in each branch, as polarization or an experiment tells it, K."""
        return [
            v
            for (branch, n, by), v in self.transitions.items()
            if n == name and by != "strain" and branch != BOTH
        ]


def of_sweep(found: Analysis) -> Reference:
    """The results of another sweep."""
    return Reference(
        found.name,
        {
            (t.branch, t.name, t.by): t.temperature
            for t in found.transitions
            if math.isfinite(t.temperature.value)
        }
        | {(BOTH, h.name, h.by): h.bracketed() for h in found.hysteresis},
        found.polarizations(),
        {p.phase: p.lattice for p in found.phases},
        {(leg.branch, leg.temperature): leg.volume for leg in found.legs},
    )


def of_experiment(path: Path) -> Reference:
    """Facts in the form of ``data/bto/experiment.yaml``: the first record of each kind counts.

    Raises:
        DataError: the file is missing or has another form.
    """
    try:
        content = yaml.safe_load(path.read_text())
        transitions: dict[tuple[str, str, str], Value] = {}
        for record in content["transitions"]:
            if record["from"] is not None:
                name = f"{record['from']}-{record['to']}"
                transitions.setdefault(("", name, ""), _value(record))
        polarization: dict[str, Value] = {}
        for record in content["polarizations"]:
            polarization.setdefault(record["phase"], _value(record))
        lattice: dict[str, dict[str, Value]] = {}
        for record in content["targets"]:
            error = record["error"]["length"], record["error"]["angle"]
            lattice.setdefault(
                record["phase"], _free(record["phase"], record["lengths"], record["angles"], error)
            )
        for record in reversed(content["lattices"]):  # the last one is the one that targets prefer
            cell = record["pseudocubic"]
            unknown = UNKNOWN, UNKNOWN
            lattice.setdefault(
                record["phase"], _free(record["phase"], cell["lengths"], cell["angles"], unknown)
            )
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as reason:
        raise DataError(
            f"expected facts in the form of data/bto/experiment.yaml in {path}, found {reason!r};"
            " correct the file, or name the sweep.h5 of a reference"
        ) from reason
    return Reference("experiment", transitions, polarization, lattice, {})


def _value(record: Mapping[str, Any]) -> Value:
    stated = record["uncertainty"]
    return Value(float(record["value"]), UNKNOWN if stated is None else float(stated))


def _free(
    phase: str, lengths: list[float], angles: list[float], errors: tuple[float, float]
) -> dict[str, Value]:
    """What the symmetry leaves free, by the names of `alignment.symmetric_parameters`."""
    a, b, c = lengths
    length, angle = errors
    match phase:
        case "R":
            return {"a": Value((a + b + c) / 3, length), "alpha": Value(sum(angles) / 3, angle)}
        case "O":
            return {
                "a": Value(a, length),
                "b=c": Value((b + c) / 2, length),
                "alpha": Value(angles[0], angle),
            }
        case "T":
            ratio = 2 * c / (a + b)
            return {
                "a=b": Value((a + b) / 2, length),
                "c": Value(c, length),
                "c/a": Value(ratio, 2**0.5 * length / a),
            }
        case _:
            return {"a": Value((a + b + c) / 3, length)}
