"""Transition temperatures of a branch, with errors.

Phases are ordered R, O, T, C; the share of frames in phases beyond a transition rises from 0 to 1
with temperature. It is made monotonic by isotonic regression weighted with the numbers of frames
(one stray leg cannot make two transitions), and the transition is where the line through it crosses
1/2. A fitted sigmoid would have nothing to fit at the usual spacing of 10 to 25 K, where a leg is
either before or after.

Two errors add in squares: `statistical`, from a moving-block bootstrap of the frames of every leg;
and `resolution`, the distance between the temperatures on either side of the crossing over √12 (a
jump between two neighbours may lie anywhere between them). Frames of a leg that changes phase once
and does not come back count as what they are: the leg's own length enters, and the two branches
bracket the true transition. Half their difference is the hysteresis that no longer run would show.
"""

from collections.abc import Sequence

import numpy as np

from ocvf_lmp.analysis.phases.classify import PHASES, Labels
from ocvf_lmp.analysis.phases.results import Hysteresis, Transition, Value
from ocvf_lmp.analysis.phases.series import LegSeries
from ocvf_lmp.analysis.phases.statistics import block_resamples

NAMES = ("R-O", "O-T", "T-C")
BY = ("polarization", "strain")
"""What tells phases apart."""

NOTHING = Value(np.nan, np.nan)
SOUND = 0.95
"""Share of bootstrap samples below which it is said that the bracket is not safe."""


def crossing(temperatures: np.ndarray, beyond: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Where a share rises through 1/2.

    Args:
        temperatures: ascending, K, (legs,).
        beyond: shares, (legs,).
        weights: frames, (legs,).

    Returns:
        Temperature of the crossing and of the legs on either side, (3,); NaN where there is none.
    """
    rising = isotonic(beyond, weights)
    before = np.flatnonzero(rising < 0.5)
    if len(before) == 0 or len(before) == len(rising):
        return np.full(3, np.nan)
    low = int(before[-1])
    (t0, t1), (f0, f1) = temperatures[low : low + 2], rising[low : low + 2]
    return np.array([t0 + (0.5 - f0) / (f1 - f0) * (t1 - t0), t0, t1])


def isotonic(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The nearest sequence that does not fall (pool adjacent violators)."""
    pools: list[list[float]] = []
    for value, weight in zip(values, weights, strict=True):
        pools.append([float(value), float(weight), 1.0])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            v, w, n = pools.pop()
            last = pools[-1]
            total = last[1] + w
            pools[-1] = [(last[0] * last[1] + v * w) / total, total, last[2] + n]
    return np.concatenate([np.full(int(n), v) for v, _, n in pools])


def branch_transitions(
    legs: Sequence[LegSeries],
    labels: Sequence[Labels],
    by: str,
    window: float,
    samples: int,
    random: np.random.Generator,
) -> list[Transition]:
    """The three transitions of one branch.

    Args:
        legs: of one branch.
        labels: their phases.
        by: what the phases come from.
        window: ps; blocks of the bootstrap are two windows long.
        samples: of the bootstrap.
        random: source of random numbers.
    """
    order = np.argsort([leg.temperature for leg in legs], kind="stable")
    legs, labels = [legs[k] for k in order], [labels[k] for k in order]
    temperatures = np.array([leg.temperature for leg in legs])
    weights = np.array([len(leg) for leg in legs], dtype=float)
    drawn = np.stack(
        [
            _resampled_shares(one.frames, round(2 * window / leg.spacing), samples, random)
            for leg, one in zip(legs, labels, strict=True)
        ]
    )
    seen = np.array([one.fractions for one in labels])
    return [
        _transition(legs[0].branch, k, by, temperatures, weights, seen, drawn) for k in range(3)
    ]


def hysteresis(transitions: Sequence[Transition]) -> list[Hysteresis]:
    """Of the transitions that both heating and cooling bracket."""
    table = {(t.branch, t.name, t.by): t.temperature for t in transitions}
    found = []
    for by in dict.fromkeys(t.by for t in transitions):
        for name in NAMES:
            up, down = (table.get((b, name, by), NOTHING) for b in ("heating", "cooling"))
            if np.isfinite(up.value) and np.isfinite(down.value):
                error = float(np.hypot(up.error, down.error))
                width = Value(up.value - down.value, error)
                found.append(
                    Hysteresis(name, by, width, Value(0.5 * (up.value + down.value), 0.5 * error))
                )
    return found


def _resampled_shares(
    frames: np.ndarray, block: int, samples: int, random: np.random.Generator
) -> np.ndarray:
    """Shares of the phases in bootstrap samples, (samples, 4)."""
    block = max(1, min(block, len(frames) // 4))
    drawn = frames[block_resamples(len(frames), block, samples, random)]
    return np.stack([(drawn == k).mean(axis=1) for k in range(4)], axis=1)


def _transition(
    branch: str,
    k: int,
    by: str,
    temperatures: np.ndarray,
    weights: np.ndarray,
    seen: np.ndarray,
    drawn: np.ndarray,
) -> Transition:
    value, low, high = crossing(temperatures, seen[:, k + 1 :].sum(axis=1), weights)
    if not np.isfinite(value):
        said = _unbracketed(k, temperatures, seen)
        nan = np.nan
        return Transition(branch, NAMES[k], by, NOTHING, nan, nan, nan, nan, said, 0.0)
    again = np.array(
        [crossing(temperatures, one[:, k + 1 :].sum(axis=1), weights)[0]
         for one in np.moveaxis(drawn, 1, 0)]
    )  # fmt: skip
    good = np.isfinite(again)
    statistical = float(again[good].std(ddof=1)) if good.sum() > 1 else 0.0
    resolution = float(high - low) / 12**0.5
    error = float(np.hypot(statistical, resolution))
    share = float(good.mean()) if len(good) else 1.0
    said = f"{value:.0f} ± {error:.0f} K, between {low:g} and {high:g} K"
    colder, warmer = PHASES[k], PHASES[k + 1]
    unseen = [p for p in (colder, warmer) if seen[:, PHASES.index(p)].max() < 0.5]
    if unseen:
        said += f"; no temperature is mostly {' or '.join(unseen)}: the phase is passed over"
    if share < SOUND:
        said += f"; not safe: {100 * (1 - share):.0f} % of the bootstrap samples do not have it"
    return Transition(
        branch, NAMES[k], by, Value(float(value), error), statistical, resolution,
        float(low), float(high), said, share,
    )  # fmt: skip


def _unbracketed(k: int, temperatures: np.ndarray, seen: np.ndarray) -> str:
    """Says on which side of the sweep the transition lies."""
    beyond = float(np.mean(seen[:, k + 1 :].sum(axis=1)))
    if beyond >= 0.5:
        text = f"below {temperatures[0]:g} K"
        inside = PHASES[k + 1]
    else:
        text = f"above {temperatures[-1]:g} K"
        inside = PHASES[k]
    if seen[:, PHASES.index(inside)].max() < 0.5:
        return f"not seen ({inside} does not appear); {text} if at all"
    return text
