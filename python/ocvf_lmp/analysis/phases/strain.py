"""The phase of every window by the shape of its cell.

With e the deviations of ln a, ln b, ln c from their mean and h = cos(angle)/2 the three shears, the
pseudocubic cell of each phase is

- C: e = 0, h = 0;
- T: one length long, h = 0;
- O: one length short, two long, and one shear, between the two long axes (its sign tells which way
  P points); the shear is 0.08 to 0.5 of the difference of lengths (0.15 to 0.2 in BaTiO3);
- R: e = 0, three shears of equal size, the product of which is positive.

Each of them, in each orientation, is fitted to the mean of a window by least squares in units of
the standard error of that mean (from the fluctuations within states and their correlation, but no
less than `LENGTH_FLOOR` and `SHEAR_FLOOR`). The smallest χ² wins, after a penalty of 4 an amplitude
(it must be seen with two standard errors) and 2 ln(orientations): so noise reads C, and a phase
needs as much evidence as it has freedom. The bound on O's shear keeps apart what lengths alone
cannot: O, and a mean over two orientations of T.

The signal of R is small, 0.15° an angle in barium titanate, against fluctuations of about 0.2° in a
cell of 320 atoms: with few independent frames a window, R reads C here, and the comparison with the
polarization says how often.
"""

from collections.abc import Sequence

import numpy as np

from ocvf_lmp.analysis.phases.classify import (
    C,
    Criteria,
    Labels,
    O,
    R,
    T,
    labels_of,
    window_frames,
)
from ocvf_lmp.analysis.phases.series import LegSeries
from ocvf_lmp.analysis.phases.statistics import inefficiency
from ocvf_lmp.analysis.phases.windows import cut, fluctuations

LENGTH_FLOOR = 3.0e-4
"""Smallest error of a relative length: what a fit of a measured cell would claim."""
SHEAR_FLOOR = 1.5e-4
"""Smallest error of a shear: 0.017° in an angle."""
SHEAR_OF_O = (0.08, 0.5)
"""Shear of O against the relative difference of its lengths."""
AMPLITUDE = 4.0
"""Penalty of a free amplitude in units of χ²."""

LONG = (3.0 * np.eye(3) - 1.0) / 6**0.5
"""Unit deviations of the lengths in T with the polar axis along a, b, c, (3, 3)."""
SHEARS = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / 3**0.5
"""Unit shears of R with P along four diagonals of the cell, (4, 3)."""


def strains(lattice: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Deviations of the logarithms of the lengths, and shears.

    Args:
        lattice: a, b, c, α, β, γ (degrees), (frames, 6).

    Returns:
        e, (frames, 3), and h, (frames, 3).
    """
    logarithms = np.log(lattice[:, :3])
    return (
        logarithms - logarithms.mean(axis=1, keepdims=True),
        0.5 * np.cos(np.radians(lattice[:, 3:])),
    )


def by_strain(legs: Sequence[LegSeries], criteria: Criteria, window: float) -> list[Labels]:
    """Phases of all legs of a sweep; arguments as `by_polarization`."""
    found = []
    for leg in legs:
        e, h = strains(leg.lattice)
        joined = np.concatenate([e, 2**0.5 * h], axis=1)  # the norm of the strain tensor
        parts = cut(joined, window_frames(leg, window), criteria.distinct)
        rest = fluctuations(joined, criteria.distinct)
        slow_e, slow_h = inefficiency(rest[:, :3]), inefficiency(rest[:, 3:])
        length = float(np.mean(rest[:, :3] ** 2) * 1.5) ** 0.5  # three deviations, two free
        shear = float(np.mean(rest[:, 3:] ** 2) / 2.0) ** 0.5
        phases = []
        for part in parts:
            n = len(part)
            errors = length * min(1, slow_e / n) ** 0.5, shear * min(1, slow_h / n) ** 0.5
            phases.append(
                phase_of_strain(e[part.frames].mean(axis=0), h[part.frames].mean(axis=0), *errors)
            )
        found.append(labels_of(parts, phases))
    return found


def phase_of_strain(
    lengths: np.ndarray, shears: np.ndarray, length_error: float = 0.0, shear_error: float = 0.0
) -> int:
    """Phase of a mean strain.

    Args:
        lengths: deviations of ln a, ln b, ln c from their mean, (3,).
        shears: half the cosines of α, β, γ, (3,).
        length_error: standard error of one ln a.
        shear_error: of one shear.

    Returns:
        Index into `PHASES`.
    """
    sigma = np.hypot(length_error, LENGTH_FLOOR), np.hypot(shear_error, SHEAR_FLOOR)
    e, h = lengths / sigma[0], shears / sigma[1]
    low, high = np.array(SHEAR_OF_O) * 1.5**0.5 * sigma[0] / sigma[1]
    explained = np.zeros(4)
    explained[T] = np.max(np.maximum(LONG @ e, 0.0) ** 2) - AMPLITUDE - 2 * np.log(3)
    explained[R] = np.max(np.maximum(SHEARS @ h, 0.0) ** 2) - AMPLITUDE - 2 * np.log(4)
    short = -LONG @ e
    best = max(_in_cone(float(short[k]), float(abs(h[k])), low, high) for k in range(3))
    explained[O] = best - 2 * AMPLITUDE - 2 * np.log(6)
    explained[C] = 0.0
    return int(np.argmax(explained))


def _in_cone(x: float, y: float, low: float, high: float) -> float:
    """Squared length of the projection of (x, y) onto the cone low <= y/x <= high, x >= 0."""
    if x > 0 and low <= y / x <= high:
        return x * x + y * y
    rays = [np.array([1.0, slope]) / np.hypot(1.0, slope) for slope in (low, high)]
    return max(max(0.0, float(ray @ (x, y))) ** 2 for ray in rays)
