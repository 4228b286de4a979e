"""G(r) of models against that of a reference sweep, temperature by temperature."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ocvf_lmp.analysis.phases.marks import marker
from ocvf_lmp.analysis.phases.pair_distributions import Curves, Diffractometer, Misfit
from ocvf_lmp.analysis.style import AFTER, BEFORE, REFERENCE, TARGET, WIDTH, new_figure, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = (BEFORE, AFTER, REFERENCE, "#cc79a7", "#e69f00")
"""Of the models from the last, the prior, to the first."""

DASHED = "cooling"
"""The branch that a broken line tells from the other one of its model."""

MOST = 4
"""Temperatures whose curves are drawn, spread over all; R_w is drawn for every one."""

Key = tuple[str, float]


def pdf_figure(
    names: Sequence[str],
    instrument: Diffractometer,
    curves: Sequence[Curves],
    true: Curves,
    misfits: Sequence[Mapping[Key, Misfit]],
) -> "Figure | None":
    """Curves with their differences at some temperatures, and R_w at all of them.

    Args:
        names: of the models, the prior last.
        instrument: that sees all.
        curves: of each model.
        true: of the reference.
        misfits: of each model.

    Returns:
        The figure; None where models and reference have no temperature in common.
    """
    keys = sorted({key for each in misfits for key in each})
    if not keys:
        return None
    spread = np.linspace(0, len(keys) - 1, min(MOST, len(keys)) + 2)[1:-1]
    shown = [keys[k] for k in sorted({round(x) for x in spread})]
    with style():
        figure = new_figure(2.3 + 2.3 * ((len(shown) + 1) // 2), WIDTH)
        grid = figure.add_gridspec((len(shown) + 1) // 2 + 1, 2)
        for k, key in enumerate(shown):
            panel = figure.add_subplot(grid[k // 2, k % 2])
            _curves(panel, instrument, [c.get(key) for c in curves], true[key])
            panel.set_title(f"{key[1]:g} K, {key[0]}", loc="left")
        _misfits(figure.add_subplot(grid[-1, :]), names, misfits)
        handles, labels = figure.axes[-1].get_legend_handles_labels()
        first, reference = figure.axes[0].get_legend_handles_labels()
        figure.legend(
            [*first, *handles], [*reference, *labels], loc="outside upper center", ncols=5
        )
    return figure


def _curves(
    panel: "Axes", instrument: Diffractometer, found: Sequence[np.ndarray | None], true: np.ndarray
) -> None:
    r = instrument.r
    mean, error = true.mean(axis=0), true.std(axis=0, ddof=1) / len(true) ** 0.5
    everybody = [true, *(blocks for blocks in found if blocks is not None)]
    base = 1.25 * min(float(x.mean(axis=0).min()) for x in everybody) - 0.3 * float(mean.max())
    panel.fill_between(r, mean - error, mean + error, color=TARGET, alpha=0.25, linewidth=0)
    panel.plot(r, mean, color=TARGET, linewidth=1.6, label="reference ± 1 s.e.")
    for k, blocks in enumerate(reversed(found)):
        if blocks is None:
            continue
        mine = blocks.mean(axis=0)
        spread = blocks.std(axis=0, ddof=1) / len(blocks) ** 0.5
        colour = COLOURS[k % len(COLOURS)]
        panel.plot(r, mine, color=colour, linewidth=0.9)
        panel.fill_between(r, mine - spread, mine + spread, color=colour, alpha=0.2, linewidth=0)
        panel.plot(r, base + mine - mean, color=colour, linewidth=0.8)
    panel.axhline(base, color="#888888", linewidth=0.5)
    panel.set_xlim(r[0], r[-1])
    panel.set_xlabel("r (Å)")
    panel.set_ylabel("G (Å$^{-2}$)")


def _misfits(panel: "Axes", names: Sequence[str], misfits: Sequence[Mapping[Key, Misfit]]) -> None:
    for k, (name, found) in enumerate(reversed(list(zip(names, misfits, strict=True)))):
        colour = COLOURS[k % len(COLOURS)]
        for branch in dict.fromkeys(branch for branch, _ in sorted(found)):
            points = sorted((t, m) for (b, t), m in found.items() if b == branch)
            t = [x for x, _ in points]
            line = "--" if branch == DASHED else "-"
            panel.errorbar(
                t, [m.r_w.value for _, m in points], [m.r_w.error for _, m in points],
                marker=marker(branch), linestyle=line, color=colour, markersize=4, capsize=2,
                label=f"{name}, {branch}",
            )  # fmt: skip
            panel.plot(t, [m.floor for _, m in points], color=colour, linewidth=0.8, linestyle=":")
    panel.set_ylim(bottom=0)
    panel.set_xlabel("temperature (K)")
    panel.set_ylabel("$R_w$ of G(r)")
