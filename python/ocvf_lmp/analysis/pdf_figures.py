"""PDFs and partials before and after training (as figures 3 and 10 of the paper)."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ocvf_lmp.analysis.curves import PdfCurve
from ocvf_lmp.analysis.report_tables import with_error
from ocvf_lmp.analysis.runfolder import RunFolder, RunState
from ocvf_lmp.analysis.style import AFTER, BEFORE, REFERENCE, TARGET, new_figure, note, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.gridspec import SubplotSpec

COLOURS = {"before": BEFORE, "after": AFTER}
DASHES = {"before": (0, (4, 1.5)), "after": "-"}
LONGEST_PARTIAL = 10.0
"""Å; partials are drawn up to here."""


def pdf_figure(run: RunFolder) -> "Figure | None":
    """One panel a state and target: target, prior, corrected model and their differences below.

    Returns:
        The figure, or None where no PDF was measured.
    """
    shown = [state for state in run.states if any(e.pdfs for e in state.evaluations.values())]
    if not shown:
        return None
    columns = max(len(_names(state)) for state in shown)
    with style():
        figure = new_figure(0.35 + 2.45 * len(shown), 4.6 if columns == 1 else 7.2)
        grid = figure.add_gridspec(len(shown), columns)
        for row, state in enumerate(shown):
            for column, name in enumerate(_names(state)):
                _pdf_panel(figure, grid[row, column], state, name)
        _legend(figure)
    return figure


def partials_figure(run: RunFolder) -> "Figure | None":
    """Partial g(r), one row a pair of species and one column a state.

    Returns:
        The figure, or None where no partials were measured.
    """
    shown = [
        (state, found)
        for state in run.states
        if (found := {s: e.partials for s, e in state.evaluations.items() if e.partials})
    ]
    if not shown:
        return None
    pairs = next(iter(shown[0][1].values())).pairs
    with style():
        figure = new_figure(0.4 + 1.15 * len(pairs), min(7.2, 2.6 + 2.3 * (len(shown) - 1)))
        panels = figure.subplots(len(pairs), len(shown), sharex=True, sharey="row", squeeze=False)
        for column, (state, found) in enumerate(shown):
            for row, pair in enumerate(pairs):
                panel = panels[row, column]
                if state.reference is not None and pair in state.reference.pairs:
                    k = state.reference.pairs.index(pair)
                    panel.plot(
                        state.reference.r, state.reference.g[k], color=REFERENCE, linewidth=2.2,
                        alpha=0.6, label="reference (not trained on)",
                    )  # fmt: skip
                for stage, partials in found.items():
                    error = None if partials.error is None else partials.error[row]
                    _line(panel, partials.r, partials.g[row], stage, error)
                panel.set_ylim(bottom=0)
                if column == 0:
                    panel.set_ylabel(f"$g_{{\\mathrm{{{pair}}}}}$")
            panels[0, column].set_title(_temperature(state))
            panels[-1, column].set_xlabel("r (Å)")
        reach = max(float(p.r[-1]) for _, f in shown for p in f.values())
        panels[0, 0].set_xlim(1.4, min(LONGEST_PARTIAL, reach))
        _legend(figure)
    return figure


def _pdf_panel(figure: "Figure", place: "SubplotSpec", state: RunState, name: str) -> None:
    panels: Any = place.subgridspec(2, 1, height_ratios=(3, 1.1), hspace=0.04).subplots(sharex=True)
    upper, lower = panels
    curves = {s: c for s, e in state.evaluations.items() for c in e.pdfs if c.name == name}
    target = next(iter(curves.values()))
    upper.plot(target.r, target.target, color=TARGET, linewidth=2.6, alpha=0.32, label="target")
    lower.axhline(0.0, color=TARGET, linewidth=0.7)
    if target.error is not None:
        lower.fill_between(
            target.r, -target.error, target.error, color=TARGET, alpha=0.18, linewidth=0,
            label="target ± 1 s.e.",
        )  # fmt: skip
    for stage, curve in curves.items():
        error = curve.simulated_error
        _line(upper, curve.r, curve.simulated, stage, error)
        _line(lower, curve.r, curve.simulated - curve.target, stage, error)
    upper.set_title(f"{_temperature(state)} · {target.label}")
    upper.set_ylabel("G (Å$^{-2}$)")
    lower.set_ylabel("Δ")
    lower.set_xlabel("r (Å)")
    upper.tick_params(labelbottom=False)
    lower.set_xlim(float(target.r[0]), float(target.r[-1]))
    _give_room(upper, target)
    shown = " → ".join(filter(None, (_r_w(*state.r_w(stage, name)) for stage in curves)))
    note(upper, f"$R_w$ = {shown}" if shown else "")


def _r_w(value: float | None, error: float | None) -> str:
    """R_w in words, with its error where the run says it."""
    if value is None:
        return ""
    return f"{value:.3f}" if error is None else with_error(value, error)


def _give_room(panel: "Axes", target: PdfCurve) -> None:
    """Space above the curves for the remark."""
    low, high = panel.get_ylim()
    late = target.target[target.r > target.r[0] + 0.55 * np.ptp(target.r)]
    if len(late) and late.max() > low + 0.72 * (high - low):
        panel.set_ylim(low, high + 0.18 * (high - low))


def _line(
    panel: "Axes", r: np.ndarray, values: np.ndarray, stage: str, error: np.ndarray | None
) -> None:
    """A curve of a stage with the band of its standard error, where it is known."""
    words = {"before": "prior (before)", "after": "corrected (after)"}
    panel.plot(
        r, values, color=COLOURS[stage], linestyle=DASHES[stage], linewidth=1.1, label=words[stage]
    )
    if error is not None:
        panel.fill_between(
            r, values - error, values + error, color=COLOURS[stage], alpha=0.25, linewidth=0
        )


def _legend(figure: "Figure") -> None:
    """One legend for all panels, above them."""
    handles: dict[str, Any] = {}
    for panel in figure.axes:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.legend(
        list(handles.values()), list(handles), loc="outside upper center", ncols=len(handles)
    )


def _names(state: RunState) -> list[str]:
    """Names of the PDF targets of a state."""
    return list(dict.fromkeys(c.name for e in state.evaluations.values() for c in e.pdfs))


def _temperature(state: RunState) -> str:
    return f"{state.temperature:g} K" if state.temperature else state.name
