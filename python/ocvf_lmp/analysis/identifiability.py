"""How far a correction moved what its data say, and what they do not say.

A pair distribution function does not determine a potential. Whatever the correction changes beyond
its targets follows from the form of ΔH_θ and from chance, not from the experiment: it deserves to
be seen. Every observable is compared before and after training, in units of the standard error of
its change.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ocvf_lmp.analysis.curves import Evaluation, PdfCurve
from ocvf_lmp.analysis.runfolder import RunFolder, RunState

UNASKED = 4.0
"""Standard errors beyond which a change that no target asked for deserves to be seen."""

BLOCKS = 5
LENGTHS = ("a", "b", "c")


@dataclass(frozen=True, slots=True)
class Shift:
    """What training did to one observable.

    Attributes:
        state: name.
        observable: in words.
        constrained: whether a target says something of it directly.
        before: mean; None for curves.
        after: mean; None for curves.
        unit: of these and of the change.
        change: of the mean; for a curve, the root mean square over the compared distances.
        error: standard error of the change, likewise.
    """

    state: str
    observable: str
    constrained: bool
    before: float | None
    after: float | None
    unit: str
    change: float
    error: float

    @property
    def errors(self) -> float:
        """Size of the change in standard errors; noise alone gives about 1."""
        return abs(self.change) / self.error if self.error > 0 else float("nan")


def shifts(run: RunFolder) -> list[Shift]:
    """All observables of all states that were measured before and after training."""
    found = []
    for state in run.states:
        if state.before is not None and state.after is not None:
            found += _of_cell(state, state.before, state.after)
            found += _of_curves(state, state.before, state.after)
    return found


def _of_cell(state: RunState, before: Evaluation, after: Evaluation) -> list[Shift]:
    """Volume of the unit cell, and its lengths in ascending order."""
    rows = []
    for k, name in enumerate(("volume", *LENGTHS)):
        values = [_volumes(e.cells) if k == 0 else e.cells[:, k - 1] for e in (before, after)]
        if k > 0:  # the axis that a domain has chosen does not matter
            order = [np.argsort(e.cells[:, :3].mean(axis=0)) for e in (before, after)]
            values = [e.cells[:, o[k - 1]] for e, o in zip((before, after), order, strict=True)]
        (old, old_error), (new, new_error) = (_mean(v) for v in values)
        unit = "Å³" if k == 0 else "Å"
        error = float(np.hypot(old_error, new_error))
        known = state.goal is not None or bool(after.pdfs)  # peaks lie at lattice distances
        rows.append(Shift(state.name, name, known, old, new, unit, new - old, error))
    return rows


def _of_curves(state: RunState, before: Evaluation, after: Evaluation) -> list[Shift]:
    """Total G(r) of the targets, and the partials that they are sums of."""
    rows = []
    old = {pdf.name: pdf for pdf in before.pdfs}
    for pdf in after.pdfs:
        if pdf.name in old:
            change = pdf.simulated - old[pdf.name].simulated
            error = _together(old[pdf.name].simulated_error, pdf.simulated_error)
            rows.append(_curve(state.name, f"G(r), {pdf.label}", True, "Å⁻²", change, error))
    one, two = before.partials, after.partials
    if one is None or two is None or one.g.shape != two.g.shape or not after.pdfs:
        return rows
    seen = _compared(two.r, after.pdfs)
    for k, pair in enumerate(two.pairs):
        error = _together(one.error, two.error)
        own = None if error is None else error[k][seen]
        change = (two.g[k] - one.g[k])[seen]
        rows.append(_curve(state.name, f"g(r), {pair}", len(two.pairs) == 1, "", change, own))
    return rows


def _curve(
    state: str, name: str, known: bool, unit: str, change: np.ndarray, error: np.ndarray | None
) -> Shift:
    spread = float("nan") if error is None else float(np.sqrt(np.mean(error**2)))
    return Shift(state, name, known, None, None, unit, float(np.sqrt(np.mean(change**2))), spread)


def _together(one: np.ndarray | None, two: np.ndarray | None) -> np.ndarray | None:
    return None if one is None or two is None else np.hypot(one, two)


def _compared(r: np.ndarray, pdfs: Sequence[PdfCurve]) -> np.ndarray:
    """Which distances some target covers."""
    return np.any([(r >= pdf.r[0]) & (r <= pdf.r[-1]) for pdf in pdfs], axis=0)


def _volumes(cells: np.ndarray) -> np.ndarray:
    """Volumes of unit cells of given lengths and angles (degrees)."""
    cosines = np.cos(np.radians(cells[:, 3:]))
    inner = 1.0 - (cosines**2).sum(axis=1) + 2.0 * cosines.prod(axis=1)
    return cells[:, :3].prod(axis=1) * np.sqrt(inner)


def _mean(values: np.ndarray) -> tuple[float, float]:
    """Mean and its standard error from consecutive blocks."""
    blocks = np.array([part.mean() for part in np.array_split(values, BLOCKS)])
    return float(values.mean()), float(blocks.std(ddof=1) / BLOCKS**0.5)
