"""One HTML page that tells how a training went, complete in itself."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocvf_lmp.analysis import analysis_link
from ocvf_lmp.analysis.figures import draw_figures, save_figures
from ocvf_lmp.analysis.maps import words
from ocvf_lmp.analysis.maps.displacements import B_ALONE, Displacement
from ocvf_lmp.analysis.maps.figures import draw_maps
from ocvf_lmp.analysis.maps.survey import Survey, survey_run
from ocvf_lmp.analysis.maps.tables import correction_page, well_page
from ocvf_lmp.analysis.page import Card, Page, figure_block, fill_page
from ocvf_lmp.analysis.report_tables import (
    lattice_page,
    loss_page,
    production_page,
    shift_page,
    target_page,
)
from ocvf_lmp.analysis.runfolder import RunFolder, read_run
from ocvf_lmp.analysis.tables import loss_table
from ocvf_lmp.errors import OcvfError
from ocvf_lmp.files import write_text_atomically
from ocvf_lmp.potential.weights import read_header

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SYNTHETIC = (
    "PDF targets marked SYNTHETIC were not measured: they were computed from a simulation of"
    " another model, which stands for the experiment. Agreement with them shows that the method"
    " works, not that the corrected model describes the real material."
)

CAPTIONS = {
    "pdfs": (
        "Pair distribution functions",
        "G(r) of the target (grey), of the prior (dashed) and of the corrected model (blue);"
        " below each, simulated minus target. Bands: standard errors, that of the target about"
        " zero.",
    ),
    "partials": (
        "Partial pair distribution functions",
        "g(r) of every pair of species before and after training, with bands of their standard"
        " errors. Reference partials, where shown, were kept aside: the training has not seen"
        " them.",
    ),
    "training": (
        "The training",
        "Diamonds are measurements by longer runs without gradients, before the first and after"
        " the last epoch; the curves are averages over the runs that gradients are taken from."
        " Bars: standard errors, where the estimator knows them. (d), adjoint: crosses are the"
        " longest window that still carries a signal; a gradient from a longer one is not used."
        " (d), reweighting: the share of frames that count at the present parameters; squares: new"
        " frames were sampled.",
    ),
    "lattice": (
        "Lattice parameters",
        "Mean lengths and angles of the pseudocubic unit cell. Lines join states of the same kind"
        " and are no interpolation; symbols are moved apart sideways.",
    ),
    "cell": (
        "Cell and temperature in time",
        "Equilibration and measurement of the prior, training (shaded; one point a window),"
        " relaxation and measurement of the corrected model.",
    ),
    "production": (
        "Production run in LAMMPS",
        "Cell and temperature from the thermodynamic output of LAMMPS with the exported model.",
    ),
    **words.CAPTIONS,
}


ORDER = (
    "loss", "targets", "pdfs", "lattice-table", "lattice", "partials", "shifts", *words.ORDER,
    analysis_link.NAME, "training", "cell", "production-table", "production",
)  # fmt: skip
"""Of the tables and figures on the page."""


def write_report(
    run_folder: str | Path,
    out: str | Path | None = None,
    log: str | Path | None = None,
    displacement: Displacement = B_ALONE,
    figures: str | Path | None = None,
    analysis: Path | None = None,
) -> Path:
    """Writes the report of a training run, finished or not.

    Args:
        run_folder: of `ocvf-lmp train`.
        out: HTML file; by default ``report.html`` in the run folder.
        log: LAMMPS log of a run with the trained model, if it is not in the run folder.
        displacement: of the ions, in the energy surfaces.
        figures: folder for all figures as PNG, SVG and PDF; none are written if None.
        analysis: page of `ocvf-lmp analyze` that this one leads to.

    Returns:
        The path of the page.

    Raises:
        DataError: the folder holds no run, `log` cannot be read, or `analysis` is not there.
        InputError: the soft mode is asked for, and the prior cannot be evaluated here.
        OcvfError: the page cannot be written.
    """
    run = read_run(run_folder, log)
    path = Path(out) if out is not None else run.path / "report.html"
    phases = analysis_link.analysis_page(analysis, path)
    drawn = list(draw_figures(run))
    survey = survey_run(run, displacement)
    drawn += [] if survey is None else draw_maps(survey)
    if figures is not None:
        save_figures(drawn, Path(figures))
    write_text_atomically(path, render(run, survey, drawn, phases))
    return path


def render(
    run: RunFolder,
    survey: Survey | None,
    drawn: Iterable[tuple[str, "Figure"]],
    phases: Page | None = None,
) -> str:
    """The page as text.

    Args:
        run: the run.
        survey: of its energy surfaces, if there is one.
        drawn: figures by name.
        phases: what leads to an analysis of sweeps, if there is one.
    """
    makers = (loss_page, target_page, lattice_page, shift_page, production_page)
    pages = [make(run) for make in makers]
    pages += [phases, words.opening(survey)]
    if survey is not None:
        pages += [correction_page(survey), well_page(survey)]
    figures = [figure_block(name, *CAPTIONS[name], figure) for name, figure in drawn]
    blocks = {page.name: page for page in pages if page is not None}
    blocks |= {figure["name"]: figure for figure in figures}
    return fill_page(
        f"Training report: {run.name}",
        _subtitle(run),
        [blocks[name] for name in ORDER if name in blocks],
        _provenance(run),
        synthetic=SYNTHETIC if run.synthetic else "",
        missing=run.missing,
        problems=run.problems,
        cards=_cards(run),
        configuration=run.config,
    )


def _subtitle(run: RunFolder) -> str:
    states = ", ".join(state.name for state in run.states) or "no states"
    planned = f" of {run.epochs_planned}" if run.epochs_planned else ""
    atoms = "×".join(map(str, run.repeat))
    name = run.path.resolve().name
    return f"{states} · {run.epochs}{planned} epochs · {atoms} unit cells · {name}"


def _cards(run: RunFolder) -> list[Card]:
    cards = []
    for row in loss_table(run):
        if row.change is not None:
            tone = "" if not row.significant else "better" if row.change < 0 else "worse"
            cards.append(Card(_percent(row.change), f"loss at {row.state}", tone))
        elif row.before is not None:
            cards.append(Card(f"{row.before:.3g}", f"loss of the prior at {row.state}"))
    records = [m for state in run.states for m in state.metrics]
    if records:
        used = sum(bool(m.get("updated", True)) for m in records)
        cards.append(Card(f"{used}/{len(records)}", "windows whose gradient was used"))
        length = sum(m.get("window_ps", 0) for m in records)
        cards.append(Card(f"{length:.3g} ps", "trained through"))
    return cards


def _provenance(run: RunFolder) -> list[tuple[str, str]]:
    rows = [
        ("Run folder", str(run.path.resolve())),
        ("Report written", datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")),
    ]
    rows += [("Prior", str(run.config["prior"]))] if run.config.get("prior") else []
    measured = [e for state in run.states for e in state.evaluations.values()]
    sources = {pdf.source: pdf.synthetic for e in measured for pdf in e.pdfs}
    for source, synthetic in sources.items():
        label = "SYNTHETIC" if synthetic else "measured"
        rows.append(("PDF target", source if label in source else f"{source} ({label})"))
    goals = {state.goal.source for state in run.states if state.goal and state.goal.source}
    rows += [("Lattice target", goal) for goal in sorted(goals)]
    for path in run.potentials:
        rows.append((f"Potential {path.name}", _of_potential(path)))
    if run.log is not None:
        end = "finished" if run.log.finished else "did not come to its regular end"
        rows.append(("LAMMPS log", f"{run.log.path} ({run.log.version}; {end})"))
    return rows


def _of_potential(path: Path) -> str:
    try:
        made: Mapping[str, Any] = read_header(path)["provenance"]
    except OcvfError as reason:
        return str(reason)
    shown = {k: v for k, v in made.items() if isinstance(v, str | int | float | list)}
    return ", ".join(f"{k} {v}" for k, v in shown.items()) or "no provenance"


def _percent(change: float) -> str:
    return f"{change:+.1f} %".replace("-", "\N{MINUS SIGN}")
