"""Measures D_s of the distance between a simulated and an observed curve (paper, section III B).

Every metric has the signature ``metric(simulated, observed, points) -> scalar``; curves have the
shape (..., points), and further axes (pairs of species, states) are averaged.

Jensen-Shannon and Kullback-Leibler compare *densities*: g(r), or for G(r) = 4πrρ₀(g - 1) the g(r)
of `density_of`. Three things can make g(r) not positive, and each is treated where it arises:

- g = 0 before the first peak: `positive` replaces g by a smooth positive function that differs from
  it by at most `FLOOR`, in both curves, so that logarithms and their gradients stay finite; where
  both curves are zero the contribution and its gradient vanish.
- Ripples of the termination at Q_max and noise dip a little below zero: the same function clamps
  them, and loses the weight that lies below zero.
- Totals with a negative scattering length (Ti with neutrons) are truly negative at some peaks
  (Ti-O). Then the clamp would erase peaks; when the observed curve has more than `MAX_LOST` of its
  weight below zero the metric refuses. Sound ways on: compare partials where they are known; give
  ``Points.shift`` (see `positive_shift`), which adds a constant to both curves, keeps the
  divergence non-negative, symmetric and zero only for equal curves, but makes it blunter than the
  paper's; or take `density_weighted`, `chi_squared` or `r_w`, which do not care about signs.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float

from ocvf_lmp.arrays import Scalar
from ocvf_lmp.errors import InputError
from ocvf_lmp.observables import nuisance

Curve = Float[torch.Tensor, "*batch points"]

FLOOR = 1e-3
"""Softness of the guard against non-positive densities, in units of g."""

MAX_LOST = 0.02
"""Largest part of the observed weight Σ r²|g| that may lie below zero in JS and KL."""


@dataclass(frozen=True, slots=True)
class Points:
    """Where two curves are compared.

    Attributes:
        r: distances, Å, (points,), increasing.
        density: atoms per Å^3, for the metrics that weigh by it.
        error: standard errors of the observed curve, in its unit; None if unknown.
        shift: constant that JS and KL add to both densities.
    """

    r: Float[torch.Tensor, " points"]
    density: float | None = None
    error: Curve | None = None
    shift: float = 0.0

    def widths(self) -> torch.Tensor:
        """Δr that each point stands for, Å, (points,)."""
        return torch.gradient(self.r)[0]


Metric = Callable[[Curve, Curve, Points], Scalar]


def density_of(
    big_g: Curve, r: Float[torch.Tensor, " points"], density: float, scale: Scalar | float = 1.0
) -> Curve:
    """g(r) = 1 + G/(4πrρ₀·scale) of a G(r) in Å^-2 with r > 0."""
    return 1.0 + big_g / (4.0 * math.pi * density * scale * r)


def positive(g: Curve, floor: float = FLOOR) -> Curve:
    """½ (g + √(g² + 4 floor²)): smooth, positive, g + floor²/g for large g, never flat."""
    return 0.5 * (g + torch.sqrt(g * g + 4.0 * floor * floor))


def lost_weight(g: Curve, r: Float[torch.Tensor, " points"]) -> float:
    """Part of Σ r²|g| that lies below zero, 0 to 1."""
    weighted = r * r * g.detach()
    return float((-weighted).clamp(min=0.0).sum() / weighted.abs().sum().clamp(min=1e-300))


def positive_shift(observed: Curve) -> float:
    """A constant that lifts an observed density above zero with a tenth of its depth to spare."""
    return max(0.0, -1.1 * float(observed.detach().min()))


def jensen_shannon(simulated: Curve, observed: Curve, points: Points) -> Scalar:
    """L_JS = Σ Δr [g_obs ln(g_obs/g_m) + g_sim ln(g_sim/g_m)], g_m the mean (paper eq. 9, 10).

    The densities are not normalised; every term is non-negative all the same, and zero only where
    they agree. Δr, absent from eq. 9, makes the value (in Å) independent of the grid.

    Args:
        simulated: g(r).
        observed: g(r).
        points: distances; `error` is not used.

    Raises:
        InputError: much of the observed density is negative (see the module's text).
    """
    p, q = _densities(simulated, observed, points)
    mean = 0.5 * (p + q)
    return _total(p * torch.log(p / mean) + q * torch.log(q / mean), points)


def kullback_leibler(simulated: Curve, observed: Curve, points: Points) -> Scalar:
    """D_KL = Σ Δr [g_obs ln(g_obs/g_sim) - g_obs + g_sim] (paper eq. 8).

    The last two terms cancel for densities of the same norm; they keep the divergence non-negative
    for others. The guard of `positive` bounds it where the simulation has no pairs at all, but it
    stays steep there: prefer `jensen_shannon`.

    Args:
        simulated: g(r).
        observed: g(r).
        points: distances; `error` is not used.

    Raises:
        InputError: much of the observed density is negative (see the module's text).
    """
    q, p = _densities(simulated, observed, points)
    return _total(p * torch.log(p / q) - p + q, points)


def density_weighted(simulated: Curve, observed: Curve, points: Points) -> Scalar:
    """D = Σ 4πρ₀r² (g_sim - g_obs)² Δr (paper eq. 11); for G(r) it equals Σ (ΔG)²/(4πρ₀) Δr.

    Args:
        simulated: g(r).
        observed: g(r).
        points: distances and density.

    Raises:
        InputError: no density is given.
    """
    if points.density is None:
        raise InputError(
            "expected the number density in atoms/Å^3 for the density-weighted metric, found none;"
            " give it (5/64.3 for BaTiO3)"
        )
    weight = 4.0 * math.pi * points.density * points.r**2
    return _total(weight * (simulated - observed) ** 2, points)


def chi_squared(simulated: Curve, observed: Curve, points: Points) -> Scalar:
    """Mean of [(simulated - observed)/error]² over the points: 1 for a fit within the errors.

    Args:
        simulated: any curve.
        observed: the same.
        points: with positive `error`.

    Raises:
        InputError: errors are absent or not positive.
    """
    if points.error is None or bool((points.error <= 0).any()):
        raise InputError(
            "expected a positive standard error for every point to form χ², found none or zeros;"
            " use data with errors, or the metric r_w"
        )
    return (((simulated - observed) / points.error) ** 2).mean()


def r_w(simulated: Curve, observed: Curve, points: Points) -> Scalar:
    """R_w = [Σ w (simulated - observed)²/Σ w observed²]^½ with w = 1/error², or 1 without errors.

    Args:
        simulated: any curve.
        observed: the same.
        points: `error` is used if it is there.
    """
    weights = None if points.error is None else points.error**-2
    return nuisance.r_w(simulated, observed, weights)


METRICS: dict[str, Metric] = {
    "js": jensen_shannon,
    "kl": kullback_leibler,
    "density": density_weighted,
    "chi2": chi_squared,
    "r_w": r_w,
}
"""Metrics by the names that a configuration uses."""

ON_DENSITY = frozenset({"js", "kl", "density"})
"""Those that compare g(r); the others take G(r) as it is."""


def metric_by_name(name: str) -> Metric:
    """The metric of a name in `METRICS`.

    Raises:
        InputError: there is none.
    """
    if name not in METRICS:
        raise InputError(
            f"expected a metric among {', '.join(METRICS)}, found {name!r}; correct its name"
        )
    return METRICS[name]


def _densities(
    simulated: Curve, observed: Curve, points: Points
) -> tuple[torch.Tensor, torch.Tensor]:
    simulated, observed = simulated + points.shift, observed + points.shift
    lost = lost_weight(observed, points.r)
    if lost > MAX_LOST:
        raise InputError(
            f"expected an observed g(r) that is positive but for ripples, found {100 * lost:.1f} %"
            " of its weight below zero, as negative scattering lengths (Ti with neutrons) or a"
            " range that starts in the noise at small r produce; compare partials, allow a shift,"
            " raise r_min, or use the metric 'density', 'chi2' or 'r_w'"
        )
    return positive(simulated), positive(observed)


def _total(values: torch.Tensor, points: Points) -> Scalar:
    """Integral over r, averaged over all other axes."""
    return (values * points.widths()).sum(dim=-1).mean()
