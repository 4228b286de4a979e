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
from ocvf_lmp.analysis.phases.transitions import SOUND
from ocvf_lmp.units import KB

THERE_AND_BACK = 4
"""Changes between two phases that a leg must show to tell of their balance: twice there and back.

A single return may be the end of a phase that the crystal had not left yet."""
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
            "not defined: no temperature goes back and forth between the two phases often enough"
            f" ({changes[best]} changes at the most, {THERE_AND_BACK} are needed), so that their"
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
    values = first.differences()
    again = np.array([one.differences() for one in drawn])
    found = np.array([one.crossing(own) for one, own in zip(drawn, again, strict=True)])
    good = np.isfinite(found)
    share = float(good.mean())
    refused, crossing = _refusal(temperatures, values, share), NOTHING
    if refused:
        said = refused
    else:
        crossing = Value(first.crossing(values), float(found[good].std(ddof=1)))
        said = (
            f"equal at {crossing.value:.0f} ± {crossing.error:.0f} K, in {100 * share:.0f} % of the"
            " bootstrap samples"
        )
    said += f"; {sum(changes[j] for j in run)} changes between them at {len(run)} temperatures"
    differences = [_a_cell(*one, legs[0].cells) for one in zip(values, again.T, strict=True)]
    return Balance(branch, pair, temperatures.tolist(), differences, crossing, said, share)


def _refusal(temperatures: np.ndarray, values: np.ndarray, share: float) -> str:
    """Why no temperature is given at which two phases are equal, or "".

    Args:
        temperatures: ascending, K, (temperatures,).
        values: differences of the two, (temperatures,).
        share: of the bootstrap samples in which they are equal once.
    """
    within = f"between {temperatures[0]:g} and {temperatures[-1]:g} K"
    turns = len(_turns(values))
    if np.isfinite(values).sum() < 2:
        return "not known: fewer than two temperatures have independent frames of both phases"
    if turns == 0:
        return f"not equal {within}"
    if turns > 1:
        return (
            f"not known: their difference changes its sign {turns} times {within}, so that no one"
            " temperature is that of the transition; run longer"
        )
    if values[np.isfinite(values)][0] <= 0:
        return f"not known: their difference rises through zero {within}, where it must fall"
    if share < SOUND:
        return (
            f"not safe: equal once {within}, but only in {100 * share:.0f} % of the bootstrap"
            " samples; run longer"
        )
    return ""


def _turns(values: np.ndarray) -> np.ndarray:
    """Places, among the numbers that are known, after which the sign changes."""
    return np.flatnonzero(np.diff(values[np.isfinite(values)] > 0))


def _a_cell(value: float, drawn: np.ndarray, cells: int) -> Value:
    """A difference for a five-atom cell in meV, from that of the crystal and of samples in eV."""
    drawn = drawn[np.isfinite(drawn)]
    error = float(drawn.std(ddof=1)) if len(drawn) > SAMPLES // 2 else np.nan
    return Value(1e3 * float(value) / cells, 1e3 * error / cells)


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

    def differences(self) -> np.ndarray:
        """At the temperatures at hand, eV, (temperatures,)."""
        return np.array([self.difference(t) for t in self.temperatures])

    def crossing(self, values: np.ndarray) -> float:
        """Where the two are equal, K; NaN unless their difference falls through zero just once.

        Args:
            values: the differences, eV, (temperatures,).
        """
        known = np.isfinite(values)
        turns = _turns(values)
        if len(turns) != 1 or values[known][0] <= 0:
            return np.nan
        low, high = self.temperatures[known][turns[0] : turns[0] + 2]
        return float(brentq(self.difference, low, high, xtol=1e-3))  # pyright: ignore
