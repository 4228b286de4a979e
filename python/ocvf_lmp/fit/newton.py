r"""The rigid ansatz of maximum entropy (OCVF eq. 5-6), solved by Newton's method.

With ΔH = Σ c_s Ô_s, c = -kT λ, the multipliers λ are those at which <Ô_s> is what the experiment
says. <Ô>(λ) is the gradient of ln Z, its derivative the covariance Cov(Ô_s, Ô_t): a convex problem
with a known Hessian, both averages over frames. Where the observed values carry errors of
covariance Σ, the solution of

    <Ô> - O_exp + Σ λ = 0

is the most probable one under the prior measure (Gull and Daniell 1978; Cesari, Reißer and Bussi
2018): noise is not fitted.

ΔH is linear in c, so the energies of all frames are known at any c: Newton's steps are iterated on
the frames at hand, as far as enough of them still count; then new frames are sampled, since the old
ones have nothing more to say. Once a solution lies within reach of its frames, the solutions of
further epochs differ by the noise of their frames alone: from there on their mean is taken
(Robbins and Monro 1951; Polyak and Juditsky 1992).
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ocvf_lmp.errors import InputError
from ocvf_lmp.fit.descent import Found
from ocvf_lmp.fit.estimators import Frames
from ocvf_lmp.fit.experiment import Experiment
from ocvf_lmp.fit.fluctuations import Fluctuations, Move, averages, longest_step, moved
from ocvf_lmp.fit.site import Site
from ocvf_lmp.fit.targets import PdfTarget
from ocvf_lmp.fit.team import Each
from ocvf_lmp.observables.pdf import envelope
from ocvf_lmp.potential.pair_series import PairSeries
from ocvf_lmp.units import KB

UNKNOWN_ERROR = 0.02
"""Standard error of the points of a PDF without error bars, as a share of its root mean square."""

MAX_STEPS = 20
"""Newton steps on the same frames."""

COEFFICIENTS = "coefficients"


class Newton:
    """Solves for the multipliers of each state; see `fit.descent.Optimiser`.

    Raises:
        InputError: a correction that is not linear, or is shared by several states.
    """

    def __init__(self, experiment: Experiment) -> None:
        self.experiment, self.plan = experiment, experiment.plan
        self.reached: dict[str, int] = {}  # solutions that a state's coefficients are a mean of
        modules = [experiment.corrections[p.name] for p in experiment.states if not p.held_out]
        if len({id(m) for m in modules}) < len(modules) or not all(
            isinstance(m, PairSeries) for m in modules
        ):
            raise InputError(
                "expected one pair series for each state to solve for, found another correction or"
                " one shared by several states; set training.correction: separate"
            )

    def rate(self, epoch: int) -> float:
        """Newton's steps have their own length."""
        del epoch
        return 1.0

    def step(self, epoch: int, found: Sequence[Found], each: Each) -> None:
        """See `Optimiser`."""
        del epoch, each
        for site, estimate, shares in found:
            site.restraint(estimate.norm)
            parts = [share.found for share in shares if isinstance(share, Frames)]
            self.solve(site, parts)
            for run in site.runs:
                run.ensemble = None

    def solve(self, site: Site, parts: Sequence[Fluctuations]) -> None:
        """Moves a state's coefficients as far as its frames can tell."""
        module: PairSeries = site.model.correction  # pyright: ignore
        kt = KB * site.point.params.temperature
        start = module.coefficients.detach().clone()
        here, limit = start, self.plan.min_effective
        for _ in range(MAX_STEPS):
            now = [_at(part, here - start, kt) for part in parts]
            step = newton_step(site, now, here, kt)
            length = longest_step(
                [Move(part, part.slopes[COEFFICIENTS] @ step, kt, limit) for part in now]
            )
            here = here + length * step
            if length < 1.0 or float(step.norm()) < 1e-3 * float(here.norm()):
                break
        name = site.point.name
        number = self.reached.get(name, 0) + 1 if length == 1.0 else 0
        self.reached[name] = number
        with torch.no_grad():
            module.coefficients.copy_(start + (here - start) / max(number, 1))

    def as_dict(self) -> dict[str, Any]:
        """How many solutions the present coefficients are the mean of, by state."""
        return {"reached": dict(self.reached)}

    def restore(self, saved: dict[str, Any]) -> None:
        """See `Optimiser`."""
        self.reached = dict(saved["reached"])


def newton_step(site: Site, parts: Sequence[Fluctuations], here: Tensor, kt: float) -> Tensor:
    """Change of the coefficients that solves the linearised problem, eV.

    Args:
        site: the state.
        parts: frames with the weights that they have at `here`.
        here: the coefficients.
        kt: eV.
    """
    with torch.no_grad():
        residual, noise = misfit(site, averages(parts))
    hessian = torch.stack([_covariance(part) for part in parts]).mean(dim=0)
    multipliers = -here / kt
    matrix = hessian + noise
    # splines that no pair has met: no curvature, and no reason to move
    matrix = matrix + 1e-9 * matrix.diagonal().max() * torch.eye(len(here), dtype=here.dtype)
    change = torch.linalg.solve(matrix, -(residual + noise @ multipliers))
    return -kt * change


def misfit(site: Site, means: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """<Ô> - O_exp for averaged observables, and the covariance of O_exp.

    Both curves pass through the same forward model (termination, resolution), whose ripples then
    cancel: for a term with splines B_s and N atoms,

        <Ô_s> - O_exp = N/2 ∫ B_s(r) [r (G_sim - G_exp) + 4π r² (ρ_sim - ρ_exp)] dr.

    Returns:
        (splines,) and (splines, splines), all terms one after another.
    """
    module: PairSeries = site.model.correction  # pyright: ignore
    residuals, covariances = [], []
    named = [n for n in site.objective.targets if isinstance(n.target, PdfTarget)]
    density = means["density"]
    for entry, term in zip(named, module.terms, strict=True):
        target: PdfTarget = entry.target  # pyright: ignore
        partials = means["pair_density"] / density
        fit = target.simulate(site.objective.models[entry.name], partials, density)
        factor = fit.scale * envelope(target.r, fit.q_damp)
        weight = torch.zeros_like(target.r)
        steps = target.r.diff()
        weight[:-1] += 0.5 * steps
        weight[1:] += 0.5 * steps
        rows = 0.5 * site.objective.n_atoms * (term.splines(target.r) * weight[:, None]).T
        excess = target.r * (fit.g - target.g) / factor
        if target.density:
            excess = excess + 4.0 * math.pi * target.r**2 * (density - target.density)
        residuals.append(rows @ excess)
        error = target.error
        if error is None:
            error = UNKNOWN_ERROR * target.g.square().mean().sqrt().expand(len(target.r))
        spread = rows * (target.r * error / factor)
        covariances.append(spread @ spread.T)
    return torch.cat(residuals), torch.block_diag(*covariances)


def _covariance(part: Fluctuations) -> Tensor:
    """Cov(Ô_s, Ô_t) of a run's frames."""
    slopes, weights = part.slopes[COEFFICIENTS], part.weights
    centred = slopes - weights @ slopes
    factor = 1.0 - float(weights.square().sum())
    return (centred * weights[:, None]).T @ centred / factor


def _at(part: Fluctuations, change: Tensor, kt: float) -> Fluctuations:
    """The same frames after a change of the coefficients, to which energies are linear."""
    return moved(part, part.slopes[COEFFICIENTS] @ change, kt)
