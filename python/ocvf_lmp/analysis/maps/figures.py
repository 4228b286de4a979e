"""Figures of a survey: curves, maps and the surface in three dimensions (OCVF figs. 4 and 9)."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ocvf_lmp.analysis.maps.displacements import PLANES, Plane
from ocvf_lmp.analysis.maps.looks import (
    CHANGE,
    MEV,
    SHORT,
    Scale,
    change_scale,
    energy_scale,
    parts,
    scale_of,
)
from ocvf_lmp.analysis.maps.surface_figure import surface_figure
from ocvf_lmp.analysis.maps.survey import Survey
from ocvf_lmp.analysis.report_tables import MINUS
from ocvf_lmp.analysis.style import label_panels, new_figure, state_colours, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

N_LEVELS = 41


def draw_maps(survey: Survey) -> Iterator[tuple[str, "Figure"]]:
    """Every figure of a survey, by name."""
    if not survey.surfaces:
        return
    yield "energy-curves", curves_figure(survey)
    if survey.shown is not None:
        yield "energy-surface", surface_figure(survey.shown)
    for plane in PLANES:
        yield f"energy-map-{plane.key}", map_figure(survey, plane)


def curves_figure(survey: Survey) -> "Figure":
    """Energies along [100], [110], [111]: prior and corrected model above, correction below."""
    from matplotlib.lines import Line2D  # noqa: PLC0415 (slow import)
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415 (slow import)

    surfaces = survey.surfaces
    ion = surfaces[0].crystal.symbols[1]
    with_prior = any(c.prior is not None for s in surfaces for c in s.curves.values())
    names = list(surfaces[0].curves)
    colours = state_colours(len(surfaces))
    with style():
        figure = new_figure(4.6 if with_prior else 2.7)
        rows = 2 if with_prior else 1
        panels: Any = figure.subplots(rows, len(names), sharex=True, sharey="row", squeeze=False)
        for column, name in enumerate(names):
            for surface, colour in zip(surfaces, colours, strict=True):
                found = parts(surface.curves[name])
                below = panels[-1, column]
                below.plot(surface.sizes, found["correction"], color=colour)
                if "prior" in found:
                    above = panels[0, column]
                    above.plot(surface.sizes, found["prior"], color=colour, linestyle=(0, (4, 1.6)))
                    above.plot(surface.sizes, found["corrected"], color=colour)
            panels[-1, column].set_title(f"ΔH along {name}", loc="left")
            if with_prior:
                panels[0, column].set_title(f"E along {name}", loc="left")
            panels[-1, column].set_xlabel(f"off-centring u of {ion} (Å)")
        panels[-1, 0].set_ylabel("ΔH − ΔH(0) (meV/f.u.)")
        if with_prior:
            panels[0, 0].set_ylabel("E − E(0) (meV/f.u.)")
            _see_wells(panels[0, 0], survey)
        for panel in panels.ravel():
            panel.axhline(0.0, color="#888888", linewidth=0.6, zorder=1)
            panel.margins(x=0.0)
            panel.xaxis.set_major_locator(MaxNLocator(4))
        _steady(panels[-1, 0])
        label_panels(panels.ravel().tolist())
        handles = [
            Line2D([], [], color=colour, label=surface.state)
            for surface, colour in zip(surfaces, colours, strict=True)
        ]
        if with_prior:
            grey: Any = {"color": "#555555"}
            handles.append(Line2D([], [], linestyle=(0, (4, 1.6)), label="prior Hₒ", **grey))
            handles.append(Line2D([], [], label="corrected Hₒ + ΔH", **grey))
        figure.legend(handles=handles, loc="outside upper center", ncols=min(len(handles), 7))
    return figure


def map_figure(survey: Survey, plane: Plane) -> "Figure":
    """Correction, prior and corrected model over a plane, a row for each state."""
    found = [surface.maps[plane.key] for surface in survey.surfaces]
    known = [e for e in found if e.prior is not None]
    energy = energy_scale(known) if known else None
    columns = list(parts(known[0] if known else found[0]))
    with style():
        figure = new_figure(2.05 * len(found) + 0.35, 7.2 if len(columns) > 1 else 3.2)
        figure.set_dpi(180)
        panels: Any = figure.subplots(
            len(found), len(columns), sharex=True, sharey=True, squeeze=False
        )
        for row, (surface, energies) in enumerate(zip(survey.surfaces, found, strict=True)):
            values, change = parts(energies), change_scale([energies])
            for panel, name in zip(panels[row], columns, strict=True):
                if name not in values:
                    panel.set_axis_off()
                    continue
                scale = scale_of(name, energy, change)
                drawn = _draw_map(panel, surface.edge, values[name], scale)
                panel.set_title(f"{surface.state} · {SHORT[name]}", loc="left")
                if name in ("correction", "corrected"):
                    _bar(figure, drawn, panel)
            panels[row, 0].set_ylabel(f"u along {plane.y_name} (Å)")
        for panel in panels[-1]:
            panel.set_xlabel(f"u along {plane.x_name} (Å)")
        label_panels(panels.ravel().tolist())
    return figure


def _draw_map(panel: "Axes", edge: np.ndarray, values: np.ndarray, scale: Scale) -> Any:
    shown = np.clip(values, scale.low, scale.high)
    mesh = panel.contourf(
        edge, edge, shown, levels=scale.levels(N_LEVELS), cmap=scale.colours,
        extend="max" if values.max() > scale.high + 1e-9 else "neither",
    )  # fmt: skip
    mesh.set_rasterized(True)
    if np.ptp(values) > 1e-6:
        _lines(panel, edge, values, scale)
    panel.set_aspect("equal")
    panel.grid(visible=False)
    for side in ("top", "right"):
        panel.spines[side].set_visible(True)
    return mesh


def _lines(panel: "Axes", edge: np.ndarray, values: np.ndarray, scale: Scale) -> None:
    """Labelled contours at round values."""
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415 (slow import)

    low, high = max(scale.low, values.min()), min(scale.high, values.max())
    number = 5 if scale.colours == CHANGE else 8
    levels = np.array(MaxNLocator(number, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high))
    levels = levels[(levels > low) & (levels < high)]
    if not len(levels):
        return
    dark = "#333333" if scale.colours == CHANGE else "#ffffff"
    lines = panel.contour(edge, edge, values, levels=levels, colors=dark, linewidths=0.5)
    panel.clabel(lines, fmt=lambda x: f"{x:g}".replace("-", MINUS), fontsize=5.5, inline_spacing=2)


def _bar(figure: "Figure", mesh: Any, panel: "Axes") -> None:
    """A colour bar with round numbers, as high as its panel."""
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415 (slow import)

    place = panel.inset_axes((1.03, 0.0, 0.05, 1.0))
    low, high = mesh.get_clim()
    ticks = np.array(MaxNLocator(7, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high))
    bar = figure.colorbar(mesh, cax=place, ticks=ticks[(ticks >= low) & (ticks <= high)])
    place.tick_params(labelsize=6, pad=1.5)
    place.set_ylabel("meV/f.u.", fontsize=6.5)
    bar.outline.set_linewidth(0.5)  # pyright: ignore[reportCallIssue]


def _see_wells(panel: "Axes", survey: Survey) -> None:
    """Limits that show the wells, and how the energy rises."""
    curves = [c for s in survey.surfaces for c in s.curves.values()]
    pairs = [e for c in curves for e in (c.prior, c.corrected) if e is not None]
    low, high = MEV * min(e.min() for e in pairs), MEV * max(e.max() for e in pairs)
    if low < -1e-6:
        high = min(high, -1.2 * low)
    if high > low:
        panel.set_ylim(low - 0.06 * (high - low), high)


def _steady(panel: "Axes") -> None:
    """No axis whose whole length is round-off."""
    low, high = panel.get_ylim()
    if high - low < 1e-6:
        panel.set_ylim(-1.0, 1.0)
