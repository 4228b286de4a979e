r"""How a network follows a step that is too long for its slopes.

A step is made in the space of the frames' energies, ΔU = (∂U/∂θ) δ, where averages respond to it by
reweighting. A network follows ΔU only as long as δ is short, and what its parameters do not do
easily asks for a long one: frames of rhombohedral BaTiO3 (1080 atoms, 100 K) vouch for a change of
the cell's shear (correlation of 0.94 on frames that were left out), but one standard deviation of
it takes |δ| = 0.5, where ΔU is off by several kT. So the step is gone in n parts; before each the
slopes are taken anew, and what ΔU is off by is mended (Levenberg and Marquardt):

    minimise  Σ_f w_f [(k/n ΔU_f - (U_f(θ) - U_f(0)) - ∂U_f/∂θ δ) / kT]² + λ |δ|²,

deviations from the mean of each run, for a constant moves no average.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ocvf_lmp.fit.damped import StateFrames
from ocvf_lmp.fit.fluctuations import Slopes, evenly, in_one

FRAMES = 150
"""Of each run that are asked on the way, at most."""

LEAST = 1e-6
"""λ, in units of the largest squared singular value of the slopes; more if a part is too long."""

LONGEST = 0.2
"""|δ| of a part, at most."""


def next_part(
    group: Sequence[StateFrames],
    wanted: Sequence[Sequence[Tensor]],
    now: Mapping[tuple[str, int], Slopes],
) -> Tensor:
    """The next part of a step.

    Args:
        group: the states that the correction serves, as they were before the step.
        wanted: changes of the energies since then of the frames of each state's runs, eV.
        now: energies and slopes where the network is now, of some frames of each run (`evenly`, at
            most `FRAMES`), by the state's name and the run's number.

    Returns:
        Change of all parameters, one after another.
    """
    rows, misses = [], []
    for data, aims in zip(group, wanted, strict=True):
        for part, run, aim in zip(data.parts, data.site.runs, aims, strict=True):
            found = now[data.site.point.name, run.number]
            some = evenly(part.n_frames, FRAMES)
            weights = part.weights[some] / part.weights[some].sum()
            slopes = in_one(found.slopes, data.names)
            miss = aim[some] - (found.energies - part.energies[some])
            scale = weights.sqrt() / data.kt
            rows.append(scale[:, None] * (slopes - weights @ slopes))
            misses.append(scale * (miss - weights @ miss))
    row, miss = torch.cat(rows), torch.cat(misses)
    if not (row.isfinite().all() and miss.isfinite().all()):
        return torch.zeros(row.shape[1], dtype=row.dtype)  # no way on: it is judged where it is
    values, vectors = torch.linalg.eigh(row @ row.T)
    values, along = values.clamp(min=0.0), vectors.T @ miss
    damping = LEAST * max(float(values[-1]), 1e-300)
    step = row.T @ (vectors @ (along / (values + damping)))
    while float(step.norm()) > LONGEST:
        damping *= 2.0
        step = row.T @ (vectors @ (along / (values + damping)))
    return step
