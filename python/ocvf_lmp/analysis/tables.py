"""Tables of a training run as plain rows."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from ocvf_lmp.analysis.runfolder import RunFolder
from ocvf_lmp.observables.lattice import sorted_parameters

SIGNIFICANT = 2.0
"""Standard errors beyond which a change counts as seen."""


@dataclass(frozen=True, slots=True)
class LossRow:
    """Loss of one state before and after training; None where it was not measured.

    Attributes:
        state: name.
        temperature: K.
        before: loss of the prior.
        before_error: standard error.
        after: loss of the corrected model.
        after_error: standard error.
        change: (after - before)/before, %.
        significant: whether the change exceeds `SIGNIFICANT` standard errors.
        r_w: before and after by target.
        synthetic: whether a PDF target is computed, not measured.
    """

    state: str
    temperature: float | None
    before: float | None
    before_error: float | None
    after: float | None
    after_error: float | None
    change: float | None
    significant: bool | None
    r_w: Mapping[str, tuple[float | None, float | None]]
    synthetic: bool


@dataclass(frozen=True, slots=True)
class LatticeRow:
    """Lattice parameters of one state in an order that does not depend on the chosen axis.

    The lengths ascend and every angle stays with the axis that it faces, folded to at most 90°.

    Attributes:
        state: name.
        what: ``before``, ``after`` or ``target``.
        values: a, b, c (Å), α, β, γ (degrees).
        errors: of these; NaN where unknown.
    """

    state: str
    what: str
    values: np.ndarray
    errors: np.ndarray


def loss_table(run: RunFolder) -> list[LossRow]:
    """Loss and R_w of every state, before and after."""
    rows = []
    for state in run.states:
        before, after = state.before, state.after
        change = significant = None
        if before is not None and after is not None and before.loss != 0:
            change = 100.0 * (after.loss - before.loss) / before.loss
            error = np.hypot(before.loss_error, after.loss_error)
            significant = bool(abs(after.loss - before.loss) > SIGNIFICANT * error)
        names = dict.fromkeys([*(before.r_w if before else ()), *(after.r_w if after else ())])
        rows.append(
            LossRow(
                state.name,
                state.temperature,
                before.loss if before else None,
                before.loss_error if before else None,
                after.loss if after else None,
                after.loss_error if after else None,
                change,
                significant,
                {
                    n: (
                        before.r_w.get(n) if before else None,
                        after.r_w.get(n) if after else None,
                    )
                    for n in names
                },
                state.synthetic,
            )
        )
    return rows


def lattice_table(run: RunFolder) -> list[LatticeRow]:
    """Lattice parameters of every state: before, after, target."""
    rows = []
    for state in run.states:
        for stage, found in state.evaluations.items():
            rows.append(_row(state.name, stage, found.lattice, found.lattice_error))
        if state.goal is not None:
            rows.append(
                _row(state.name, "target", np.array(state.goal.values), np.array(state.goal.errors))
            )
    return rows


def thermo_table(run: RunFolder, discard: float = 0.2) -> list[tuple[str, float, float]]:
    """Means and standard errors of the columns of the LAMMPS run.

    Args:
        run: with a log.
        discard: share of the lines at the start that is left out.
    """
    if run.log is None:
        return []
    start = int(discard * len(run.log))
    rows = []
    for name, values in run.log.columns.items():
        if name.lower() not in ("step", "time"):
            rows.append((name, float(values[start:].mean()), block_error(values[start:])))
    return rows


def block_error(values: np.ndarray, n_blocks: int = 5) -> float:
    """Standard error of the mean of a time series from consecutive blocks; NaN if too short."""
    if len(values) < 2 * n_blocks:
        return float("nan")
    means = [block.mean() for block in np.array_split(values, n_blocks)]
    return float(np.std(means, ddof=1) / n_blocks**0.5)


def _row(state: str, what: str, values: np.ndarray, errors: np.ndarray) -> LatticeRow:
    order = np.argsort(values[:3], kind="stable")
    both = np.concatenate([order, 3 + order])
    ordered = sorted_parameters(torch.from_numpy(np.asarray(values, dtype=float))).numpy()
    return LatticeRow(state, what, ordered, np.asarray(errors, dtype=float)[both])
