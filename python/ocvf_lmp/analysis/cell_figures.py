"""Cell and temperature against time (as figure 1 of the paper), in training and in LAMMPS."""

from typing import TYPE_CHECKING

import numpy as np

from ocvf_lmp.analysis.curves import PARAMETERS
from ocvf_lmp.analysis.runfolder import RunFolder, RunState
from ocvf_lmp.analysis.style import AXES_COLOURS, broken_line, new_figure, style
from ocvf_lmp.errors import DataError
from ocvf_lmp.system.trajectory import Trajectory, read_trajectory

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LONGEST = 3000
"""Frames that are drawn of a trajectory; longer ones are thinned out."""


def cell_figure(run: RunFolder) -> "Figure | None":
    """Lengths, angles and temperature of every state against time.

    The part of the run that was trained on is shaded; it holds one point a window.

    Returns:
        The figure, or None where no trajectory can be read.
    """
    shown = [(s, found) for s in run.states if (found := _trajectory(s)) is not None]
    if not shown:
        return None
    with style():
        figure = new_figure(5.0, min(7.2, 3.6 + 1.8 * (len(shown) - 1)))
        panels = figure.subplots(3, len(shown), sharex="col", squeeze=False)
        for row in panels[:2]:
            for panel in row[1:]:
                panel.sharey(row[0])
        for column, (state, trajectory) in enumerate(shown):
            lattice = trajectory.lattice / np.array([*run.repeat, 1, 1, 1])
            temperature = trajectory.observables.get("temperature")
            _draw(panels[:, column], trajectory.time, lattice, temperature)
            _draw_training(panels[:, column], trajectory.time, state)
            panels[0, column].set_title(state.name)
            panels[2, column].set_xlabel("time (ps)")
            if state.temperature:
                panels[2, column].axhline(state.temperature, color="black", linewidth=0.8)
        _label(figure, panels[:, 0])
    return figure


def production_figure(run: RunFolder) -> "Figure | None":
    """Lengths, angles and temperature of the LAMMPS run against time.

    Returns:
        The figure, or None where there is no log or no cell in it.
    """
    log = run.log
    if log is None or log.lattice is None or len(log) < 2:
        return None
    lattice = log.lattice.copy()
    lattice[:, :3] /= np.maximum(1, np.round(lattice[:, :3].mean(axis=0) / 4.0))
    temperature = log.column("Temp", "v_temp", "c_thermo_temp")
    with style():
        figure = new_figure(4.6, 4.6)
        panels = figure.subplots(3, 1, sharex=True)
        _draw(panels, log.time, lattice, temperature)
        panels[0].set_title(f"{log.version}" + (f", {log.n_atoms} atoms" if log.n_atoms else ""))
        panels[2].set_xlabel("time (ps)" if log.timestep else "step")
        _label(figure, panels)
    return figure


def _trajectory(state: RunState) -> Trajectory | None:
    if state.trajectory is None:
        return None
    try:
        found = read_trajectory(state.trajectory, atoms=False)
        every = len(found) // LONGEST + 1
        if every > 1:
            found = read_trajectory(state.trajectory, every, atoms=False)
    except DataError:
        return None
    return found if len(found) > 1 else None


def _draw(
    panels: np.ndarray, time: np.ndarray, lattice: np.ndarray, temperature: np.ndarray | None
) -> None:
    """Lengths, angles and temperature in three panels."""
    for k, name in enumerate(PARAMETERS):
        symbol = {"alpha": "α", "beta": "β", "gamma": "γ"}.get(name, name)
        x, y = broken_line(time, lattice[:, k])
        panels[k // 3].plot(x, y, color=AXES_COLOURS[k % 3], linewidth=0.9, label=symbol)
    if temperature is not None:
        x, y = broken_line(time, temperature)
        panels[2].plot(x, y, color="#777777", linewidth=0.7)


def _draw_training(panels: np.ndarray, time: np.ndarray, state: RunState) -> None:
    """The windows of training, which fill the longest gap of the trajectory."""
    windows = np.array([m.get("window_ps", np.nan) for m in state.metrics], dtype=float)
    if not len(windows) or len(time) < 2 or not np.isfinite(windows).all():
        return
    gaps = np.diff(time)
    first = int(np.argmax(gaps))
    inside = gaps[first] > 0.5 * windows.sum()
    start = float(time[first] if inside else time[-1])
    ends = start + np.cumsum(windows)
    for panel in panels:
        panel.axvspan(start, float(ends[-1]), color="#f2e9d8", zorder=0, linewidth=0)
    for k, name in enumerate(PARAMETERS):
        values = [m.get(name, np.nan) for m in state.metrics]
        middle = ends - 0.5 * windows
        panels[k // 3].plot(middle, values, ".", color=AXES_COLOURS[k % 3], markersize=2.5)
    panels[0].text(
        0.5 * (start + float(ends[-1])), 0.98, "training", ha="center", va="top", fontsize=6.5,
        color="#8a6d2f", transform=panels[0].get_xaxis_transform(),
    )  # fmt: skip


def _label(figure: "Figure", panels: "np.ndarray | list[Axes]") -> None:
    panels[0].set_ylabel("lengths of the\nunit cell (Å)")
    panels[1].set_ylabel("angles (°)")
    panels[2].set_ylabel("temperature (K)")
    figure.align_ylabels(list(panels))
    handles, labels = panels[0].get_legend_handles_labels()
    more, names = panels[1].get_legend_handles_labels()
    both = [f"{a}, {b}" for a, b in zip(labels, names, strict=True)]
    del more
    figure.legend(handles, both, loc="outside upper center", ncols=3)
