"""Scale and Q_damp of a measured G(r), and the agreement factor R_w."""

from dataclasses import dataclass

import torch
from jaxtyping import Float

from ocvf_lmp.arrays import Scalar
from ocvf_lmp.errors import InputError
from ocvf_lmp.observables.pdf import PdfModel, envelope

Curve = Float[torch.Tensor, " points"]


@dataclass(frozen=True, slots=True)
class Nuisance:
    """Quantities of the instrument that are fitted beside the structure.

    Attributes:
        scale: factor on G(r).
        q_damp: Å^-1.
        r_w: agreement factor reached with them.
    """

    scale: float
    q_damp: float
    r_w: float


def fit_scale(model: Curve, data: Curve, weights: Curve | None = None) -> Scalar:
    """The factor s that minimises Σ w (data - s·model)²; differentiable in `model`.

    Args:
        model: simulated G(r).
        data: measured G(r) at the same points.
        weights: of the points, for example 1/error²; None: equal ones.

    Raises:
        InputError: the model is zero everywhere.
    """
    w = torch.ones_like(data) if weights is None else weights
    norm = (w * model * model).sum()
    if float(norm.detach()) == 0.0:
        raise InputError(
            "expected a simulated G(r) to scale, found zeros only; check the range of r"
        )
    return (w * model * data).sum() / norm


def r_w(model: Curve, data: Curve, weights: Curve | None = None) -> Scalar:
    """Agreement factor [Σ w (data - model)² / Σ w data²]^½ of PDF refinements."""
    w = torch.ones_like(data) if weights is None else weights
    misfit = (w * (data - model) ** 2).sum() / (w * data * data).sum()
    return torch.sqrt(misfit + torch.finfo(misfit.dtype).tiny)


def fit_nuisance(
    bare: Curve,
    r: Curve,
    data: Curve,
    weights: Curve | None = None,
    *,
    scale: float | None = None,
    q_damp: float | None = None,
    q_damp_range: tuple[float, float] = (0.0, 0.15),
) -> Nuisance:
    """Fit the scale (closed form) and Q_damp (search on successively finer grids).

    Args:
        bare: simulated G(r) before scale and envelope (`PdfModel.bare`); its
            gradients are not followed.
        r: distances, Å.
        data: measured G(r).
        weights: of the points; None: equal ones.
        scale: a fixed value, or None to fit it.
        q_damp: a fixed value in Å^-1, or None to fit it within `q_damp_range`.
        q_damp_range: Å^-1.
    """
    bare = bare.detach()

    def attempt(value: float) -> Nuisance:
        damped = envelope(r, value) * bare
        factor = float(fit_scale(damped, data, weights)) if scale is None else scale
        return Nuisance(factor, value, float(r_w(factor * damped, data, weights)))

    if q_damp is not None:
        return attempt(q_damp)
    low, high = q_damp_range
    best = attempt(low)
    for _ in range(4):
        values = torch.linspace(low, high, 21, dtype=torch.float64).tolist()
        best = min((attempt(v) for v in values), key=lambda found: found.r_w)
        step = (high - low) / 20
        low, high = (
            max(q_damp_range[0], best.q_damp - step),
            min(q_damp_range[1], best.q_damp + step),
        )
    return best


def fitted(
    model: PdfModel,
    partials: torch.Tensor,
    density: Scalar | float,
    data: Curve,
    weights: Curve | None = None,
    *,
    free_scale: bool = True,
    free_q_damp: bool = True,
) -> PdfModel:
    """The model with the scale and Q_damp that fit the data best, where they are free."""
    found = fit_nuisance(
        model.bare(partials, density),
        model.r,
        data,
        weights,
        scale=None if free_scale else model.scale,
        q_damp=None if free_q_damp else model.q_damp,
    )
    return model.with_nuisance(found.scale, found.q_damp)
