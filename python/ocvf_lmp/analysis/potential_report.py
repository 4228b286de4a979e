"""One HTML page that tells what a potential's corrections do, complete in itself."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ocvf_lmp.analysis.analysis_link import analysis_page
from ocvf_lmp.analysis.describe_models import describe_potential
from ocvf_lmp.analysis.figures import save_figures
from ocvf_lmp.analysis.maps import words
from ocvf_lmp.analysis.maps.displacements import B_ALONE, Displacement
from ocvf_lmp.analysis.maps.figures import draw_maps
from ocvf_lmp.analysis.maps.of_potential import configurations, survey_potential
from ocvf_lmp.analysis.maps.tables import correction_page, well_page
from ocvf_lmp.analysis.page import figure_block, fill_page
from ocvf_lmp.analysis.report import SYNTHETIC
from ocvf_lmp.files import write_text_atomically
from ocvf_lmp.potential.weights import read_header


def write_potential_report(
    potential: Path,
    out: str | Path | None = None,
    displacement: Displacement = B_ALONE,
    figures: str | Path | None = None,
    analysis: Path | None = None,
    lattice: float | None = None,
) -> Path:
    """Writes the report of a potential, whether or not its run folder is there.

    Args:
        potential: file of a corrected potential.
        out: HTML file; by default ``NAME_report.html`` beside the potential.
        displacement: of the ions, in the energy surfaces.
        figures: folder for all figures as PNG, SVG and PDF; none are written if None.
        analysis: page of `ocvf-lmp analyze` that this one leads to.
        lattice: edge of the cubic cell, Å; by default that of the cell its training began with.

    Returns:
        The path of the page.

    Raises:
        InputError: the potential has no correction or was exported for LAMMPS, `lattice` is not
            positive, or the soft mode is asked for and the prior cannot be evaluated here.
        DataError: `analysis` is not there, or the potential does not say what crystal it is for.
        ModelFileError: the file is missing, damaged or of another kind.
        OcvfError: the page cannot be written.
    """
    path = Path(out) if out is not None else potential.with_name(f"{potential.stem}_report.html")
    phases = analysis_page(analysis, path)
    survey = survey_potential(potential, displacement, lattice)
    drawn = list(draw_maps(survey))
    if figures is not None:
        save_figures(drawn, Path(figures))
    pages = (words.opening(survey), correction_page(survey), well_page(survey), phases)
    blocks: dict[str, Any] = {page.name: page for page in pages if page is not None}
    for name, figure in drawn:
        blocks[name] = figure_block(name, *words.CAPTIONS[name], figure)
    header = read_header(potential)
    states = ", ".join(surface.state for surface in survey.surfaces)
    order = dict.fromkeys([*words.ORDER, *blocks])
    text = _render(potential, header, states, [blocks[name] for name in order if name in blocks])
    write_text_atomically(path, text)
    return path


def _render(path: Path, header: Mapping[str, Any], states: str, blocks: list[Any]) -> str:
    provenance: Mapping[str, Any] = header["provenance"]
    known = configurations(provenance)
    whole = known.get("") or {name: dict(config) for name, config in known.items()}
    return fill_page(
        f"The correction in {path.name}",
        states,
        blocks,
        _provenance(path, header),
        synthetic=SYNTHETIC if provenance.get("synthetic_targets") else "",
        configuration=whole,
    )


def _provenance(path: Path, header: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the file says of itself; the configuration stands below."""
    said = {k: v for k, v in header["provenance"].items() if k not in ("configuration", "experts")}
    described = describe_potential(path, {**header, "provenance": said})
    return [
        ("Potential", str(path.resolve())),
        ("Report written", datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")),
        *described.rows,
        *(("Note", problem) for problem in described.problems),
    ]
