"""One HTML page of what sweeps show: the comparison first, then each sweep with its figures."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocvf_lmp.analysis.page import TEMPLATE, Card, Cell, Page, Row, figure_block
from ocvf_lmp.analysis.phases.analysis_file import Analysis
from ocvf_lmp.analysis.phases.figures import FIGURES, comparison_figure
from ocvf_lmp.analysis.phases.references import Reference
from ocvf_lmp.analysis.phases.tables import TextTable, comparison_table, tables
from ocvf_lmp.analysis.phases.transitions import NAMES
from ocvf_lmp.files import write_text_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CAPTIONS = {
    "comparison": (
        "Transition temperatures",
        "By polarization; bars hold the distance of the neighbouring temperatures and the"
        " bootstrap. A transition that a sweep does not bracket is not drawn. Dashed: the"
        " reference, shaded by its error where it states one.",
    ),
    "lattice_violins": (
        "Lattice parameters",
        "Distributions over frames of the pseudocubic lengths and angles, axes ordered by"
        " polarization in every window; points and bars: means and their standard errors.",
    ),
    "axis_ratio": ("Axis ratio", "Most polar axis over the mean of the others, with errors."),
    "axis_difference": (
        "Difference of the less polar axes",
        "Large where these two differ in polarization: in the orthorhombic phase.",
    ),
    "polarization": (
        "Polarization",
        "Left: components of window means by size; right: size of the mean polarization.",
    ),
    "phases": (
        "Phases",
        "Shares of frames by polarization and by the shape of the cell, with errors.",
    ),
    "volume": ("Volume", "Of a five-atom cell, with errors."),
    "free_energies": (
        "Free energies of phases",
        "From temperatures that go back and forth between two phases; stars: equal.",
    ),
}


def write_page(
    path: Path,
    all_found: Sequence[Analysis],
    verdicts: Sequence[TextTable] = (),
    reference: Reference | None = None,
) -> None:
    """Writes the page, complete in itself.

    Args:
        path: HTML file.
        all_found: sweeps in their order.
        verdicts: how far they are from the reference, and what else is known.
        reference: what they are measured against.

    Raises:
        OcvfError: it cannot be written.
    """
    write_text_atomically(path, render(all_found, verdicts, reference))


def render(
    all_found: Sequence[Analysis],
    verdicts: Sequence[TextTable] = (),
    reference: Reference | None = None,
) -> str:
    """The page as text."""
    from jinja2 import Environment  # noqa: PLC0415 (only reports need it)

    blocks: list[Page | dict[str, Any]] = [
        _table(f"verdict-{k}", one) for k, one in enumerate(verdicts)
    ]
    if len(all_found) > 1:
        blocks.append(_table("comparison", comparison_table(all_found)))
    if len(all_found) > 1 or reference is not None:
        blocks.append(_figure("comparison", "", comparison_figure(all_found, reference)))
    for found in all_found:
        for k, one in enumerate(tables(found)):
            blocks.append(_table(f"{found.name}-{k}", one, found.name))
        for name, draw in FIGURES.items():
            figure = draw(found)
            if figure is not None:
                blocks.append(_figure(name, found.name, figure))
    template = Environment(autoescape=True, trim_blocks=True).from_string(TEMPLATE)
    return template.render(
        title=f"Phases of {' and '.join(x.name for x in all_found)}",
        subtitle=" · ".join(_size(x) for x in all_found),
        synthetic="",
        missing=[],
        problems=[f"{x.name}, {leg.branch} {leg.temperature:g} K: {leg.reason}"
                  for x in all_found for leg in x.left_out],
        cards=[card for x in all_found for card in _cards(x)],
        blocks=blocks,
        provenance=_provenance(all_found),
        configuration="",
    )  # fmt: skip


def _size(found: Analysis) -> str:
    cells = "×".join(map(str, found.repeat))
    return f"{found.name}: {cells} cells, {len(found.legs)} temperatures"


def _cards(found: Analysis) -> list[Card]:
    cards = []
    for name in NAMES:
        for t in found.transitions:
            if t.name == name and t.by == "polarization" and math.isfinite(t.temperature.value):
                value = f"{t.temperature.value:.0f} ± {t.temperature.error:.0f} K"
                cards.append(Card(value, f"{name} of {found.name}, {t.branch}"))
    return cards


def _table(name: str, one: TextTable, of: str = "") -> Page:
    title = f"{of}: {one.title}" if of else one.title
    rows = [Row([Cell(str(text)) for text in row]) for row in one.rows]
    return Page(name, title, one.columns, rows, one.note)


def _figure(name: str, of: str, figure: "Figure") -> dict[str, Any]:
    title, caption = CAPTIONS[name]
    return figure_block(f"{of}-{name}", f"{of}: {title}" if of else title, caption, figure)


def _provenance(all_found: Sequence[Analysis]) -> list[tuple[str, str]]:
    rows = [("Page written", datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"))]
    for found in all_found:
        source: dict[str, Any] = found.source
        what = source.get("kind") or source.get("lammps") or "unknown"
        rows.append((found.name, f"{found.file}: {what}"))
        if source.get("checksum"):
            rows.append((f"{found.name}, weights", str(source["checksum"])))
    rows.append(("Born charges", f"{all_found[0].charges}: {all_found[0].charges_source}"))
    return rows
