"""What the page says of a survey."""

from collections.abc import Sequence

from ocvf_lmp.analysis.maps.displacements import Pattern
from ocvf_lmp.analysis.maps.survey import Surface, Survey
from ocvf_lmp.analysis.page import Page
from ocvf_lmp.analysis.report_tables import MINUS

EXACT = (
    "Every point is an evaluation of a potential, exact but for round-off: nothing is sampled, and"
    " there is no error bar."
)

CAPTIONS = {
    "energy-curves": (
        "Energy along the polar displacement",
        "Energies less those of the undisplaced cell, against the off-centring along [100], [110]"
        " and [111]; above: prior (dashed) and corrected model, below: the correction. The energy"
        f" is the same for u and −u. {EXACT}",
    ),
    "energy-surface": (
        "Energy surface in three dimensions",
        "From left to right: correction, prior and corrected model over two planes of"
        f" displacements, at the state nearest to 300 K; contours of the same below. {EXACT}",
    ),
    "energy-map-001": (
        "Energy over the plane (001)",
        "Correction, prior and corrected model; energies above the end of the bar have its last"
        f" colour, and each correction has a scale of its own. {EXACT}",
    ),
    "energy-map-1-10": (
        "Energy over the plane (11\N{COMBINING OVERLINE}0)",
        "As above, over the plane that holds [110], [001] and, between them, [111], where the wells"
        f" of the rhombohedral phase are. {EXACT}",
    ),
}

ORDER = (
    "energy", "energy-curves", "energy-table", "energy-wells", "energy-surface", "energy-map-001",
    "energy-map-1-10",
)  # fmt: skip
"""Of the tables and figures on the page."""


def opening(survey: Survey | None) -> Page | None:
    """What is displaced in which cell, and what is not shown."""
    if survey is None:
        return None
    title = "What the correction does to the energy surface"
    text = " ".join([_how(survey), *survey.words]) if survey.surfaces else " ".join(survey.words)
    return Page("energy", title, (), (), text)


def _how(survey: Survey) -> str:
    first = survey.surfaces[0]
    a, b, x = first.crystal.symbols
    cells = ", ".join(
        f"{s.crystal.lattice:.4f} Å at {s.state} ({s.lattice_source})" for s in survey.surfaces
    )
    whose = "One correction serves all states. " if survey.shared else ""
    return (
        f"{_who(survey.surfaces)} Displacements are the same in all unit cells. Their size u is the"
        f" distance of {b} from the centre of its cage of {x}, up to {survey.reach:g} Å. The cell"
        f" of {a}{b}{x}₃ is cubic, its volume that of the cell in brackets: a = {cells}. {whose}The"
        " value of ΔH in the undisplaced cell is a constant without consequence and subtracted."
    )


def _who(surfaces: Sequence[Surface]) -> str:
    a, b, x = surfaces[0].crystal.symbols
    if surfaces[0].constant is None:
        pattern = surfaces[0].pattern
        if not (pattern.a or pattern.parallel or pattern.perpendicular):
            return f"{b} is displaced against all other ions, which stay where they are."
        return f"The ions are displaced in the ratio {_ratio(pattern, a, b, x)}."
    known = "; ".join(
        f"{s.state}: {_ratio(s.pattern, a, b, x)}, force constant {s.constant:.2f} eV/Å²".replace(
            "-", MINUS
        )
        for s in surfaces
    )
    return (
        "The ions are displaced along the prior's soft polar mode, the softest eigenvector of its"
        f" force constants at Γ in the cubic cell ({known})."
    )


def _ratio(pattern: Pattern, a: str, b: str, x: str) -> str:
    """Displacements for an off-centring of 1."""
    values = (pattern.a, pattern.b, pattern.parallel, pattern.perpendicular)
    names = (a, b, f"{x}∥", f"{x}⊥")
    pairs = (f"{name} {value:.3f}" for name, value in zip(names, values, strict=True))
    return ", ".join(pairs).replace("-", MINUS)
