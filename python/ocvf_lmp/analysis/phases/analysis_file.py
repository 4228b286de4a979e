"""All results of a sweep, and the file that they stand in."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ocvf_lmp.analysis.phases.results import (
    Balance,
    FreeStep,
    Hysteresis,
    LeftOut,
    LegResult,
    PhaseResult,
    Transition,
    Value,
)
from ocvf_lmp.errors import DataError
from ocvf_lmp.files import write_text_atomically

FORMAT = "ocvf-lmp analysis"
VERSION = 1


@dataclass(frozen=True)
class Analysis:
    """What a sweep shows.

    Attributes:
        name: of the sweep.
        file: of the sweep.
        repeat: unit cells.
        atoms: number.
        pressure: of the barostat, bar.
        charges: set of Born charges.
        charges_source: where they come from.
        window: length of the windows that phases are read from, ps.
        criteria: thresholds of the classification, and of the bootstrap.
        source: of the sweep, as it says itself.
        legs: branch by branch, in the order of the run.
        left_out: legs that cannot be read, or without enough sound frames.
        transitions: of each branch.
        hysteresis: of the transitions that both branches have.
        phases: from cold to warm.
        free_steps: between neighbouring temperatures.
        balances: of phases.
        remarks: what a reader must know.
    """

    name: str
    file: str
    repeat: tuple[int, int, int]
    atoms: int
    pressure: float
    charges: str
    charges_source: str
    window: float
    criteria: dict[str, float]
    source: dict[str, Any]
    legs: list[LegResult]
    left_out: list[LeftOut]
    transitions: list[Transition]
    hysteresis: list[Hysteresis]
    phases: list[PhaseResult]
    free_steps: list[FreeStep]
    balances: list[Balance]
    remarks: list[str]
    format: str = FORMAT
    version: int = VERSION
    units: dict[str, str] = field(
        default_factory=lambda: {
            "temperature": "K", "pressure": "bar", "energy": "eV", "length": "angstrom",
            "angle": "degree", "volume": "angstrom^3", "polarization": "C/m^2", "time": "ps",
            "free energy differences of phases": "meV", "expansion": "1/K",
        }
    )  # fmt: skip

    @property
    def branches(self) -> list[str]:
        """Names, heating first."""
        names = dict.fromkeys(leg.branch for leg in self.legs)
        return sorted(names, key=lambda name: (name != "heating", name))

    def of_branch(self, branch: str) -> list[LegResult]:
        """Its legs, from cold to warm."""
        return sorted((x for x in self.legs if x.branch == branch), key=lambda x: x.temperature)

    def transitions_of(self, branch: str, by: str = "polarization") -> dict[str, Transition]:
        """Its transitions by their names."""
        return {t.name: t for t in self.transitions if (t.branch, t.by) == (branch, by)}

    def polarizations(self) -> dict[str, Value]:
        """|⟨P⟩| of the windows by phase, C/m²."""
        return {one.phase: one.ordered for one in self.phases}

    def to_json(self) -> str:
        """As text, with one leg, transition or phase a line."""
        parts = []
        for key, value in _ADAPTER.dump_python(self, mode="json").items():
            nested = isinstance(value, list) and value and isinstance(value[0], dict)
            lines = [json.dumps(x, ensure_ascii=False) for x in value] if nested else []
            text = "[\n  " + ",\n  ".join(lines) + "\n ]" if nested else json.dumps(value)
            parts.append(f" {json.dumps(key)}: {text}")
        return "{\n" + ",\n".join(parts) + "\n}\n"


_ADAPTER = TypeAdapter(Analysis)


def write_analysis(path: Path, analysis: Analysis) -> None:
    """Writes ``analysis.json``.

    Raises:
        OcvfError: it cannot be written.
    """
    write_text_atomically(path, analysis.to_json())


def read_analysis(path: Path) -> Analysis:
    """Reads what `write_analysis` wrote.

    Raises:
        DataError: it is missing, broken off, or something else.
    """
    try:
        found = _ADAPTER.validate_json(path.read_bytes())
    except (OSError, ValidationError) as reason:
        raise DataError(
            f"expected the results of an analysis in {path}, found: {reason}; run"
            " `ocvf-lmp analyze` again"
        ) from reason
    if (found.format, found.version) != (FORMAT, VERSION):
        raise DataError(
            f"expected {FORMAT}, version {VERSION}, in {path}, found {found.format}, version"
            f" {found.version}; run `ocvf-lmp analyze` again"
        )
    return found
