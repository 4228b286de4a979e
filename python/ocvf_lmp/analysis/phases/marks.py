"""What figures of a sweep share: colours of phases, lines of transitions, symbols of branches."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ocvf_lmp.analysis.phases.analysis_file import Analysis
from ocvf_lmp.analysis.phases.results import LegResult, Value

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PHASE_COLOURS = {"R": "#0072b2", "O": "#009e73", "T": "#e69f00", "C": "#7f7f7f"}
TINTS = {"R": "#e3eff7", "O": "#e2f3ee", "T": "#fcf1da", "C": "#efefef"}
BRANCH_MARKERS = {"heating": "^", "cooling": "v"}
BRANCH_COLOURS = {"heating": "#c8452c", "cooling": "#3f6fb5"}


def marker(branch: str) -> str:
    """Of a branch."""
    return BRANCH_MARKERS.get(branch, "o")


def colour(branch: str) -> str:
    """Of a branch."""
    return BRANCH_COLOURS.get(branch, "#444444")


def spacing(temperatures: Sequence[float]) -> float:
    """The smallest distance of neighbouring temperatures, K."""
    steps = np.diff(np.unique(temperatures))
    return float(steps.min()) if len(steps) else 25.0


def mark_phases(panel: "Axes", legs: Sequence[LegResult], letters: bool = True) -> None:
    """Tints the background by the phase of each temperature.

    Args:
        panel: to draw in.
        legs: of one branch, from cold to warm.
        letters: whether to name the phases.
    """
    t = np.array([leg.temperature for leg in legs])
    half = 0.5 * spacing(t.tolist())
    edges = np.concatenate([[t[0] - half], 0.5 * (t[1:] + t[:-1]), [t[-1] + half]])
    start = 0
    for k in range(1, len(legs) + 1):
        if k < len(legs) and legs[k].phase == legs[start].phase:
            continue
        phase = legs[start].phase
        panel.axvspan(edges[start], edges[k], color=TINTS[phase], zorder=0, linewidth=0)
        if letters:
            panel.text(
                0.5 * (edges[start] + edges[k]), 1.01, phase, ha="center", va="bottom",
                fontsize=8, fontweight="bold", color=PHASE_COLOURS[phase],
                transform=panel.get_xaxis_transform(),
            )  # fmt: skip
        start = k
    panel.set_xlim(edges[0], edges[-1])


def raise_titles(panels: Sequence["Axes"]) -> None:
    """Moves titles above the letters of the phases."""
    for panel in panels:
        panel.set_title(panel.get_title(loc="left"), loc="left", pad=13)


def mark_transitions(panel: "Axes", found: Analysis, branches: Sequence[str]) -> None:
    """Lines at the transitions by polarization, with bands of one standard error."""
    for one in found.transitions:
        t = one.temperature
        if one.by != "polarization" or one.branch not in branches or not np.isfinite(t.value):
            continue
        shade = colour(one.branch) if len(branches) > 1 else "#333333"
        panel.axvspan(
            t.value - t.error, t.value + t.error, color=shade, alpha=0.10, linewidth=0, zorder=0.5
        )
        panel.axvline(t.value, color=shade, linewidth=0.8, linestyle=(0, (4, 2)), zorder=1)


def points(
    panel: "Axes",
    legs: Sequence[LegResult],
    values: Sequence[Value],
    label: str,
    shade: str | None = None,
    **look: object,
) -> None:
    """A branch's numbers with error bars; the filling of the symbols tells the phase.

    A number whose error is not known is not drawn.

    Args:
        panel: to draw in.
        legs: of one branch, from cold to warm.
        values: of each.
        label: for the legend.
        shade: of line and edge; by default the branch's.
        look: further arguments of `errorbar`.
    """
    shade = shade or colour(legs[0].branch)
    t, y, e = (
        np.array([getter(x, v) for x, v in zip(legs, values, strict=True)])
        for getter in (lambda x, _: x.temperature, lambda _, v: v.value, lambda _, v: v.error)
    )
    good = np.isfinite(y) & np.isfinite(e)
    look = {"linewidth": 0.9, "elinewidth": 0.9, "capsize": 1.8, "zorder": 3} | look
    panel.errorbar(t[good], y[good], e[good], color=shade, label=label, **look)  # pyright: ignore
    fill = [PHASE_COLOURS[x.phase] for x, ok in zip(legs, good, strict=True) if ok]
    panel.scatter(
        t[good], y[good], s=22, c=fill, marker=marker(legs[0].branch), edgecolors=shade,
        linewidths=0.7, zorder=4,
    )  # fmt: skip


def phase_handles(phases: Sequence[str]) -> list:
    """Entries of a legend that name the fillings."""
    from matplotlib.lines import Line2D  # noqa: PLC0415 (slow import)

    return [
        Line2D([], [], linestyle="", marker="o", markersize=5, color=PHASE_COLOURS[p], label=p)
        for p in phases
    ]


def branch_handles(branches: Sequence[str]) -> list:
    """Entries of a legend that name the branches."""
    from matplotlib.lines import Line2D  # noqa: PLC0415 (slow import)

    return [
        Line2D([], [], color=colour(b), marker=marker(b), markersize=4.5, linewidth=1.0, label=b,
               markerfacecolor="white")
        for b in branches
    ]  # fmt: skip
