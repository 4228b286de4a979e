"""Everything that an analysis found, with its errors, as it stands in ``analysis.json``.

Numbers that could not be had are NaN here and null in the file. Errors are standard errors.
"""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, TypeAdapter, ValidationError

from ocvf_lmp.errors import DataError
from ocvf_lmp.files import write_text_atomically

FORMAT = "ocvf-lmp analysis"
VERSION = 1

Number = Annotated[
    float,
    BeforeValidator(lambda x: math.nan if x is None else x),
    PlainSerializer(lambda x: x if math.isfinite(x) else None, when_used="json"),
]


@dataclass(frozen=True)
class Value:
    """A number and its standard error."""

    value: Number
    error: Number


@dataclass(frozen=True)
class LegResult:
    """One temperature of one branch.

    Lengths and angles named `aligned` are those of a cell whose axes are ordered, window by window,
    by the size of their polarization (c the most polar), and whose angles are folded so that two
    polar axes stand as if both polarizations were positive: domains of any orientation compare.

    Attributes:
        branch: of the sweep.
        temperature: of the thermostat, K.
        order: place in the branch.
        frames: that were used.
        skipped: that were not, by reason.
        kinetic_temperature: K.
        pressure: bar.
        energy: potential energy of a five-atom cell, eV.
        volume: of a five-atom cell, Å³.
        lattice: a, b, c (Å), α, β, γ (degrees) along the axes of the simulation.
        aligned: the same, aligned.
        deviation: standard deviations of `aligned` over frames.
        ratio: c/a, aligned.
        difference: |a - b| of the axes with the least polarization, from window means, Å.
        components: sizes of the components of ⟨P⟩ of the windows, ascending, C/m².
        size: |P| of the frames, C/m².
        size_deviation: its standard deviation over frames, C/m².
        ordered: |⟨P⟩| of the windows, free of the part of |P| that only fluctuates, C/m².
        local: mean |P| of single cells, C/m².
        binder: 1 for a polarization of constant size, 0 for one that is noise about zero.
        by_polarization: shares of R, O, T, C.
        by_strain: the same from the cell.
        polarization_errors: of `by_polarization`.
        strain_errors: of `by_strain`.
        agreement: share of frames with the same phase by both.
        switches: changes of phase by polarization.
        correlation: of the polarization, ps.
        samples: some frames' aligned a, b, c, α, β, γ, for distributions.
        polarization_samples: the same frames' components of P, by the order of `aligned`, C/m².
    """

    branch: str
    temperature: float
    order: int
    frames: int
    skipped: dict[str, int]
    kinetic_temperature: Value
    pressure: Value
    energy: Value
    volume: Value
    lattice: list[Value]
    aligned: list[Value]
    deviation: list[Number]
    ratio: Value
    difference: Value
    components: list[Value]
    size: Value
    size_deviation: Number
    ordered: Value
    local: Value
    binder: Value
    by_polarization: list[float]
    by_strain: list[float]
    polarization_errors: list[Number]
    strain_errors: list[Number]
    agreement: float
    switches: int
    correlation: float
    samples: list[list[float]]
    polarization_samples: list[list[float]]

    @property
    def phase(self) -> str:
        """That of most frames, by polarization."""
        return "ROTC"[max(range(4), key=lambda k: self.by_polarization[k])]


@dataclass(frozen=True)
class LeftOut:
    """A leg that could not be used."""

    branch: str
    temperature: float
    reason: str


@dataclass(frozen=True)
class Transition:
    """Where one phase gives way to another in a branch.

    Attributes:
        branch: of the sweep.
        name: "R-O", "O-T" or "T-C".
        by: "polarization" or "strain".
        temperature: of the transition, K; its error holds `statistical` and `resolution`. NaN where
            the sweep does not bracket it.
        statistical: error from the bootstrap, K.
        resolution: distance of the neighbouring temperatures / √12, K.
        below: the warmest temperature before the transition, K.
        above: the coldest one after it, K.
        statement: in words.
        sound: share of the bootstrap samples that bracket it.
    """

    branch: str
    name: str
    by: str
    temperature: Value
    statistical: Number
    resolution: Number
    below: Number
    above: Number
    statement: str
    sound: float


@dataclass(frozen=True)
class Hysteresis:
    """Heating less cooling, K."""

    name: str
    by: str
    width: Value
    middle: Value


@dataclass(frozen=True)
class PhaseResult:
    """A phase, over all frames that polarization finds in it.

    Attributes:
        phase: R, O, T or C.
        coldest: temperature, K.
        warmest: temperature, K.
        frames: number.
        size: |P| of the frames, C/m².
        deviation: its standard deviation, C/m².
        variance: its variance, (C/m²)².
        ordered: |⟨P⟩| of windows, C/m².
        lattice: parameters that the symmetry leaves free: lengths in Å, angles in degrees.
        volume: of a five-atom cell, Å³.
        expansion: linear thermal expansion, d ln V / 3 dT, 1/K.
        expansion_legs: temperatures that it comes from.
    """

    phase: str
    coldest: float
    warmest: float
    frames: int
    size: Value
    deviation: Number
    variance: Number
    ordered: Value
    lattice: dict[str, Value]
    volume: Value
    expansion: Value
    expansion_legs: int


@dataclass(frozen=True)
class FreeStep:
    """Free energies of two neighbouring temperatures.

    Attributes:
        branch: of the sweep.
        cold: K.
        warm: K.
        difference: G/kT of the warm one less that of the cold one, without the momenta, for a
            five-atom cell whose energy is counted from `zero`.
        zero: mean potential energy of a cell at the branch's lowest temperature, eV.
        overlap: of the two distributions, 0 to 1/2.
        samples: independent frames of the two.
        refused: why there is no difference, or "".
    """

    branch: str
    cold: float
    warm: float
    difference: Value
    zero: float
    overlap: Number
    samples: tuple[float, float]
    refused: str


@dataclass(frozen=True)
class Balance:
    """Two phases that one branch visits back and forth.

    Attributes:
        branch: of the sweep.
        phases: the colder and the warmer one.
        temperatures: K.
        differences: G of the warmer less the colder phase, for a five-atom cell, meV.
        crossing: where the two are equal, K.
        statement: in words, also why there is nothing.
    """

    branch: str
    phases: str
    temperatures: list[float]
    differences: list[Value]
    crossing: Value
    statement: str


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
        left_out: legs without enough sound frames.
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
