"""What an analysis finds, with its errors: the parts of ``analysis.json``.

Numbers that could not be had are NaN here and null in the file. Errors are standard errors.
"""

import math
from dataclasses import dataclass
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

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

    def bracketed(self) -> Value:
        """The middle, with the error of a transition that may lie anywhere between the branches."""
        return Value(self.middle.value, math.hypot(self.middle.error, self.width.value / 12**0.5))


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
        crossing: where the two are equal, K; NaN where that is not known.
        statement: in words, also why there is nothing.
        sound: share of the bootstrap samples in which the two are equal once; NaN where none were
            drawn, and in the results of earlier versions.
    """

    branch: str
    phases: str
    temperatures: list[float]
    differences: list[Value]
    crossing: Value
    statement: str
    sound: Number = math.nan
