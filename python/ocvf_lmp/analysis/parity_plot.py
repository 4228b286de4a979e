"""Predicted against reference values of a potential."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

LABELS = {"energy": "energy, eV/atom", "forces": "force, eV/Å", "stress": "stress, GPa"}


def parity_plot(path: Path, values: Mapping[str, tuple[Tensor, Tensor]]) -> None:
    """Draws one panel a quantity.

    Args:
        path: image file.
        values: reference and prediction by the names of `LABELS`.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 (slow import)

    figure = Figure(figsize=(11, 3.6), layout="constrained")
    panels = figure.subplots(1, len(values))
    for panel, (name, (reference, predicted)) in zip(panels, values.items(), strict=True):
        rmse = float((predicted - reference).square().mean().sqrt())
        panel.plot(reference, predicted, ".", markersize=3, alpha=0.5, color="#0072b2")
        ends = [float(reference.min()), float(reference.max())]
        panel.plot(ends, ends, "-", linewidth=0.8, color="black")
        panel.set_xlabel(f"reference {LABELS[name]}")
        panel.set_ylabel(f"predicted {LABELS[name]}")
        panel.set_title(f"held out, RMSE {rmse:.3g}")
    figure.savefig(path, dpi=150)
