"""The energy surface over a plane of displacements, in three dimensions (OCVF fig. 4)."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ocvf_lmp.analysis.maps.displacements import PLANES, Plane
from ocvf_lmp.analysis.maps.looks import (
    SHORT,
    Scale,
    change_scale,
    energy_scale,
    parts,
    scale_of,
)
from ocvf_lmp.analysis.maps.survey import Energies, Surface
from ocvf_lmp.analysis.style import new_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def surface_figure(surface: Surface) -> "Figure":
    """Correction, prior and corrected model from left to right, a row for each plane.

    Args:
        surface: with discs.
    """
    shown = [(plane, surface.discs[plane.key]) for plane in PLANES]
    columns = list(parts(shown[0][1]))
    with style():
        figure = new_figure(2.55 * len(shown), 7.2 if len(columns) > 1 else 3.0)
        figure.set_layout_engine(
            None
        )  # constrained: it leaves wide margins around axes in three dimensions
        figure.set_dpi(180)
        panels: Any = figure.subplots(
            len(shown), len(columns), squeeze=False, subplot_kw={"projection": "3d"}
        )
        figure.subplots_adjust(0.008, 0.03, 0.965, 0.96, wspace=0.08, hspace=0.05)
        letters = iter("abcdefgh")
        for row, (plane, found) in enumerate(shown):
            change = change_scale([found])
            energy = energy_scale([found], rise=6.0) if found.prior is not None else None
            for column, (name, values) in enumerate(parts(found).items()):
                panel = panels[row, column]
                scale = scale_of(name, energy, change)
                _draw(panel, surface, plane, values, scale, _floor(name, found))
                title = f"({next(letters)}) {surface.state} · {plane.name} · {SHORT[name]}"
                panel.set_title(title, loc="left", fontsize=7.5, y=0.985)
    return figure


def _floor(name: str, found: Energies) -> tuple[float, float]:
    """Lower and upper end of the vertical axis, the same for prior and corrected model."""
    values = parts(found)
    mine = [values[name]] if name == "correction" else [values["prior"], values["corrected"]]
    low, high = min(v.min() for v in mine), max(v.max() for v in mine)
    span = high - low if high - low > 1e-6 else 1.0
    return low - 0.45 * span, low + span


def _draw(
    panel: Any, surface: Surface, plane: Plane, values: np.ndarray, scale: Scale,
    ends: tuple[float, float],
) -> None:  # fmt: skip
    """The surface, with its shadow of contours on the floor."""
    r, phi = np.meshgrid(surface.radii, surface.angles, indexing="ij")
    x, y = r * np.cos(phi), r * np.sin(phi)
    drawn = panel.plot_surface(
        x, y, values, rstride=1, cstride=1, linewidth=0.12, edgecolor=(0, 0, 0, 0.28),
        antialiased=True, **scale.options,
    )  # fmt: skip
    drawn.set_rasterized(True)
    if np.ptp(values) > 1e-6:
        clipped = np.clip(values, scale.low, scale.high)
        floor = panel.contourf(
            x, y, clipped, levels=scale.levels(25), zdir="z", offset=ends[0], alpha=0.75,
            cmap=scale.colours,
        )  # fmt: skip
        floor.set_rasterized(True)
    panel.set_zlim(*ends)
    panel.set_xlabel(f"u ∥ {plane.x_name} (Å)", labelpad=-8)
    panel.set_ylabel(f"u ∥ {plane.y_name} (Å)", labelpad=-8)
    panel.set_zlabel("meV/f.u.", labelpad=-9)
    panel.tick_params(pad=-4, labelsize=5.5)
    for axis in (panel.xaxis, panel.yaxis, panel.zaxis):
        axis.label.set_size(6.5)
        axis.pane.set_facecolor("white")
        axis.pane.set_edgecolor("#cccccc")
        axis._axinfo["grid"].update(color="#e6e8eb", linewidth=0.5)
        axis.set_major_locator(_ticks())
    panel.view_init(elev=27, azim=-57)
    panel.set_box_aspect((1, 1, 0.78), zoom=0.98)


def _ticks() -> Any:
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415 (slow import)

    return MaxNLocator(5)
