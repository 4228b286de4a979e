"""One HTML page of what sweeps show: the comparison first, then each sweep with its figures."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocvf_lmp.analysis.page import Card, Cell, Page, Row, figure_block, fill_page
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
    "pdfs": (
        "G(r) against the reference",
        "Neutrons. Black: the reference; below: differences. Bands: standard errors. Last panel:"
        " R_w at every common temperature with errors; dotted: what noise alone would give.",
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


@dataclass(frozen=True, slots=True)
class Judgement:
    """How far models are from a reference; empty without one.

    Attributes:
        reference: what they are measured against.
        tables: the deviations, and what else is known.
        pdfs: their G(r) beside the reference's.
    """

    reference: Reference | None = None
    tables: Sequence[TextTable] = ()
    pdfs: "Figure | None" = None


def write_page(
    path: Path, all_found: Sequence[Analysis], judgement: Judgement | None = None
) -> None:
    """Writes the page, complete in itself.

    Args:
        path: HTML file.
        all_found: sweeps in their order.
        judgement: how far they are from a reference.

    Raises:
        OcvfError: it cannot be written.
    """
    write_text_atomically(path, render(all_found, judgement or Judgement()))


def render(all_found: Sequence[Analysis], judgement: Judgement) -> str:
    """The page as text."""
    blocks: list[Page | dict[str, Any]] = [
        _table(f"verdict-{k}", one) for k, one in enumerate(judgement.tables)
    ]
    if len(all_found) > 1:
        blocks.append(_table("comparison", comparison_table(all_found)))
    if len(all_found) > 1 or judgement.reference is not None:
        drawn = comparison_figure(all_found, judgement.reference)
        blocks.append(_figure("comparison", "", drawn))
    if judgement.pdfs is not None:
        blocks.append(_figure("pdfs", "", judgement.pdfs))
    for found in all_found:
        for k, one in enumerate(tables(found)):
            blocks.append(_table(f"{found.name}-{k}", one, found.name))
        for name, draw in FIGURES.items():
            figure = draw(found)
            if figure is not None:
                blocks.append(_figure(name, found.name, figure))
    return fill_page(
        f"Phases of {' and '.join(x.name for x in all_found)}",
        " · ".join(_size(x) for x in all_found),
        blocks,
        _provenance(all_found),
        problems=[f"{x.name}, {leg.branch} {leg.temperature:g} K: {leg.reason}"
                  for x in all_found for leg in x.left_out],
        cards=[card for x in all_found for card in _cards(x)],
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
        rows.append((f"{found.name}, simulation", _simulation(found)))
    rows.append(("Born charges", f"{all_found[0].charges}: {all_found[0].charges_source}"))
    return rows


def _simulation(found: Analysis) -> str:
    """What a repetition of the sweep has to be told; without what its file does not say."""
    settings: dict[str, Any] = found.source.get("settings") or {}
    words = []
    if found.source.get("ocvf_lmp"):
        words.append(f"ocvf-lmp {found.source['ocvf_lmp']}")
    if "seed" in settings:
        words.append(f"seed {settings['seed']}")
    if "steps" in settings:
        length = f" of {settings['timestep']:g} ps" if "timestep" in settings else ""
        before = settings.get("equilibration")
        after = f" after {before} of equilibration" if before is not None else ""
        words.append(f"{settings['steps']} steps{length} at each temperature{after}")
    cells = "×".join(map(str, found.repeat))
    words += [f"{cells} cells, {found.atoms} atoms", " and ".join(found.branches)]
    return "; ".join(words)
