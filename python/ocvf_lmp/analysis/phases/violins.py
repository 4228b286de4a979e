"""Distributions of lattice lengths and angles against temperature (figure 5 of the paper)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ocvf_lmp.analysis.phases.analysis_file import Analysis
from ocvf_lmp.analysis.phases.marks import (
    mark_phases,
    mark_transitions,
    raise_titles,
    spacing,
)
from ocvf_lmp.analysis.phases.results import LegResult
from ocvf_lmp.analysis.style import AXES_COLOURS, WIDTH, label_panels, new_figure, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LABELS = (("a", "b", "c"), ("α", "β", "γ"))
AXIS_NAMES = ("length (Å)", "angle (°)")


def violin_figure(found: Analysis) -> "Figure":
    """Lengths and angles of every branch; the symbols are means with standard errors."""
    branches = found.branches
    with style():
        figure = new_figure(0.5 + 1.95 * 2 * len(branches), WIDTH)
        panels = figure.subplots(2 * len(branches), 1, squeeze=False)[:, 0]
        for k, branch in enumerate(branches):
            legs = found.of_branch(branch)
            for row in range(2):
                panel = panels[2 * k + row]
                _violins(panel, legs, row)
                mark_phases(panel, legs, letters=row == 0)
                mark_transitions(panel, found, [branch])
                panel.set_ylabel(AXIS_NAMES[row])
                panel.grid(visible=False, axis="x")
            panels[2 * k].set_title(branch, loc="left")
        for row in range(2):  # the same scale for all branches
            pair = panels[row::2]
            low = min(p.get_ylim()[0] for p in pair)
            high = max(p.get_ylim()[1] for p in pair)
            for panel in pair:
                panel.set_ylim(low, high)
        panels[-1].set_xlabel("temperature (K)")
        label_panels(list(panels))
        raise_titles(list(panels[::2]))
        figure.align_ylabels(list(panels))
        for row in range(2):
            handles = [_patch(AXES_COLOURS[j], LABELS[row][j]) for j in range(3)]
            panels[row].legend(
                handles=handles, loc="upper right", ncols=3, handlelength=0.9, columnspacing=0.9,
                frameon=True, framealpha=0.85, edgecolor="none", borderpad=0.3,
            )  # fmt: skip
    return figure


def _violins(panel: "Axes", legs: Sequence[LegResult], row: int) -> None:
    third = spacing([leg.temperature for leg in legs]) / 3.4
    for j in range(3):
        shift = (j - 1) * third
        shade = AXES_COLOURS[j]
        for leg in legs:
            values = np.array(leg.samples)[:, 3 * row + j]
            at = leg.temperature + shift
            if len(values) > 2 and values.std() > 0:
                drawn = panel.violinplot(
                    [values], [at], widths=third * 1.05, showextrema=False, points=80
                )
                for body in drawn["bodies"]:  # pyright: ignore[reportGeneralTypeIssues]
                    body.set(facecolor=shade, alpha=0.45, linewidth=0.4, edgecolor=shade, zorder=2)
            mean = leg.aligned[3 * row + j]
            if np.isfinite(mean.error):
                panel.errorbar(
                    at, mean.value, mean.error, fmt="o", markersize=2.0, color=shade,
                    markeredgecolor="black", markeredgewidth=0.4, ecolor="black",
                    elinewidth=0.7, capsize=1.2, capthick=0.6, zorder=4,
                )  # fmt: skip


def _patch(shade: str, name: str) -> object:
    from matplotlib.patches import Patch  # noqa: PLC0415 (slow import)

    return Patch(facecolor=shade, alpha=0.6, label=name)
