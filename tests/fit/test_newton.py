"""Multipliers by Newton's method, on frames of displaced argon."""

import math
from dataclasses import replace

import pytest
import torch

from ocvf_lmp.errors import InputError
from ocvf_lmp.fit.ensemble import energies_of, ensemble_of
from ocvf_lmp.fit.estimators import Frames
from ocvf_lmp.fit.experiment import Experiment
from ocvf_lmp.fit.fluctuations import averages, fluctuations
from ocvf_lmp.fit.logbook import Logbook
from ocvf_lmp.fit.newton import Newton, _at, misfit, newton_step
from ocvf_lmp.fit.objective import NamedTarget
from ocvf_lmp.fit.plan import StatePoint, TrainingPlan
from ocvf_lmp.fit.site import make_sites
from ocvf_lmp.fit.targets import PdfTarget
from ocvf_lmp.md.parameters import NptParameters
from ocvf_lmp.potential.pair_series import PairSeries, PairTerm
from ocvf_lmp.potential.repulsion import Repulsion
from ocvf_lmp.seeding import normal, stream
from ocvf_lmp.system.structure import Structure
from ocvf_lmp.units import KB

SYMBOLS, EDGE = ("Ar", "Kr"), 3.8
TEMPERATURE = 100.0
KT = KB * TEMPERATURE
PLAN = TrainingPlan(ansatz="cevm", min_effective=0.5)


def crystal(edge=EDGE):
    sites = torch.cartesian_prod(*[torch.arange(3).double()] * 3)
    return Structure(sites * edge, 3 * edge * torch.eye(3).double(),
                     torch.arange(27) % 2, SYMBOLS)  # fmt: skip


def frames(n, seed, width=0.15, edge=EDGE):
    """A crystal whose cell breathes and whose atoms shake."""
    start, generator = crystal(edge), stream(seed, "frames")
    scales = 1.0 + 0.004 * normal((n, 1, 1), generator)
    cells = start.cell * scales
    positions = (start.positions + width * normal((n, 27, 3), generator)) * scales
    return positions, cells


def pdf(g=None, error=None, density=27 / (3 * EDGE) ** 3, r=None):
    r = torch.arange(2.4, 6.2, 0.02, dtype=torch.float64) if r is None else r
    g = torch.ones_like(r) if g is None else g
    return PdfTarget(TEMPERATURE, 1.0, r, g, "neutron", 30.0, error=error, metric="r_w",
                     density=density, scale=0.9, q_damp=0.02)  # fmt: skip


def site(target, tmp_path):
    """A state whose correction has splines inside of the target's range."""
    from ocvf_lmp.observables.scattering import scattering_factors

    powers = scattering_factors(SYMBOLS, torch.zeros(1).double(), "neutron")[:, 0]
    counts = torch.tensor([14.0, 13.0]).double()
    scaled = tuple((powers * 27 / (counts * powers).sum()).tolist())
    module = PairSeries(SYMBOLS, [PairTerm(scaled, 2.6, 6.0, 6)])
    point = StatePoint("100K", crystal(), (3, 3, 3), NptParameters(temperature=TEMPERATURE),
                       [NamedTarget("pdf", target)])  # fmt: skip
    core = Repulsion(SYMBOLS, torch.full((2, 2), 1.2, dtype=torch.float64))
    logbook = Logbook(tmp_path, {}, shared=False)
    experiment = Experiment(core, {"100K": module}, [point], PLAN, logbook)
    return experiment, make_sites(experiment)[0]


def part_of(found, sample):
    correction, species = found.model.correction, found.objective.species
    energies = energies_of(correction, species, *sample)
    ensemble = ensemble_of(*sample, energies, found.objective.observe)
    return fluctuations(correction, species, ensemble, TEMPERATURE)


def simulated(found, part):
    return found.objective.simulated(averages([part]))["pdf"]


def test_the_misfit_is_the_difference_of_the_observables(tmp_path):
    """From the curves, through the forward model, and from the pairs themselves."""
    _, found = site(pdf(), tmp_path)
    truth, own = part_of(found, frames(60, 1, 0.12, 3.83)), part_of(found, frames(60, 2))
    curve, density = simulated(found, truth), float(averages([truth])["density"])
    _, found = site(pdf(curve, density=density), tmp_path)
    residual, _ = misfit(found, averages([own]))
    direct = own.slopes["coefficients"].mean(dim=0) - truth.slopes["coefficients"].mean(dim=0)
    assert float(direct.abs().max()) > 5.0
    assert torch.allclose(residual, direct, atol=0.02 * float(direct.abs().max()))


def test_the_hessian_is_the_derivative_of_the_misfit(tmp_path):
    """-Cov(Ô, Ô)/kT against a finite difference of the reweighted misfit."""
    _, found = site(pdf(), tmp_path)
    part, step = part_of(found, frames(300, 3)), 1e-6
    covariance = torch.cov(part.slopes["coefficients"].T, correction=0)
    for k in (0, 2, 4):
        shift = torch.zeros(6, dtype=torch.float64)
        shift[k] = step
        ends = [misfit(found, averages([_at(part, s * shift, KT)]))[0] for s in (1, -1)]
        slope = (ends[0] - ends[1]) / (2 * step)
        expected = -covariance[k] / KT
        assert torch.allclose(slope, expected, atol=0.03 * float(expected.abs().max()))


def test_weights_follow_the_energies_of_the_new_coefficients(tmp_path):
    _, found = site(pdf(), tmp_path)
    part = part_of(found, frames(40, 4))
    change = 2e-4 * normal((6,), stream(5, "change"))
    moved = _at(part, change, KT)
    exact = torch.softmax(-(part.slopes["coefficients"] @ change) / KT, dim=0)
    assert torch.allclose(moved.weights, exact, rtol=1e-10)
    assert moved.effective < 1.0
    assert torch.allclose(_at(moved, -change, KT).weights, part.weights, rtol=1e-10)


def test_newton_solves_for_a_target_that_frames_can_reach(tmp_path):
    """The target is a reweighting of the same frames: the multipliers that made it are found."""
    _, blank = site(pdf(), tmp_path)
    part = part_of(blank, frames(400, 6))
    wanted = 1.5e-4 * normal((6,), stream(7, "wanted"))
    truth = _at(part, wanted, KT)
    density = float(averages([truth])["density"])
    noiseless = 1e-9 * torch.ones(190, dtype=torch.float64)
    target = pdf(simulated(blank, truth), noiseless, density)
    experiment, found = site(target, tmp_path)
    Newton(experiment).solve(found, [part])
    coefficients = found.model.correction.coefficients.detach()
    assert torch.allclose(coefficients, wanted, atol=0.02 * float(wanted.abs().max()))
    left = misfit(found, averages([_at(part, coefficients, KT)]))[0]
    before = misfit(found, averages([part]))[0]
    assert float(left.norm()) < 0.02 * float(before.norm())


def test_a_step_goes_no_further_than_the_frames_can_tell(tmp_path):
    _, blank = site(pdf(), tmp_path)
    far = part_of(blank, frames(60, 8, 0.06, 3.9))
    target = pdf(simulated(blank, far), density=float(averages([far])["density"]))
    experiment, found = site(target, tmp_path)
    part = part_of(found, frames(100, 9))
    Newton(experiment).solve(found, [part])
    moved = _at(part, found.model.correction.coefficients.detach(), KT)
    assert PLAN.min_effective <= moved.effective < 1.0


def nobody(job, tasks):
    """Does what Newton's steps never ask for."""
    raise AssertionError(job)


def test_frames_are_used_once_and_solutions_within_reach_averaged(tmp_path):
    """What one set of frames has told is told; further sets lower the noise."""
    _, blank = site(pdf(), tmp_path)
    sets = [part_of(blank, frames(200, seed)) for seed in (11, 12)]
    wanted = 1e-4 * normal((6,), stream(13, "wanted"))
    truth = _at(sets[0], wanted, KT)
    target = pdf(simulated(blank, truth), density=float(averages([truth])["density"]))
    experiment, found = site(target, tmp_path)
    module, newton = found.model.correction, Newton(experiment)
    newton.solve(found, [sets[0]])
    first = module.coefficients.detach().clone()
    found.runs[0].ensemble = object()
    again = _at(sets[1], first, KT)  # as if sampled with the first solution
    with torch.no_grad():
        expected = Newton(experiment)
        expected.solve(found, [again])
        second = module.coefficients.detach().clone()
        module.coefficients.copy_(first)
    share = Frames(again, 1.0, 0.0)
    estimate = share.pooled([share], found, replace(PLAN, min_signal=1e9))
    assert not estimate.refusal  # of noise alone: that is what a solution looks like
    newton.step(1, [(found, estimate, [share])], nobody)
    assert found.runs[0].ensemble is None
    assert not torch.allclose(first, second, rtol=1e-3)
    assert torch.allclose(module.coefficients.detach(), 0.5 * (first + second), rtol=1e-10)
    copy = Newton(experiment)
    copy.restore(newton.as_dict())
    assert copy.reached == {"100K": 2}


def test_noise_is_not_fitted(tmp_path):
    """With errors as large as the misfit, the step is smaller."""
    steps = []
    for scale in (1e-6, 10.0):
        _, blank = site(pdf(), tmp_path)
        truth = part_of(blank, frames(60, 1, 0.12, 3.83))
        curve, density = simulated(blank, truth), float(averages([truth])["density"])
        error = scale * torch.ones(190, dtype=torch.float64)
        _, found = site(pdf(curve, error, density), tmp_path)
        part = part_of(found, frames(100, 10))
        here = torch.zeros(6, dtype=torch.float64)
        steps.append(float(newton_step(found, [part], here, KT).norm()))
    assert steps[1] < 0.3 * steps[0]
    assert math.isfinite(steps[0])


def test_one_series_for_each_state(tmp_path):
    experiment, _ = site(pdf(), tmp_path)
    other = replace(experiment.states[0], name="200K")
    shared = experiment.corrections["100K"]
    two = Experiment(
        experiment.prior, {"100K": shared, "200K": shared}, [experiment.states[0], other], PLAN,
        experiment.logbook,
    )  # fmt: skip
    with pytest.raises(InputError, match="correction: separate"):
        Newton(two)
