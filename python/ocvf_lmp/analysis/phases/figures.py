"""Figures of a sweep (figures 5 to 8 of the paper); every number is drawn with its error."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ocvf_lmp.analysis.phases.analysis_file import Analysis
from ocvf_lmp.analysis.phases.marks import (
    PHASE_COLOURS,
    branch_handles,
    colour,
    mark_phases,
    mark_transitions,
    marker,
    phase_handles,
    points,
    raise_titles,
    spacing,
)
from ocvf_lmp.analysis.phases.references import Reference
from ocvf_lmp.analysis.phases.results import Balance, LegResult, Value
from ocvf_lmp.analysis.phases.transitions import BY, NAMES
from ocvf_lmp.analysis.phases.violins import violin_figure
from ocvf_lmp.analysis.style import AXES_COLOURS, WIDTH, label_panels, new_figure, save, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SINGLE = 4.4
"""Inches: width of a figure with one panel."""


def _against_temperature(
    found: Analysis, what: Callable[[LegResult], Value], name: str
) -> "Figure":
    """One number of every leg of all branches."""
    with style():
        figure = new_figure(2.9, SINGLE)
        panel = figure.subplots()
        for branch in found.branches:
            legs = found.of_branch(branch)
            points(panel, legs, [what(leg) for leg in legs], branch)
        mark_transitions(panel, found, found.branches)
        panel.set_xlabel("temperature (K)")
        panel.set_ylabel(name)
        _legend(figure, found)
    return figure


def ratio_figure(found: Analysis) -> "Figure":
    """c/a against temperature (figure 6 of the paper); c is the most polar axis of each window."""
    return _against_temperature(found, lambda leg: leg.ratio, "axis ratio 2c/(a + b)")


def difference_figure(found: Analysis) -> "Figure":
    """|a - b| against temperature (figure 7): large in O alone."""
    return _against_temperature(found, lambda leg: leg.difference, "|a − b| (Å)")


def volume_figure(found: Analysis) -> "Figure":
    """Volume of the five-atom cell."""
    return _against_temperature(found, lambda leg: leg.volume, "volume of a cell (Å³)")


def polarization_figure(found: Analysis) -> "Figure":
    """Components and size of the polarization (figure 8)."""
    branches = found.branches
    with style():
        figure = new_figure(2.9 * len(branches), WIDTH)
        panels = figure.subplots(len(branches), 2, squeeze=False, sharex=True, sharey="col")
        for row, branch in zip(panels, branches, strict=True):
            legs = found.of_branch(branch)
            for j, name in enumerate(("smallest", "middle", "largest")):
                points(row[0], legs, [x.components[j] for x in legs], name, AXES_COLOURS[j])
            points(row[1], legs, [x.size for x in legs], "mean of |P| over frames", "#222222")
            points(
                row[1], legs, [x.ordered for x in legs], "|⟨P⟩| over windows", "#999999",
                linestyle="--",
            )  # fmt: skip
            for panel in row:
                mark_phases(panel, legs)
                mark_transitions(panel, found, [branch])
                panel.set_title(branch, loc="left")
            row[0].set_ylabel("components of P (C/m²)")
            row[1].set_ylabel("size of P (C/m²)")
            row[1].set_ylim(bottom=0.0)
        for panel in panels[-1]:
            panel.set_xlabel("temperature (K)")
        label_panels(list(panels.ravel()))
        raise_titles(list(panels.ravel()))
        handles = [h for panel in panels[0] for h in panel.get_legend_handles_labels()[0]]
        figure.legend(handles=handles, loc="outside upper center", ncols=5, columnspacing=1.2)
    return figure


def phases_figure(found: Analysis) -> "Figure":
    """Shares of the phases, by polarization and by strain."""
    branches = found.branches
    with style():
        figure = new_figure(0.7 + 1.5 * len(branches), WIDTH)
        panels = figure.subplots(len(branches), 2, squeeze=False, sharex=True, sharey=True)
        for row, branch in zip(panels, branches, strict=True):
            legs = found.of_branch(branch)
            t = [leg.temperature for leg in legs]
            for panel, by in zip(row, BY, strict=True):
                name, errors = f"by_{by}", f"{by}_errors"
                bottom = np.zeros(len(legs))
                for k, phase in enumerate(PHASE_COLOURS):
                    share = np.array([getattr(leg, name)[k] for leg in legs])
                    panel.bar(
                        t, share, 0.86 * spacing(t), bottom, color=PHASE_COLOURS[phase],
                        alpha=0.85, linewidth=0,
                    )  # fmt: skip
                    bottom += share
                    if k < 3:
                        _share_bars(panel, t, bottom, [getattr(leg, errors)[k] for leg in legs])
                _transition_bars(panel, found, branch, by)
                panel.set_title(f"{branch}, by {by}", loc="left")
                panel.grid(visible=False)
                panel.set_ylim(0, 1.13)
            row[0].set_ylabel("share of frames")
        for panel in panels[-1]:
            panel.set_xlabel("temperature (K)")
        label_panels(list(panels.ravel()))
        figure.legend(
            handles=phase_handles(list(PHASE_COLOURS)), loc="outside upper center", ncols=4
        )
    return figure


def balance_figure(found: Analysis) -> "Figure | None":
    """Free energies of phases that go back and forth; None where none do.

    A difference whose error is not known is not drawn.
    """
    shown = [(b, curve) for b in found.balances if (curve := _known(b))]
    if not shown:
        return None
    with style():
        figure = new_figure(2.9, SINGLE)
        panel = figure.subplots()
        for k, (one, curve) in enumerate(shown):
            panel.errorbar(
                [t for t, _ in curve],
                [v.value for _, v in curve],
                [v.error for _, v in curve],
                marker=marker(one.branch), markersize=4, color=f"C{k}", capsize=2,
                linewidth=0.9, label=f"{one.phases}, {one.branch}",
            )  # fmt: skip
            if np.isfinite(one.crossing.error):
                panel.errorbar(
                    one.crossing.value, 0.0, xerr=one.crossing.error, fmt="*", color=f"C{k}",
                    markersize=8, markeredgecolor="black", capsize=2,
                )  # fmt: skip
        panel.axhline(0.0, color="#333333", linewidth=0.8)
        panel.set_xlabel("temperature (K)")
        panel.set_ylabel("G(warmer) − G(colder), meV a cell")
        panel.legend()
    return figure


def comparison_figure(
    all_found: Sequence[Analysis], reference: Reference | None = None
) -> "Figure":
    """Transition temperatures of several sweeps, with errors; lines: those of a reference."""
    with style():
        figure = new_figure(1.1 + 0.38 * len(all_found), WIDTH)
        panels = figure.subplots(1, 3, sharey=True)
        names = ["{} ({})".format(x.name, "×".join(map(str, x.repeat))) for x in all_found]
        branches = list(dict.fromkeys(b for x in all_found for b in x.branches))
        for panel, name in zip(panels, NAMES, strict=True):
            for k, found in enumerate(all_found):
                for t in found.transitions:
                    if (t.name, t.by) != (name, "polarization") or np.isnan(t.temperature.value):
                        continue
                    panel.errorbar(
                        t.temperature.value, k + 0.12 * (branches.index(t.branch) - 0.5),
                        xerr=t.temperature.error, fmt=marker(t.branch), color=colour(t.branch),
                        markersize=5, capsize=2.5,
                    )  # fmt: skip
            for true in reference.by_polarization(name) if reference else ():
                panel.axvline(true.value, color="#333333", linewidth=0.9, linestyle="--")
                if np.isfinite(true.error):
                    panel.axvspan(true.value - true.error, true.value + true.error,
                                  color="#333333", alpha=0.12, linewidth=0)  # fmt: skip
            panel.set_title(name, loc="left")
            panel.set_xlabel("temperature (K)")
        panels[0].set_yticks(range(len(names)), names)
        panels[0].set_ylim(len(names) - 0.5, -0.5)
        figure.legend(handles=branch_handles(branches), loc="outside upper center", ncols=4)
    return figure


FIGURES: dict[str, Callable[[Analysis], "Figure | None"]] = {
    "lattice_violins": violin_figure,
    "axis_ratio": ratio_figure,
    "axis_difference": difference_figure,
    "polarization": polarization_figure,
    "phases": phases_figure,
    "volume": volume_figure,
    "free_energies": balance_figure,
}
"""Functions that draw an analysis, by the names of their files; None where there is nothing."""


def save_phase_figures(found: Analysis, folder: Path) -> list[Path]:
    """Writes all figures as PNG, SVG and PDF.

    Args:
        found: what was analysed.
        folder: made if it does not exist.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, draw in FIGURES.items():
        figure = draw(found)
        if figure is not None:
            written += save(figure, folder / name)
    return written


def _known(one: Balance) -> list[tuple[float, Value]]:
    """Temperatures, K, and differences, meV, whose errors are known."""
    pairs = zip(one.temperatures, one.differences, strict=True)
    return [(t, v) for t, v in pairs if np.isfinite([v.value, v.error]).all()]


def _share_bars(
    panel: "Axes", t: Sequence[float], edges: np.ndarray, errors: Sequence[float]
) -> None:
    """Errors of shares at the upper edges of their bars; none where a phase has no frame or all."""
    for x, edge, error in zip(t, edges, errors, strict=True):
        if error > 0:
            panel.errorbar(x, edge, error, color="black", elinewidth=0.7, capsize=1.5)


def _transition_bars(panel: "Axes", found: Analysis, branch: str, by: str) -> None:
    for one in found.transitions:
        t = one.temperature
        if (one.branch, one.by) == (branch, by) and np.isfinite(t.value):
            panel.errorbar(
                t.value, 1.06, xerr=t.error, fmt="v", color="black", markersize=3.5, capsize=2,
                elinewidth=0.9,
            )  # fmt: skip


def _legend(figure: "Figure", found: Analysis) -> None:
    seen = [p for p in PHASE_COLOURS if any(leg.phase == p for leg in found.legs)]
    handles = [*branch_handles(found.branches), *phase_handles(seen)]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles),
                  columnspacing=1.2, handletextpad=0.4)  # fmt: skip
