"""Averages of one leg."""

import numpy as np

from ocvf_lmp.analysis.phases.alignment import Aligned
from ocvf_lmp.analysis.phases.classify import PHASES, Labels, binder_ratio
from ocvf_lmp.analysis.phases.results import LegResult, Value
from ocvf_lmp.analysis.phases.series import LegSeries
from ocvf_lmp.analysis.phases.statistics import block_error, block_resamples, inefficiency
from ocvf_lmp.analysis.phases.windows import fluctuations

SAMPLES = 150
"""Frames of a leg whose lattice and polarization are kept for distributions."""


def leg_result(
    leg: LegSeries,
    aligned: Aligned,
    polar: Labels,
    strain: Labels,
    random: np.random.Generator,
    samples: int,
) -> LegResult:
    """What one leg shows.

    Args:
        leg: its series.
        aligned: the same along the axes of its domains.
        polar: phases by polarization.
        strain: phases by the cell.
        random: source of random numbers.
        samples: of the bootstrap of the Binder ratio.
    """
    size = np.linalg.norm(leg.polarization, axis=1)
    chosen = np.linspace(0, len(leg) - 1, min(SAMPLES, len(leg))).astype(int)
    slow = inefficiency(fluctuations(leg.polarization))
    ratio = 2.0 * aligned.lattice[:, 2] / aligned.lattice[:, :2].sum(axis=1)
    return LegResult(
        branch=leg.branch,
        temperature=leg.temperature,
        order=leg.order,
        frames=len(leg),
        skipped=dict(leg.skipped),
        kinetic_temperature=mean_of(leg.kinetic_temperature),
        pressure=mean_of(leg.pressure),
        energy=mean_of(leg.energy / leg.cells),
        volume=mean_of(leg.volume),
        lattice=[mean_of(x) for x in leg.lattice.T],
        aligned=[mean_of(x) for x in aligned.lattice.T],
        deviation=[float(x) for x in aligned.lattice.std(axis=0)],
        ratio=mean_of(ratio),
        difference=_difference(aligned),
        components=[mean_of(x) for x in aligned.polarization.T],
        size=mean_of(size),
        size_deviation=float(size.std()),
        ordered=mean_of(by_window(np.linalg.norm(aligned.means, axis=1), aligned), like=size),
        local=mean_of(leg.local),
        binder=_binder(leg, 2.0 * slow, random, samples),
        by_polarization=polar.fractions.tolist(),
        by_strain=strain.fractions.tolist(),
        polarization_errors=_share_errors(polar),
        strain_errors=_share_errors(strain),
        agreement=float(np.mean(polar.frames == strain.frames)),
        switches=polar.switches,
        correlation=slow * leg.spacing,
        samples=np.round(aligned.lattice[chosen], 5).tolist(),
        polarization_samples=np.round(aligned.polarization[chosen], 5).tolist(),
    )


def mean_of(series: np.ndarray, like: np.ndarray | None = None) -> Value:
    """Mean and its error from blocks.

    Args:
        series: (frames,).
        like: a series whose error it shares, where its own frames do not fluctuate.
    """
    if not len(series):
        return Value(np.nan, np.nan)
    return Value(float(series.mean()), float(block_error(series if like is None else like)))


def by_window(values: np.ndarray, aligned: Aligned) -> np.ndarray:
    """A number of each window given to all its frames."""
    return values[aligned.window]


def _share_errors(labels: Labels) -> list[float]:
    return [float(block_error((labels.frames == k).astype(float))) for k in range(len(PHASES))]


def _difference(aligned: Aligned) -> Value:
    """|a - b| from the means of windows; its error from the frames' a - b."""
    signed = aligned.lattice[:, 0] - aligned.lattice[:, 1]
    count = int(aligned.window.max()) + 1
    sizes = np.bincount(aligned.window, minlength=count)
    means = np.bincount(aligned.window, weights=signed, minlength=count) / sizes
    return Value(float(np.average(np.abs(means), weights=sizes)), float(block_error(signed)))


def _binder(leg: LegSeries, block: float, random: np.random.Generator, samples: int) -> Value:
    drawn = block_resamples(len(leg), round(block), min(samples, 200), random)
    spread = [binder_ratio(leg.polarization[one]) for one in drawn]
    error = float(np.std(spread, ddof=1)) if len(spread) > 1 else np.nan
    return Value(binder_ratio(leg.polarization), error)
