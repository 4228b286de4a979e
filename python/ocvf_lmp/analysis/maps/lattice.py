"""The lattice constant of the cubic cell that stands for a state."""

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
    start = dig(run.config, "sample", "lattice")
    if start and not dig(run.config, "sample", "structure"):
        return _edge((*start, 90.0, 90.0, 90.0)), "initial cell"
    raise DataError(
        "expected a lattice parameter of the state, measured or as a target, found none; measure it"
    )


def _edge(values: "np.ndarray | tuple[float, ...]") -> float:
    """Cube root of the volume from a, b, c (Å), α, β, γ (degrees)."""
    lengths, cosines = np.array(values[:3], float), np.cos(np.radians(np.array(values[3:], float)))
    squared = 1.0 - (cosines**2).sum() + 2.0 * cosines.prod()
    return float((lengths.prod() * np.sqrt(squared)) ** (1.0 / 3.0))
