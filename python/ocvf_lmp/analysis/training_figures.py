"""The course of a training: loss and its parts, gradient, horizon; lattice against temperature."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ocvf_lmp.analysis.runfolder import RunFolder, RunState
from ocvf_lmp.analysis.style import (
    AFTER,
    BEFORE,
    TARGET,
    label_panels,
    new_figure,
    note,
    state_colours,
    style,
)
from ocvf_lmp.analysis.tables import lattice_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NO_LIMIT = 1e6
"""ps; usable windows beyond are written where no growth was seen."""

_CAPS = ("_", "|")
"""Marks at the ends of error bars, which may be below zero where the numbers are not."""

_LINES = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.2, 1, 1.2)))


def training_figure(run: RunFolder) -> "Figure | None":
    """Loss, its parts, the gradient's norm and the horizon against the epoch.

    Returns:
        The figure, or None where no epoch was trained.
    """
    shown = [state for state in run.states if state.metrics]
    if not shown:
        return None
    with style():
        figure = new_figure(5.2)
        panels = figure.subplots(2, 2, sharex=True).ravel()
        for state, colour in zip(shown, state_colours(len(shown)), strict=True):
            _draw_loss(panels[0], state, colour, run.epochs)
            _draw_parts(panels[1], state, colour)
            _draw_gradient(panels[2], state, colour)
            _draw_trust(panels[3], state, colour)
        trust = ("Horizon of the adjoint", "window (ps)")
        if _reweighted(shown):
            trust = ("Frames that count", "effective share")
        titles = ("Loss", "Parts of the loss", "Norm of the gradient", trust[0])
        units = ("loss", "part of the loss", "|∂L/∂θ|", trust[1])
        for panel, title, unit in zip(panels, titles, units, strict=True):
            panel.set_title(title, loc="left")
            panel.set_ylabel(unit)
            _log_if_positive(panel)
        for panel in panels[2:]:
            panel.set_xlabel("epoch")
        _finish(figure, panels, shown)
    return figure


def lattice_figure(run: RunFolder) -> "Figure | None":
    """Lattice parameters against temperature: before, after, target.

    A number whose error is not known, such as the mean of a single frame, is not drawn.

    Returns:
        The figure, or None where nothing was measured.
    """
    rows, names = lattice_table(run), {s.name: s.temperature for s in run.states}
    measured = any(row.what != "target" for row in rows)
    if not measured or any(t is None for t in names.values()):
        return None
    looks = {
        "before": ("s", BEFORE, "prior (before)"),
        "after": ("o", AFTER, "corrected (after)"),
        "target": ("D", TARGET, "target"),
    }
    spread = (max(names.values()) - min(names.values())) or 100.0  # pyright: ignore
    with style():
        figure = new_figure(3.0)
        panels = figure.subplots(1, 2)
        for k, (what, (marker, colour, label)) in enumerate(looks.items()):
            mine = [row for row in rows if row.what == what]
            if not mine:
                continue
            x = np.array([float(names[row.state] or 0) for row in mine]) + 0.012 * spread * (k - 1)
            for panel, columns in zip(panels, (slice(0, 3), slice(3, 6)), strict=True):
                values = np.array([row.values[columns] for row in mine])
                errors = np.array([row.errors[columns] for row in mine])
                for axis in range(3):
                    good = np.isfinite(values[:, axis]) & np.isfinite(errors[:, axis])
                    panel.errorbar(
                        x[good], values[good, axis], errors[good, axis], fmt=marker,
                        color=colour, markersize=4, elinewidth=0.8, capsize=2, linestyle="-",
                        linewidth=0.6, alpha=0.9, fillstyle="none" if what == "target" else "full",
                        label=label if axis == 0 else None,
                    )  # fmt: skip
        panels[0].set_title("Lengths, in ascending order", loc="left")
        panels[0].set_ylabel("a, b, c of the unit cell (Å)")
        panels[1].set_title("Angles that face them", loc="left")
        panels[1].set_ylabel("α, β, γ (°)")
        for panel in panels:
            panel.set_xlabel("temperature (K)")
        label_panels(panels)
        handles = panels[0].get_legend_handles_labels()
        figure.legend(*handles, loc="outside upper center", ncols=3)
    return figure


def _draw_loss(panel: "Axes", state: RunState, colour: Any, last: int) -> None:
    epoch, loss = _series(state, "epoch"), _series(state, "loss")
    used = np.array([bool(m.get("updated", True)) for m in state.metrics])
    panel.plot(epoch, loss, color=colour, linewidth=1.1)
    panel.plot(epoch[used], loss[used], "o", color=colour, markersize=3)
    if not used.all():
        panel.plot(
            epoch[~used], loss[~used], "o", color=colour, markersize=4, markerfacecolor="white"
        )
    _bars(panel, epoch, loss, _series(state, "loss_error"), colour)
    for found, x in ((state.before, 0.0), (state.after, last + 1.0)):
        if found is not None:
            panel.errorbar(
                x, found.loss, found.loss_error, fmt="D", color=colour, markersize=4, capsize=2,
                elinewidth=0.8, markeredgecolor="black", markeredgewidth=0.5,
            )  # fmt: skip


def _draw_parts(panel: "Axes", state: RunState, colour: Any) -> None:
    for k, name in enumerate(_parts(state)):
        epoch, values = _series(state, "epoch"), _series_of(state, "parts", name)
        line = _LINES[k % len(_LINES)]
        panel.plot(epoch, values, color=colour, linestyle=line, linewidth=1.1)
        _bars(panel, epoch, values, _series_of(state, "part_errors", name), colour)


def _draw_gradient(panel: "Axes", state: RunState, colour: Any) -> None:
    """The norm, with the norm of its standard error where the estimator knows it."""
    epoch, norm = _series(state, "epoch"), _series(state, "grad_norm")
    panel.plot(epoch, norm, ".-", color=colour, markersize=4)
    if _reweighted([state]):
        _bars(panel, epoch, norm, _series(state, "grad_error"), colour)


def _bars(
    panel: "Axes", x: np.ndarray, values: np.ndarray, errors: np.ndarray, colour: Any
) -> None:
    """Standard errors where they are known, as the records of older runs need not say them."""
    good = np.isfinite(values) & np.isfinite(errors)
    if good.any():
        panel.errorbar(
            x[good], values[good], errors[good], fmt="none", color=colour, capsize=2, elinewidth=0.8
        )


def _reweighted(states: list[RunState]) -> bool:
    """Whether gradients come from fluctuations of frames."""
    return any(m.get("effective") is not None for state in states for m in state.metrics)


def _draw_trust(panel: "Axes", state: RunState, colour: Any) -> None:
    """How far each gradient can be trusted: the horizon, or the share of frames that count."""
    epoch, used = _series(state, "epoch"), _series(state, "window_ps")
    if _reweighted([state]):
        share = _series(state, "effective")
        panel.plot(epoch, share, color=colour, linewidth=1.1)
        panel.plot(epoch[used > 0], share[used > 0], "s", color=colour, markersize=4)
        return
    usable = _series(state, "usable_ps")
    limited = usable < NO_LIMIT
    panel.plot(epoch, used, color=colour, linewidth=1.3)
    panel.plot(epoch[limited], usable[limited], "x", color=colour, markersize=4)
    if not limited.all():
        note(panel, "no limit seen where there is no cross")


def _finish(figure: "Figure", panels: Any, shown: list[RunState]) -> None:
    """Letters, and a legend that says what colours and marks mean."""
    from matplotlib.lines import Line2D  # noqa: PLC0415 (slow import)

    label_panels(panels)
    handles: list[Any] = [
        Line2D([], [], color=colour, label=state.name)
        for state, colour in zip(shown, state_colours(len(shown)), strict=True)
    ]
    grey: dict[str, Any] = {"color": "#555555", "linestyle": "none"}
    mark, meaning = ("s", "newly sampled") if _reweighted(shown) else ("x", "longest usable window")
    handles += [
        Line2D([], [], marker="D", markersize=4, label="measured before, after", **grey),
        Line2D([], [], marker=mark, markersize=4, label=meaning, **grey),
    ]
    if any(not m.get("updated", True) for s in shown for m in s.metrics):
        open_mark = {"marker": "o", "markersize": 4, "markerfacecolor": "white"}
        handles.append(Line2D([], [], label="gradient refused", **grey, **open_mark))
    figure.legend(
        handles=handles, loc="outside upper center", ncols=min(len(handles), 7), columnspacing=1.2
    )
    kinds = _kinds(shown)
    if len(kinds) > 1:
        lines = [
            Line2D([], [], color="#555555", linestyle=_LINES[k % len(_LINES)], label=name)
            for k, name in enumerate(kinds)
        ]
        panels[1].legend(handles=lines, loc="best", fontsize=6.5, handlelength=2.6)


def _kinds(shown: list[RunState]) -> list[str]:
    """Names of the parts without the temperature, where all states have the same ones."""
    stripped = [[_plain(name, state) for name in _parts(state)] for state in shown]
    return max(stripped, key=len)


def _plain(name: str, state: RunState) -> str:
    """The name of a target without the state's own."""
    return name.replace(state.name, "").strip("_- ").replace("_", " ") or name


def _parts(state: RunState) -> list[str]:
    return list(dict.fromkeys(name for m in state.metrics for name in m.get("parts", {})))


def _series(state: RunState, name: str) -> np.ndarray:
    """A number of every record; NaN where it is not known."""
    values = [m.get(name) for m in state.metrics]
    return np.array([np.nan if value is None else float(value) for value in values])


def _series_of(state: RunState, group: str, name: str) -> np.ndarray:
    """The same of a number in a group, such as the part of a target."""
    return np.array([(m.get(group) or {}).get(name, np.nan) for m in state.metrics], dtype=float)


def _log_if_positive(panel: "Axes") -> None:
    drawn = [line for line in panel.lines if line.get_marker() not in _CAPS]
    values = np.concatenate([np.asarray(line.get_ydata(), dtype=float) for line in drawn])
    values = values[np.isfinite(values)]
    if len(values) and values.min() > 0 and values.max() > 3 * values.min():
        panel.set_yscale("log")
