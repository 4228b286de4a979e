"""Which of two phases has the lower free energy, and where the two are equal."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import brentq

from ocvf_lmp.analysis.phases.classify import PHASES, Labels
from ocvf_lmp.analysis.phases.free_energy import (
    enthalpy,
    independent,
    log_weights,
    mbar,
)
from ocvf_lmp.analysis.phases.results import Balance, FreeStep, Value
from ocvf_lmp.analysis.phases.series import LegSeries
from ocvf_lmp.analysis.phases.statistics import block_resamples, inefficiency
from ocvf_lmp.units import KB

THERE_AND_BACK = 2
"""Changes between two phases that a leg must show to tell of their balance."""
SAMPLES = 50
"""Of the bootstrap; each solves the equations again."""
NOTHING = Value(np.nan, np.nan)


def balances(
    legs: Sequence[LegSeries],
    labels: Sequence[Labels],
    steps: Sequence[FreeStep],
    pressure: float,
    random: np.random.Generator,
) -> list[Balance]:
    """Of the three pairs of neighbouring phases in one branch.

    Args:
        legs: of one branch.
        labels: their phases.
        steps: differences of neighbouring temperatures, which say what may be joined.
        pressure: of the barostat, bar.
        random: source of random numbers.
    """
    order = np.argsort([leg.temperature for leg in legs], kind="stable")
    legs, labels = [legs[k] for k in order], [labels[k] for k in order]
    joined = _joined(len(legs), steps)
    return [_balance(k, legs, labels, joined, pressure, random) for k in range(3)]


def _joined(count: int, steps: Sequence[FreeStep]) -> list[list[int]]:
    """Runs of neighbouring legs between which no difference was refused."""
    runs = [[0]] if count else []
    for k, step in enumerate(steps, start=1):
        if step.refused:
            runs.append([k])
        else:
            runs[-1].append(k)
    return runs


def _changes(labels: Labels, k: int) -> int:
    """How often a leg goes from phase k to k + 1 or back."""
    mine = [p for p in labels.phases if p in (k, k + 1)]
    return int(np.count_nonzero(np.diff(mine)))


def _balance(
    k: int,
    legs: Sequence[LegSeries],
    labels: Sequence[Labels],
    joined: Sequence[Sequence[int]],
    pressure: float,
    random: np.random.Generator,
) -> Balance:
    pair, branch = f"{PHASES[k]}-{PHASES[k + 1]}", legs[0].branch
    changes = [_changes(one, k) for one in labels]
    best = int(np.argmax(changes))
    if changes[best] < THERE_AND_BACK:
        said = (
            "not defined: no temperature goes back and forth between the two phases, so that their"
            " free energies are not connected; run longer, or a smaller cell, near the transition"
        )
        return Balance(branch, pair, [], [], NOTHING, said)
    run = next(run for run in joined if best in run)
    temperatures = np.array([legs[j].temperature for j in run])
    chosen = [independent(legs[j], pressure) for j in run]
    zero = float(enthalpy(legs[run[0]], pressure).mean())  # drops out of a difference at one T
    energies = [enthalpy(legs[j], pressure)[c] - zero for j, c in zip(run, chosen, strict=True)]
    phases = [labels[j].frames[c] for j, c in zip(run, chosen, strict=True)]
    first = _Weighed(energies, phases, temperatures, k)
    drawn = [first.again(random) for _ in range(SAMPLES)]
    differences = []
    for t in temperatures:
        spread = np.array([one.difference(t) for one in drawn])
        spread = spread[np.isfinite(spread)]
        error = float(spread.std(ddof=1)) if len(spread) > SAMPLES // 2 else np.nan
        cells = legs[0].cells
        differences.append(Value(1e3 * first.difference(t) / cells, 1e3 * error / cells))
    found = np.array([one.crossing() for one in drawn])
    good = np.isfinite(found)
    value = first.crossing()
    error = float(found[good].std(ddof=1)) if good.sum() > SAMPLES // 2 else np.nan
    told = f"{sum(changes[j] for j in run)} changes between them at {len(run)} temperatures"
    if np.isfinite(value):
        said = f"equal at {value:.0f} ± {error:.0f} K; {told}"
    else:
        said = f"not equal between {temperatures[0]:g} and {temperatures[-1]:g} K; {told}"
    return Balance(
        branch, pair, temperatures.tolist(), differences, Value(value, error), said
    )  # fmt: skip


class _Weighed:
    """Frames of several temperatures with the free energies that join them."""

    def __init__(
        self,
        energies: Sequence[np.ndarray],
        phases: Sequence[np.ndarray],
        temperatures: np.ndarray,
        k: int,
        initial: np.ndarray | None = None,
    ) -> None:
        self.energies, self.phases, self.temperatures, self.k = energies, phases, temperatures, k
        self.free = np.zeros(1)
        if len(temperatures) > 1:
            self.free = np.asarray(mbar(energies, temperatures, initial).f_k)
        self.pooled = np.concatenate(phases)

    def again(self, random: np.random.Generator) -> "_Weighed":
        """A bootstrap sample; blocks are as long as a phase lasts."""
        picked = []
        for own in self.phases:
            block = round(2 * inefficiency((own > self.k).astype(float)))
            picked.append(
                block_resamples(len(own), min(block, max(1, len(own) // 4)), 1, random)[0]
            )
        return _Weighed(
            [x[p] for x, p in zip(self.energies, picked, strict=True)],
            [x[p] for x, p in zip(self.phases, picked, strict=True)],
            self.temperatures, self.k, self.free,
        )  # fmt: skip

    def difference(self, t: float) -> float:
        """G of the warmer less that of the colder phase, of the whole crystal, eV."""
        weights = np.exp(log_weights(self.energies, self.temperatures, self.free, t))
        cold, warm = (float(weights[self.pooled == p].sum()) for p in (self.k, self.k + 1))
        return -KB * t * float(np.log(warm / cold)) if cold > 0 and warm > 0 else np.nan

    def crossing(self) -> float:
        """Where the two are equal, K; NaN beyond the temperatures at hand."""
        values = np.array([self.difference(t) for t in self.temperatures])
        for j in range(len(values) - 1):
            if values[j] > 0 >= values[j + 1]:
                low, high = self.temperatures[j : j + 2]
                return float(brentq(self.difference, low, high, xtol=1e-3))  # pyright: ignore
        return np.nan
