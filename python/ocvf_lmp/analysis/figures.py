"""All figures of a run."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ocvf_lmp.analysis.cell_figures import cell_figure, production_figure
from ocvf_lmp.analysis.pdf_figures import partials_figure, pdf_figure
from ocvf_lmp.analysis.runfolder import RunFolder
from ocvf_lmp.analysis.style import save
from ocvf_lmp.analysis.training_figures import lattice_figure, training_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURES = {
    "pdfs": pdf_figure,
    "partials": partials_figure,
    "training": training_figure,
    "lattice": lattice_figure,
    "cell": cell_figure,
    "production": production_figure,
}
"""Functions that draw a run, by name; they return None where the run lacks the data."""


def draw_figures(run: RunFolder) -> Iterator[tuple[str, "Figure"]]:
    """Every figure for which the run has the data."""
    for name, draw in FIGURES.items():
        figure = draw(run)
        if figure is not None:
            yield name, figure


def save_figures(drawn: Iterable[tuple[str, "Figure"]], folder: Path) -> list[Path]:
    """Writes figures as PNG, SVG and PDF.

    Args:
        drawn: by name.
        folder: made if it does not exist.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return [path for name, f in drawn for path in save(f, folder / name)]
