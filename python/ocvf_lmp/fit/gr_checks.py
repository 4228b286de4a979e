"""Whether two columns can be a G(r) = 4πrρ₀(g - 1) in Å^-2 over r in Å."""

from pathlib import Path

import numpy as np

from ocvf_lmp.errors import DataError


def check_columns(r: np.ndarray, g: np.ndarray, path: Path) -> None:
    """Refuse columns that are not finite or whose first does not increase.

    Raises:
        DataError: NaN or infinity, or r that is negative or does not increase.
    """
    broken = np.flatnonzero(~(np.isfinite(r) & np.isfinite(g)))
    if len(broken):
        raise DataError(
            f"expected finite numbers in {path}, found r = {r[broken[0]]}, G = {g[broken[0]]} in"
            f" data row {broken[0] + 1} ({len(broken)} such rows); reduce the data again or cut"
            " these rows"
        )
    if r[0] < 0 or (np.diff(r) <= 0).any():
        row = int(np.argmax(np.diff(r) <= 0)) + 1 if r[0] >= 0 else 0
        raise DataError(
            f"expected distances r that increase from 0 or above in {path}, found r ="
            f" {r[max(row - 1, 0)]} followed by {r[row]} in data row {row + 1}; sort the rows, or"
            " check the order of the columns (r first) and the decimal points"
        )


def check_convention(r: np.ndarray, g: np.ndarray, path: Path) -> None:
    """Refuse r in nm or pm, g(r), T(r), R(r) and g(r) - 1, by the shape of the curve.

    The signs used: no two atoms are closer than 0.7 Å; G oscillates about zero at large r, where
    g(r) oscillates about 1 and T(r), R(r) grow; below the first peak G falls in proportion to r,
    where g - 1 (and Keen's G) is a negative constant.

    Raises:
        DataError: the curve looks like one of these.
    """
    first = float(r[np.argmax(g > 0.5 * g.max())])
    if r[-1] <= 6.0 and first < 0.7:
        raise DataError(
            f"expected distances in Å in {path}, found a first strong peak at r = {first:.3f} and"
            f" the end at {r[-1]:.3f}, which looks like nm; multiply r by 10 (and G by 0.01)"
        )
    if np.median(np.diff(r)) > 0.4:
        raise DataError(
            f"expected distances in Å with steps well below 0.4 Å in {path}, found steps of"
            f" {np.median(np.diff(r)):.3g}; convert r to Å if it is in pm"
        )
    tail = g[r > r[0] + 0.6 * (r[-1] - r[0])]
    mean, spread = float(tail.mean()), float(tail.std())
    if len(tail) > 20 and mean > max(0.5 * spread, 0.05 * float(np.abs(g).max())):
        name = "g(r), which tends to 1" if abs(mean - 1.0) < 0.3 else "T(r) or R(r), which grow"
        raise DataError(
            f"expected G(r) = 4πrρ₀(g - 1), which oscillates about zero, in {path}, found a mean of"
            f" {mean:.3g} over the last 40 % of the range, as of {name}; convert it to G(r)"
        )
    if _flat_and_negative(r, g):
        low = float(g[(r > 0.2) & (r < 1.0)].mean())
        raise DataError(
            f"expected G(r) = 4πrρ₀(g - 1), which falls in proportion to r below the first peak, in"
            f" {path}, found a constant {low:.3g} there, as of g(r) - 1 or of RMCProfile's"
            " G(r) in barn; multiply g(r) - 1 by 4πrρ₀"
        )


def _flat_and_negative(r: np.ndarray, g: np.ndarray) -> bool:
    low = (r > 0.2) & (r < 1.0)
    if low.sum() < 10:
        return False
    x, y = r[low], g[low]
    constant = y.mean()
    proportional = (x @ y) / (x @ x)
    flat = ((y - constant) ** 2).sum()
    sloped = ((y - proportional * x) ** 2).sum()
    return bool(constant < 0 and flat < 0.25 * sloped and y.std() < 0.3 * abs(constant))
