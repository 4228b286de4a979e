"""Targets: what an experiment says of one state, and how far an ensemble average is from it.

Every loss is that of the *averaged* observable: hand in mean partials and mean density
(`ocvf_lmp.observables.rdf.average`) or mean lattice parameters, never single frames.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float

from ocvf_lmp.arrays import Scalar
from ocvf_lmp.errors import InputError
from ocvf_lmp.fit.metrics import ON_DENSITY, Points, density_of, metric_by_name, positive_shift
from ocvf_lmp.observables.lattice import Parameters, sorted_parameters
from ocvf_lmp.observables.nuisance import fit_nuisance, fit_scale, r_w
from ocvf_lmp.observables.pdf import PdfModel, envelope, pdf_model
from ocvf_lmp.observables.rdf import PartialGrid

Partials = Float[torch.Tensor, "pairs bins"]


@dataclass(frozen=True, slots=True)
class PdfFit:
    """A simulated G(r) at the points of a target, with the instrument's constants.

    Attributes:
        g: simulated G(r) including scale and envelope, Å^-2, (points,); differentiable.
        scale: factor on G(r); carries a gradient where it was fitted.
        q_damp: Å^-1.
    """

    g: Float[torch.Tensor, " points"]
    scale: Scalar
    q_damp: float


@dataclass(frozen=True, slots=True)
class PdfTarget:
    """A G(r) = 4πrρ₀(g - 1) at one temperature and pressure.

    Attributes:
        temperature: K.
        pressure: bar.
        r: distances that are compared, Å, (points,), above 0.
        g: G(r), Å^-2, (points,).
        radiation: "neutron" or "xray".
        q_max: Å^-1; None for a computed neutron G(r) that was not filtered.
        error: standard errors, Å^-2, (points,), or None.
        q_min: Å^-1; 0 where F(Q) was extrapolated to zero.
        q_damp: Å^-1; the value, or where it is free the one to report beside the fit.
        q_broad: Å^-1, PDFgui's.
        scale: factor on the simulated G(r) where it is not free.
        free_scale: fit the scale anew to every simulated curve.
        free_q_damp: fit Q_damp likewise.
        metric: name in `metrics.METRICS`.
        density: atoms per Å^3, needed where the metric compares g(r) (`metrics.ON_DENSITY`).
        shift_negative: let JS and KL lift a total g(r) that is negative at some peaks.
        weight: factor on the loss.
        synthetic: computed, not measured.
        source: where it comes from.
    """

    temperature: float
    pressure: float
    r: Float[torch.Tensor, " points"]
    g: Float[torch.Tensor, " points"]
    radiation: str
    q_max: float | None
    error: Float[torch.Tensor, " points"] | None = None
    q_min: float = 0.0
    q_damp: float = 0.0
    q_broad: float = 0.0
    scale: float = 1.0
    free_scale: bool = False
    free_q_damp: bool = False
    metric: str = "chi2"
    density: float | None = None
    shift_negative: bool = False
    weight: float = 1.0
    synthetic: bool = False
    source: str = ""

    def __post_init__(self) -> None:
        metric_by_name(self.metric)
        if self.metric == "chi2" and self.error is None:
            raise InputError(
                "expected error bars for a PDF target with the metric 'chi2', found none in"
                f" {self.source or 'the data'}; choose the metric 'r_w' or add a column of errors"
            )
        if self.metric in ON_DENSITY and not self.density:
            raise InputError(
                f"expected the number density (atoms/Å^3) of the sample for the metric"
                f" {self.metric!r}, found none; give it (5/64.3 for BaTiO3)"
            )
        if len(self.r) < 10 or float(self.r[0]) <= 0:
            raise InputError(
                f"expected at least 10 distances above 0 Å to compare, found {len(self.r)};"
                " widen the range of r"
            )

    def model(
        self,
        grid: PartialGrid,
        symbols: Sequence[str],
        fractions: Sequence[int | float],
        *,
        keep_smearing: bool = False,
        extra_variance: Sequence[float] | None = None,
        charges: Mapping[str, int] | None = None,
    ) -> PdfModel:
        """The forward model of this experiment; arguments as of `observables.pdf.pdf_model`."""
        return pdf_model(
            grid,
            symbols,
            fractions,
            self.radiation,
            self.r,
            self.q_max,
            q_min=self.q_min,
            q_damp=self.q_damp,
            q_broad=self.q_broad,
            scale=self.scale,
            keep_smearing=keep_smearing,
            extra_variance=extra_variance,
            charges=charges,
        )

    def simulate(self, model: PdfModel, partials: Partials, density: Scalar | float) -> PdfFit:
        """The simulated G(r), with scale and Q_damp fitted where they are free.

        The scale is fitted in closed form and differentiated through; Q_damp is found by a search
        and treated as a constant. At the minimum of the same least squares (`r_w`, `chi2`) that
        leaves the gradient exact, for other metrics it neglects the small response of Q_damp.
        """
        bare = model.bare(partials, density)
        weights = self._least_squares_weights()
        q_damp = self.q_damp
        if self.free_q_damp:
            found = fit_nuisance(
                bare, self.r, self.g, weights, scale=None if self.free_scale else self.scale
            )
            q_damp = found.q_damp
        damped = envelope(self.r, q_damp) * bare
        scale = bare.new_tensor(self.scale)
        if self.free_scale:
            scale = fit_scale(damped, self.g, weights)
        return PdfFit(scale * damped, scale, q_damp)

    def loss(self, model: PdfModel, partials: Partials, density: Scalar | float) -> Scalar:
        """Weight times the metric between simulated and observed curve; differentiable.

        Args:
            model: of `model`.
            partials: mean g_ab on the model's grid.
            density: mean number density, Å^-3.
        """
        fit = self.simulate(model, partials, density)
        metric = metric_by_name(self.metric)
        points = Points(self.r, self.density, self.error)
        if self.metric not in ON_DENSITY:
            return self.weight * metric(fit.g, self.g, points)
        density_observed = self.density or 0.0  # refused in __post_init__ where it is absent
        simulated = density_of(fit.g, self.r, density_observed, fit.scale)
        observed = density_of(self.g, self.r, density_observed, fit.scale)
        shift = positive_shift(observed) if self.shift_negative else 0.0
        points = Points(self.r, self.density, self.error, shift)
        return self.weight * metric(simulated, observed, points)

    def r_w(self, model: PdfModel, partials: Partials, density: Scalar | float) -> float:
        """R_w of the simulated curve, with free scale and Q_damp fitted."""
        fit = self.simulate(model, partials, density)
        return float(r_w(fit.g, self.g, self._least_squares_weights()))

    def _least_squares_weights(self) -> torch.Tensor | None:
        return None if self.error is None else self.error**-2


@dataclass(frozen=True, slots=True)
class PartialsTarget:
    """Partial g_ab(r), as the paper's eq. 9 compares them; known only where data are synthetic.

    Attributes:
        temperature: K.
        pressure: bar.
        grid: distances and pairs.
        partials: g_ab, (pairs, bins).
        metric: name in `metrics.METRICS`; "js" as in the paper.
        density: atoms per Å^3.
        error: standard errors of the partials, (pairs, bins), or None.
        weight: factor on the loss.
        synthetic: computed, not measured.
        source: where it comes from.
    """

    temperature: float
    pressure: float
    grid: PartialGrid
    partials: Partials
    metric: str = "js"
    density: float | None = None
    error: Partials | None = None
    weight: float = 1.0
    synthetic: bool = True
    source: str = ""

    def loss(self, partials: Partials) -> Scalar:
        """Weight times the metric, averaged over the pairs of species; differentiable."""
        points = Points(self.grid.r(partials.dtype), self.density, self.error)
        return self.weight * metric_by_name(self.metric)(partials, self.partials, points)


@dataclass(frozen=True, slots=True)
class LatticeTarget:
    """Lattice parameters of the (pseudocubic) unit cell at one temperature and pressure.

    Attributes:
        temperature: K.
        pressure: bar.
        lengths: a, b, c, Å.
        angles: α, β, γ, degrees.
        length_error: standard error that the misfit is measured in, Å.
        angle_error: likewise, degrees.
        any_axis: compare sorted and folded parameters (`lattice.sorted_parameters`), for samples
            whose domains choose their axes freely.
        weight: factor on the loss.
        source: where the numbers come from.
    """

    temperature: float
    pressure: float
    lengths: tuple[float, float, float]
    angles: tuple[float, float, float] = (90.0, 90.0, 90.0)
    length_error: float = 0.005
    angle_error: float = 0.05
    any_axis: bool = True
    weight: float = 1.0
    source: str = ""

    def __post_init__(self) -> None:
        if (
            not all(2.0 < x < 30.0 for x in self.lengths)
            or min(self.length_error, self.angle_error) <= 0
        ):
            raise InputError(
                "expected lattice lengths in Å (2 to 30) and positive errors, found"
                f" {self.lengths}, errors {self.length_error} Å and {self.angle_error}°;"
                " correct the target (1 nm is 10 Å)"
            )

    def deviations(self, mean: Parameters) -> Parameters:
        """Simulated minus target, Å and degrees, (6,), in the order that is compared."""
        wanted = torch.tensor([*self.lengths, *self.angles], dtype=mean.dtype, device=mean.device)
        if self.any_axis:
            return sorted_parameters(mean) - sorted_parameters(wanted)
        return mean - wanted

    def loss(self, mean: Parameters) -> Scalar:
        """Weight times the mean squared deviation in units of the errors; differentiable.

        Args:
            mean: mean lengths and angles of the unit cell, (6,) (`lattice.mean_parameters`).
        """
        errors = mean.new_tensor([self.length_error] * 3 + [self.angle_error] * 3)
        return self.weight * ((self.deviations(mean) / errors) ** 2).mean()
