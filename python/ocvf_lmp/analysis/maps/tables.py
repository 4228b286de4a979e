"""Sizes of the correction along the directions, and the wells of the energy."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.integrate import simpson

from ocvf_lmp.analysis.maps.energies import ATOMS
from ocvf_lmp.analysis.maps.survey import Survey
from ocvf_lmp.analysis.page import Cell, Page, Row
from ocvf_lmp.analysis.report_tables import MINUS

UNITS = (("meV/f.u.", 1e3), ("eV/atom", 1.0 / ATOMS))
"""And what makes them of eV a formula unit."""

ROUND_OFF = 1e-12
"""eV a formula unit: less is none."""


@dataclass(frozen=True, slots=True)
class Size:
    """Of ΔH along a line of displacements, eV a formula unit.

    Attributes:
        largest: the value that is farthest from zero, with its sign.
        rms: root mean square over the line.
    """

    largest: float
    rms: float


def size(sizes: np.ndarray, correction: np.ndarray) -> Size:
    """Extreme and root mean square of a correction.

    Args:
        sizes: off-centrings, evenly spaced, Å, (points,).
        correction: ΔH less that of the undisplaced cell, eV a formula unit, (points,).
    """
    square = simpson(correction**2, x=sizes) / (sizes[-1] - sizes[0])
    return Size(float(correction[np.abs(correction).argmax()]), float(np.sqrt(max(square, 0.0))))


@dataclass(frozen=True, slots=True)
class Well:
    """The minimum of an energy along a direction.

    Attributes:
        at: off-centring, Å; 0 where the undisplaced cell is lowest.
        depth: below the undisplaced cell, eV a formula unit.
        inside: whether the energy rises again before the largest off-centring.
    """

    at: float
    depth: float
    inside: bool = True


def well(sizes: np.ndarray, energy: np.ndarray) -> Well:
    """The lowest point of a curve, by a parabola through it and its neighbours."""
    k = int(energy.argmin())
    if energy[k] > -ROUND_OFF:
        return Well(0.0, 0.0)
    if k == len(energy) - 1:
        return Well(float(sizes[k]), float(-energy[k]), inside=False)
    left, middle, right = energy[k - 1 : k + 2]
    step = sizes[1] - sizes[0]
    shift = 0.5 * (left - right) / (left - 2.0 * middle + right)
    return Well(float(sizes[k] + shift * step), float(0.25 * (left - right) * shift - middle))


def correction_page(survey: Survey) -> Page | None:
    """Table of the largest and the RMS correction for each state and direction (OCVF table II)."""
    if not survey.surfaces:
        return None
    named = [k for k in survey.surfaces[0].curves for _ in range(2)]
    columns = [f"{k} {'RMS' if j % 2 else 'max'}" for j, k in enumerate(named)]
    lines = []
    for k, surface in enumerate(survey.surfaces):
        found = [size(surface.sizes, c.correction) for c in surface.curves.values()]
        values = [value for s in found for value in (s.largest, s.rms)]
        for j, (unit, factor) in enumerate(UNITS):
            cells = [Cell(surface.state if j == 0 else ""), Cell(unit)]
            numbers = [_number(factor * v, unit) for v in (*values, surface.offset)]
            lines.append(Row([*cells, *map(Cell, numbers)], first=j == 0 and k > 0))
    text = (
        f"ΔH for off-centrings from 0 to {survey.reach:g} Å, less its value in the undisplaced"
        " cell, which is of no consequence and stands in the last column. Max: the value farthest"
        " from zero, with its sign; RMS over the line. Evaluations of a potential: they carry no"
        " statistical error, which is not to say that the training would find the same ΔH again."
    )
    head = ("State", "Unit", *columns, "ΔH at u = 0")
    title = "Size of the correction along the polar displacement"
    return Page("energy-table", title, head, lines, text, left=(0, 1))


def well_page(survey: Survey) -> Page | None:
    """Depth and place of the wells, before and after the correction."""
    lines = []
    for k, surface in enumerate(survey.surfaces):
        for j, (name, curve) in enumerate(surface.curves.items()):
            if curve.prior is None or curve.corrected is None:
                continue
            before, after = (well(surface.sizes, e) for e in (curve.prior, curve.corrected))
            cells = [surface.state if j == 0 else "", name, *_of_well(before), *_of_well(after)]
            both = before.inside and after.inside
            cells.append(_number(1e3 * (after.depth - before.depth)) if both else "–")
            lines.append(Row([Cell(text) for text in cells], first=j == 0 and k > 0))
    if not lines:
        return None
    head = (
        "State", "Direction", "Depth, prior (meV/f.u.)", "at u (Å)", "Depth, corrected", "at u (Å)",
        "Change",
    )  # fmt: skip
    text = (
        "Depth of the energy's minimum along a direction below the undisplaced cell. The ions are"
        " displaced as said above, in a cubic cell that stays as it is: nothing else relaxes."
    )
    if any(cell.text.startswith(">") for line in lines for cell in line.cells):
        text += " >: the energy still falls at the largest off-centring."
    return Page("energy-wells", "Wells of the energy", head, lines, text, left=(0, 1))


def _of_well(found: Well) -> Sequence[str]:
    beyond = "" if found.inside else "> "
    if found.at == 0.0:
        return ("no well", "–")
    return (f"{beyond}{_number(1e3 * found.depth)}", f"{beyond}{found.at:.3f}")


def _number(value: float, unit: str = "meV/f.u.") -> str:
    """With the digits that a reader can use; powers of ten for eV/atom."""
    if abs(value) < ROUND_OFF * dict(UNITS)[unit]:
        return "0"
    if unit == "eV/atom":
        mantissa, exponent = f"{value:.2e}".split("e")
        power = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
        return f"{mantissa}·10{power}".replace("-", MINUS)
    shown = f"{value:.1f}" if abs(value) >= 100 else f"{value:#.3g}".rstrip(".")
    return shown.replace("-", MINUS)
