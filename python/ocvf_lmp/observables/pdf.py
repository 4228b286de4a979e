"""From partial g_ab(r) to the G(r) that a total scattering experiment reports.

The experiment sees the sine transform of 4π r ρ (g_ab - 1), weighted by the scattering powers, up
to a largest momentum transfer; its G(r) is the transform back::

    D_ab(r) = 4π r ρ (g_ab(r) - 1)
    F_ab(Q) = ∫ D_ab(r) sin(Qr) dr
    F(Q)    = Q [S(Q) - 1] = Σ_ab w_ab(Q) B_ab(Q) F_ab(Q)
    G(r)    = scale · exp(-½ Q_damp² r²) · (2/π) ∫_{Q_min}^{Q_max} M(Q) F(Q) sin(Qr) dQ

in the convention of PDFFIT and diffpy, G(r) = 4π r ρ (g - 1) in Å^-2 with slope -4πρ at small r.
Everything is linear in D_ab. The two transforms are kept as factors (Q × r_in and r_out × Q):
applied one after the other they equal one operator per pair, at a fraction of its memory.

What a classical simulation cannot give: the zero-point motion, which broadens the peaks measured
below a few hundred kelvin. `ocvf_lmp.observables.quantum` gives its size in the harmonic
approximation; pass it as ``extra_variance`` to broaden the simulated peaks (off by default).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from scipy.special import roots_legendre

from ocvf_lmp.arrays import Scalar
from ocvf_lmp.errors import InputError
from ocvf_lmp.observables.rdf import PartialGrid
from ocvf_lmp.observables.scattering import faber_ziman_weights, scattering_factors

MARGIN_RIPPLES = 4.0
"""Least distance between the last r of G and the end of the partials, in ripples 2π/Q_max."""

LARGEST_DIVISION = 20.0
"""Largest factor by which the removal of the smearing may multiply F(Q_max)."""


@dataclass(frozen=True, slots=True)
class PdfModel:
    """The linear map from partials and density to G(r); build it with `pdf_model`.

    Attributes:
        grid: distances and pairs of the partials that go in.
        r: distances of the G(r) that comes out, Å, (points,).
        q: nodes of the quadrature in Q, Å^-1, (q,).
        weights: w_ab(Q) times all factors that depend on pair and Q, (pairs, q).
        forward: taper, broadening and sine transform of the input, (q, bins).
        backward: sine transform to the output, (points, q).
        scale: factor on G(r).
        q_damp: resolution envelope, Å^-1.
    """

    grid: PartialGrid
    r: Float[torch.Tensor, " points"]
    q: Float[torch.Tensor, " q"]
    weights: Float[torch.Tensor, "pairs q"]
    forward: Float[torch.Tensor, "q bins"]
    backward: Float[torch.Tensor, "points q"]
    scale: float = 1.0
    q_damp: float = 0.0

    def __call__(
        self, partials: Float[torch.Tensor, "pairs bins"], density: Scalar | float
    ) -> Float[torch.Tensor, " points"]:
        """G(r) in Å^-2, with the model's scale and envelope.

        Args:
            partials: g_ab on `grid`; averages over frames as `rdf.average` makes them.
            density: atoms per Å^3.
        """
        return self.scale * envelope(self.r, self.q_damp) * self.bare(partials, density)

    def bare(
        self, partials: Float[torch.Tensor, "pairs bins"], density: Scalar | float
    ) -> Float[torch.Tensor, " points"]:
        """G(r) in Å^-2 before scale and envelope, from which both can be fitted."""
        return self.backward.to(partials.dtype) @ self.structure_function(partials, density)

    def structure_function(
        self, partials: Float[torch.Tensor, "pairs bins"], density: Scalar | float
    ) -> Float[torch.Tensor, " q"]:
        """F(Q) = Q [S(Q) - 1] in Å^-1 at the nodes `q`, limited in r by the taper of the input.

        Raises:
            InputError: the partials are not on the model's grid.
        """
        if partials.shape != (self.grid.n_pairs, self.grid.n_bins):
            raise InputError(
                f"expected partials of shape ({self.grid.n_pairs}, {self.grid.n_bins}) for this"
                f" model's grid, found {tuple(partials.shape)}; compute them on model.grid"
            )
        r = self.grid.r(partials.dtype, partials.device)
        reduced = 4.0 * math.pi * density * r * (partials - 1.0)
        transformed = reduced @ self.forward.to(partials.dtype).T
        return (self.weights.to(partials.dtype) * transformed).sum(dim=0)

    def with_nuisance(self, scale: float, q_damp: float) -> "PdfModel":
        """The same model with another scale and Q_damp (Å^-1)."""
        return replace(self, scale=scale, q_damp=q_damp)


def pdf_model(
    grid: PartialGrid,
    symbols: Sequence[str],
    fractions: Sequence[int | float],
    radiation: str,
    r: Float[torch.Tensor, " points"],
    q_max: float | None,
    *,
    q_min: float = 0.0,
    q_damp: float = 0.0,
    q_broad: float = 0.0,
    peak_width: float = 0.1,
    scale: float = 1.0,
    lorch: bool = False,
    keep_smearing: bool = False,
    extra_variance: Sequence[float] | None = None,
    charges: Mapping[str, int] | None = None,
) -> PdfModel:
    """Prepare the map from partials to G(r).

    Args:
        grid: of the partials. It must reach beyond the last `r` by `MARGIN_RIPPLES` ripples
            2π/Q_max (`input_reach`): there the partials are tapered smoothly to zero, because a
            sharp end would send ripples of its own into G(r).
        symbols: chemical symbols in the order of the species indices.
        fractions: numbers or fractions of atoms of each species.
        radiation: "neutron" or "xray".
        r: distances of the G(r) that is wanted, Å, (points,); any grid.
        q_max: Å^-1; None (neutrons only) leaves the partials unfiltered and smeared.
        q_min: Å^-1. Data reduction usually extrapolates F(Q) to Q = 0: leave 0 then.
        q_damp: Å^-1, envelope exp(-½ Q_damp² r²).
        q_broad: Å^-1, as PDFgui defines it: a peak of width σ' has its variance enlarged by
            σ'² Q_broad² r². The partials do not hold σ' of each peak, so one typical value is used.
        peak_width: that typical σ', Å.
        scale: factor on G(r).
        lorch: window sin(πQ/Q_max)/(πQ/Q_max), for data that were reduced with it.
        keep_smearing: leave the histogram's Gaussian smearing in, for targets that were computed
            with the same smearing; by default it is divided out in Q.
        extra_variance: additional variance of the distances of each pair, Å², (pairs,): a Gaussian
            broadening, for example by `quantum.pair_variance`.
        charges: of ions for the x-ray form factors, by symbol; neutral atoms by default.

    Raises:
        InputError: the grid ends too early, the smearing is too wide for Q_max, Q_min or the
            distances make no sense, or the radiation is unknown.
    """
    fractions_tensor = torch.tensor(list(fractions), dtype=torch.float64)
    r = r.detach().to(torch.float64)
    _check(grid, symbols, fractions_tensor, radiation, r, q_max, q_min, keep_smearing)
    unfiltered = q_max is None
    limit = math.pi / grid.dr if unfiltered else float(q_max)
    q, dq = _nodes(q_min, limit, grid.r_max + float(r.max()))
    factors = scattering_factors(symbols, q, radiation, charges)
    weights = faber_ziman_weights(factors, fractions_tensor)
    variance = torch.zeros(grid.n_pairs, dtype=torch.float64)
    if extra_variance is not None:
        variance = variance + torch.tensor(list(extra_variance), dtype=torch.float64)
    if not (keep_smearing or unfiltered):
        variance = variance - grid.sigma**2
    weights = weights * torch.exp(-0.5 * variance[:, None] * q * q)
    window = torch.sinc(q / limit) if lorch else torch.ones_like(q)
    inner = grid.r()
    forward = torch.sin(torch.outer(q, inner)) * (grid.dr * _taper(inner, float(r.max()), grid))
    if q_broad > 0:
        forward = forward @ _broadening(inner, grid.dr, q_broad * peak_width)
    backward = (2.0 / math.pi) * torch.sin(torch.outer(r, q)) * (window * dq)
    return PdfModel(grid, r, q, weights, forward, backward, scale, q_damp)


def envelope(r: Float[torch.Tensor, " points"], q_damp: Scalar | float) -> torch.Tensor:
    """exp(-½ Q_damp² r²): the damping by a Q resolution of constant width; r in Å, Q in Å^-1."""
    return torch.exp(-0.5 * (q_damp * r) ** 2)


def input_reach(r_max: float, q_max: float | None) -> float:
    """Distance that partials must reach for a G(r) up to `r_max` and a given Q_max, Å."""
    return r_max + max(1.0, MARGIN_RIPPLES * 2.0 * math.pi / q_max if q_max else 1.0)


def _nodes(q_min: float, q_max: float, length: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Gauss-Legendre nodes and weights that integrate sin(Qr) sin(Qr') with r + r' <= length."""
    count = math.ceil(0.5 * (q_max - q_min) * length) + 40
    x, w = roots_legendre(count)
    half = 0.5 * (q_max - q_min)
    return torch.from_numpy(q_min + half * (x + 1.0)), torch.from_numpy(half * w)


def _taper(r: torch.Tensor, last: float, grid: PartialGrid) -> torch.Tensor:
    """1 up to a third of the margin, then cos² down to zero at the end of the partials."""
    start = last + (grid.r_max - last) / 3.0
    phase = ((r - start) / (grid.r_max - start)).clamp(0.0, 1.0)
    return torch.cos(0.5 * math.pi * phase) ** 2


def _broadening(r: torch.Tensor, dr: float, slope: float) -> torch.Tensor:
    """Convolution by Gaussians of width slope·r', (bins, bins); columns sum to 1."""
    width = (slope * r).clamp(min=1e-3 * dr)
    exponent = -0.5 * ((r[:, None] - r[None, :]) / width[None, :]) ** 2
    kernel = torch.exp(exponent)
    return kernel / kernel.sum(dim=0, keepdim=True)


def _check(
    grid: PartialGrid,
    symbols: Sequence[str],
    fractions: torch.Tensor,
    radiation: str,
    r: torch.Tensor,
    q_max: float | None,
    q_min: float,
    keep_smearing: bool,
) -> None:
    if len(symbols) != grid.n_species or len(fractions) != grid.n_species:
        raise InputError(
            f"expected symbols and fractions of {grid.n_species} species, found {len(symbols)}"
            f" symbols and {len(fractions)} fractions; give one of each per species of the grid"
        )
    if len(r) == 0 or float(r.min()) < 0:
        raise InputError(
            "expected distances r >= 0 for G(r), found an empty or negative grid; correct r"
        )
    if q_max is None:
        if radiation == "xray":
            raise InputError(
                "expected a Q_max for an x-ray G(r), whose weights depend on Q, found none;"
                " give the Q_max of the data"
            )
    elif not 0 <= q_min < q_max <= math.pi / grid.dr:
        raise InputError(
            f"expected 0 <= Q_min < Q_max <= π/dr = {math.pi / grid.dr:.1f} Å^-1, found"
            f" Q_min = {q_min}, Q_max = {q_max}; correct them or refine the grid of the partials"
        )
    elif not keep_smearing and math.exp(0.5 * (grid.sigma * q_max) ** 2) > LARGEST_DIVISION:
        raise InputError(
            f"expected a smearing narrow enough to be divided out up to Q_max = {q_max} Å^-1,"
            f" found sigma = {grid.sigma} Å; use sigma below"
            f" {math.sqrt(2 * math.log(LARGEST_DIVISION)) / q_max:.3f} Å"
        )
    needed = input_reach(float(r.max()), q_max)
    if grid.r_max < needed - 1e-9:
        raise InputError(
            f"expected partials up to at least {needed:.2f} Å for a G(r) up to {float(r.max()):.2f}"
            f" Å, found a grid that ends at {grid.r_max:.2f} Å; raise the grid's r_max (its end is"
            " tapered so that it sends no ripples into G) or shorten the range of r"
        )
