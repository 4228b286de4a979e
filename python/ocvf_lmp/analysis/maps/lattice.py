"""The lattice constant of the cubic cell that stands for a state."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ocvf_lmp.analysis.run_files import dig
from ocvf_lmp.analysis.runfolder import RunFolder, RunState
from ocvf_lmp.errors import DataError


def lattice_of(run: RunFolder, state: RunState) -> tuple[float, str]:
    """Edge of the cube with the volume of a formula unit, Å, and where the volume comes from.

    The measured cell of the state's target comes first, then the mean cell of the corrected model,
    of the prior, and the cell that the run began with. Prior and correction are then evaluated in
    the same cell.

    Raises:
        DataError: none is known.
    """
    if state.goal is not None:
        return _edge(state.goal.values), "target"
    for stage, name in ((state.after, "corrected model"), (state.before, "prior")):
        if stage is not None and np.isfinite(stage.lattice).all():
            return _edge(stage.lattice), f"mean cell of the {name}"
    start = initial_lattice(run.config)
    if start is not None:
        return start, "initial cell"
    raise DataError(
        "expected a lattice parameter of the state, measured or as a target, found none; measure it"
    )


def initial_lattice(config: Mapping[str, Any]) -> float | None:
    """Edge of the cube of a formula unit that a training began with, Å; None where it is not said.

    Args:
        config: resolved configuration; a structure in a file has no cell there.
    """
    start = dig(config, "sample", "lattice")
    if not start or dig(config, "sample", "structure"):
        return None
    return _edge((*start, 90.0, 90.0, 90.0))


def _edge(values: "np.ndarray | tuple[float, ...]") -> float:
    """Cube root of the volume from a, b, c (Å), α, β, γ (degrees)."""
    lengths, cosines = np.array(values[:3], float), np.cos(np.radians(np.array(values[3:], float)))
    squared = 1.0 - (cosines**2).sum() + 2.0 * cosines.prod()
    return float((lengths.prod() * np.sqrt(squared)) ** (1.0 / 3.0))
