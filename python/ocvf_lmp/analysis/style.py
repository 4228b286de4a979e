"""The look of all figures: colours that colour-blind readers tell apart, units on every axis."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BEFORE, AFTER, TARGET, REFERENCE = "#d55e00", "#0072b2", "#222222", "#009e73"
AXES_COLOURS = ("#0072b2", "#009e73", "#d55e00")
"""For a, b, c and α, β, γ."""

WIDTH = 7.2
"""Inches: two columns of a journal."""

_RC: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.titleweight": "bold",
    "axes.labelsize": 8,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e8eb",
    "grid.linewidth": 0.6,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "lines.linewidth": 1.2,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.hashsalt": "ocvf-lmp",
    "pdf.fonttype": 42,
}


@contextmanager
def style() -> Iterator[None]:
    """Applies the look within a ``with`` block, without touching the caller's settings."""
    import matplotlib as mpl  # noqa: PLC0415 (slow import)

    with mpl.rc_context(_RC):
        yield


def new_figure(height: float, width: float = WIDTH) -> "Figure":
    """An empty figure, drawn without a display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 (slow import)
    from matplotlib.figure import Figure  # noqa: PLC0415 (slow import)

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def state_colours(n: int) -> list[tuple[float, float, float, float]]:
    """Colours from cold to warm states."""
    from matplotlib import colormaps  # noqa: PLC0415 (slow import)

    table = colormaps["viridis"](np.linspace(0.05, 0.82, max(n, 1)))
    return [(float(r), float(g), float(b), 1.0) for r, g, b, _ in table]


def save(figure: "Figure", stem: Path) -> list[Path]:
    """Writes a figure as PNG (300 dpi), SVG and PDF beside each other."""
    paths = []
    with style():
        for suffix in ("png", "svg", "pdf"):
            paths.append(stem.with_name(f"{stem.name}.{suffix}"))
            dateless = {"Date": None} if suffix == "svg" else None
            figure.savefig(paths[-1], dpi=300, metadata=dateless)
    return paths


def note(panel: "Axes", text: str, place: tuple[float, float] = (0.98, 0.96)) -> None:
    """A remark in a corner of a panel, in fractions of its size."""
    panel.text(
        *place,
        text,
        transform=panel.transAxes,
        ha="right" if place[0] > 0.5 else "left",
        va="top" if place[1] > 0.5 else "bottom",
        fontsize=7,
        color="#444444",
        bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1.5},
    )


def broken_line(time: np.ndarray, *values: np.ndarray) -> tuple[np.ndarray, ...]:
    """Series with a NaN wherever time jumps, so that no line is drawn across a gap."""
    if len(time) < 3:
        return (time, *values)
    steps = np.diff(time)
    jumps = np.flatnonzero(steps > 4.0 * np.median(steps)) + 1
    return tuple(np.insert(np.asarray(x, dtype=float), jumps, np.nan) for x in (time, *values))


def label_panels(panels: Sequence["Axes"]) -> None:
    """Letters (a), (b), ... before the titles."""
    for letter, panel in zip("abcdefghijklmnopqrstuvwxyz", panels, strict=False):
        panel.set_title(f"({letter}) {panel.get_title(loc='left')}", loc="left")
