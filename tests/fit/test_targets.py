from dataclasses import replace

import pytest
import torch
from observables.crystals import harmonic_partials, nickel, tetragonal_bto

from ocvf_lmp.errors import DataError, InputError
from ocvf_lmp.fit.gr_file import GrFile, write_gr
from ocvf_lmp.fit.load_targets import load_pdf_target
from ocvf_lmp.fit.targets import LatticeTarget, PartialsTarget, PdfTarget
from ocvf_lmp.observables.pdf import input_reach, pdf_model
from ocvf_lmp.observables.rdf import PartialGrid, number_density, partials
from ocvf_lmp.observables.scattering import faber_ziman_weights, scattering_factors

F64 = torch.float64
BTO, COUNTS = ("Ba", "Ti", "O"), (1, 1, 3)
R = torch.linspace(1.6, 6.0, 221, dtype=F64)
GRID = PartialGrid(3, 8.0)
S = tetragonal_bto()
DENSITY = float(number_density(S.cell, 5))
SHARP = harmonic_partials(S, GRID, [0.005, 0.006, 0.008])
BROAD = harmonic_partials(S, GRID, [0.006, 0.009, 0.010])


def target(radiation: str = "neutron", scale: float = 1.0, q_damp: float = 0.0, **options):
    model = pdf_model(GRID, BTO, COUNTS, radiation, R, 26.0, scale=scale, q_damp=q_damp)
    g = model(SHARP, DENSITY)
    error = torch.full_like(g, 0.05)
    return PdfTarget(300.0, 1.0, R, g, radiation, 26.0, error=error, **options)


METRICS = [
    {"metric": "chi2"},
    {"metric": "r_w"},
    {"metric": "density", "density": DENSITY},
    {"metric": "js", "density": DENSITY, "shift_negative": True},
    {"metric": "kl", "density": DENSITY, "shift_negative": True},
]


@pytest.mark.parametrize("options", METRICS)
def test_loss_vanishes_at_the_truth_and_its_gradient_equals_central_differences(options):
    t = target(**options)
    model = t.model(GRID, BTO, COUNTS)
    assert float(t.loss(model, SHARP, DENSITY)) == pytest.approx(0.0, abs=1e-12)
    table = BROAD.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(t.loss(model, table, DENSITY), table)
    direction = SHARP - BROAD
    h = 1e-5
    ends = [float(t.loss(model, BROAD + s * h * direction, DENSITY)) for s in (1, -1)]
    slope = float((gradient * direction).sum())
    assert slope < 0
    assert slope == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-5)


@pytest.mark.parametrize("options", METRICS[:4])
def test_free_scale_and_damping_are_no_misfit_and_their_gradient_is_right(options):
    t = target(scale=0.164, q_damp=0.05, free_scale=True, free_q_damp=True, **options)
    model = t.model(GRID, BTO, COUNTS)
    assert t.r_w(model, SHARP, DENSITY) < 1e-3
    found = t.simulate(model, SHARP, DENSITY)
    assert float(found.scale) == pytest.approx(0.164, rel=1e-3)
    assert found.q_damp == pytest.approx(0.05, abs=1e-4)
    table = BROAD.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(t.loss(model, table, DENSITY), table)
    direction = SHARP - BROAD
    h = 1e-3
    ends = [float(t.loss(model, BROAD + s * h * direction, DENSITY)) for s in (1, -1)]
    slope, numeric = float((gradient * direction).sum()), (ends[0] - ends[1]) / (2 * h)
    exact = options["metric"] in ("chi2", "r_w")  # elsewhere the response of Q_damp is left out
    assert slope == pytest.approx(numeric, rel=0.02 if exact else 0.25)


def test_weight_multiplies_the_loss():
    model = target().model(GRID, BTO, COUNTS)
    one = float(target().loss(model, BROAD, DENSITY))
    assert float(target(weight=2.5).loss(model, BROAD, DENSITY)) == pytest.approx(2.5 * one)


def test_jensen_shannon_of_a_neutron_total_that_is_negative_is_refused():
    t = target(metric="js", density=DENSITY)
    with pytest.raises(InputError, match="allow a shift"):
        t.loss(t.model(GRID, BTO, COUNTS), BROAD, DENSITY)


def test_jensen_shannon_of_an_xray_total_needs_no_shift():
    t = target("xray", metric="js", density=DENSITY)
    assert float(t.loss(t.model(GRID, BTO, COUNTS), BROAD, DENSITY)) > 0


def test_partials_are_compared_pair_by_pair():
    t = PartialsTarget(300.0, 1.0, GRID, SHARP)
    assert float(t.loss(SHARP)) == pytest.approx(0.0, abs=1e-12)
    table = BROAD.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(t.loss(table), table)
    assert float((gradient * (SHARP - BROAD)).sum()) < 0


def test_lattice_loss_counts_deviations_in_errors_whatever_the_domain():
    t = LatticeTarget(300.0, 1.0, (3.994, 3.994, 4.034), length_error=0.01, angle_error=0.1)
    along_x = torch.tensor([4.044, 3.994, 3.994, 90, 90, 90], dtype=F64, requires_grad=True)
    loss = t.loss(along_x)
    assert float(loss.detach()) == pytest.approx(1 / 6)
    (gradient,) = torch.autograd.grad(loss, along_x)
    torch.testing.assert_close(gradient[0], torch.tensor(2 / 6 / 0.01, dtype=F64))
    fixed = LatticeTarget(300.0, 1.0, (3.994, 3.994, 4.034), any_axis=False)
    assert float(fixed.loss(along_x.detach())) > 10


def stored(path, **fields):
    g = target().g
    values = {"radiation": "neutron", "q_max": 26.0, "temperature": 300.0, "synthetic": True}
    write_gr(path, GrFile(R, g, **{**values, "error": torch.full_like(g, 0.05), **fields}))
    return path


def test_a_synthetic_file_needs_nothing_but_its_path(tmp_path):
    t = load_pdf_target(stored(tmp_path / "a.gr", density=DENSITY), r_range=(2.0, 6.0))
    assert (t.temperature, t.radiation, t.q_max, t.metric) == (300.0, "neutron", 26.0, "chi2")
    assert t.synthetic
    assert (t.free_scale, t.free_q_damp) == (False, False)
    assert float(t.r[0]) == pytest.approx(2.0)
    assert t.density == pytest.approx(DENSITY)


def test_a_stretched_file_is_that_of_the_stretched_crystal(tmp_path):
    factor = 0.97
    path = stored(tmp_path / "a.gr", density=DENSITY, q_damp=0.02)
    t = load_pdf_target(path, r_range=(1.6, 5.8), stretch=factor)
    assert t.q_max == pytest.approx(26.0 / factor)
    assert t.density == pytest.approx(DENSITY / factor**3)
    assert float(t.r[-1]) <= 5.8
    small = replace(S, positions=factor * S.positions, cell=factor * S.cell)
    sharp = harmonic_partials(small, GRID, [u * factor**2 for u in (0.005, 0.006, 0.008)])
    as_stored = replace(t, q_damp=0.0)  # `stored` says 0.02, but did not damp
    model = as_stored.model(GRID, BTO, COUNTS)
    assert as_stored.r_w(model, sharp, DENSITY / factor**3) < 1e-3
    assert as_stored.r_w(model, SHARP, DENSITY) > 0.3


def test_a_measured_file_gets_free_scale_and_damping(tmp_path):
    path = stored(tmp_path / "a.gr", synthetic=False, error=None, temperature=None)
    t = load_pdf_target(path, temperature=295.0, r_range=(2.0, 6.0))
    assert (t.free_scale, t.free_q_damp, t.metric, t.temperature) == (True, True, "r_w", 295.0)
    known = load_pdf_target(path, temperature=295.0, r_range=(2.0, 6.0), q_damp=0.03)
    assert (known.free_q_damp, known.q_damp) == (False, 0.03)


@pytest.mark.parametrize(
    ("fields", "options", "message"),
    [
        ({"temperature": None}, {}, "add `temperature`"),
        ({"radiation": None}, {}, "add `radiation`"),
        ({"q_max": None, "synthetic": False}, {}, "add `q_max`"),
        ({}, {"r_range": (2.0, 12.0)}, "narrow r_range"),
    ],
)
def test_what_a_file_does_not_say_or_cover_is_named(tmp_path, fields, options, message):
    with pytest.raises(DataError, match=message):
        load_pdf_target(stored(tmp_path / "a.gr", **fields), **{"r_range": (2.0, 6.0), **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": "js"}, "number density"),
        ({"metric": "chi"}, "correct its name"),
        ({"metric": "chi2", "error": None}, "choose the metric 'r_w'"),
    ],
)
def test_targets_that_cannot_be_compared_are_refused(options, message):
    values = {"error": torch.ones_like(R), **options}
    with pytest.raises(InputError, match=message):
        PdfTarget(300.0, 1.0, R, torch.ones_like(R), "neutron", 26.0, **values)
    with pytest.raises(InputError, match="1 nm is 10"):
        LatticeTarget(300.0, 1.0, (0.3994, 0.3994, 0.4034))


def test_measured_nickel_is_fitted_by_a_harmonic_crystal(shared):
    path = shared / "data" / "pdf" / "Ni_xray_XPD_300K_q25.gr"
    t = load_pdf_target(path, temperature=300.0, composition="Ni", r_range=(1.7, 12.0))
    s = nickel(3.526)
    grid = PartialGrid(1, input_reach(12.0, t.q_max) + 0.1)
    model = t.model(grid, ("Ni",), (1,))
    table = harmonic_partials(s, grid, [0.0056])
    assert t.r_w(model, table, number_density(s.cell, 4)) < 0.09
    worse = harmonic_partials(nickel(3.60), grid, [0.0056])
    assert t.r_w(model, worse, 4 / 3.60**3) > 0.3


def test_measured_barium_titanate_is_met_by_the_tetragonal_crystal_fitted_to_it(shared):
    path = shared / "data" / "pdf" / "BaTiO3_xray_q26_pdfrecipebuilder.gr"
    t = load_pdf_target(path, temperature=300.0, composition="BaTiO3", r_range=(1.5, 20.0))
    # a free fit of cell, z and isotropic displacements over 1.5 to 20 Å with this forward model
    cell = torch.diag(torch.tensor([3.9938, 3.9938, 4.0432], dtype=F64))
    z = torch.tensor([0.0, 0.5099, -0.0231, 0.4884, 0.4884], dtype=F64)
    fractional = torch.tensor([[0, 0], [0.5, 0.5], [0.5, 0.5], [0.5, 0], [0, 0.5]], dtype=F64)
    positions = torch.cat([fractional, z[:, None]], dim=1) @ cell
    grid = PartialGrid(3, input_reach(20.0, t.q_max) + 0.1)
    variances = [0.00507, 0.00641, 0.00627]
    model = t.model(
        grid, BTO, COUNTS, extra_variance=[variances[a] + variances[b] for a, b in grid.pairs]
    )
    table = partials(positions, cell, S.species, grid)
    density = number_density(cell, 5)
    found = t.simulate(model, table, density)
    assert t.r_w(model, table, density) == pytest.approx(0.0834, abs=0.001)
    assert float(found.scale) == pytest.approx(0.1387, rel=0.01)
    assert found.q_damp == pytest.approx(0.0523, abs=0.001)
    # weights that are the numbers of electrons at all Q, as PDFFIT takes them, are worse here
    electrons = torch.tensor([[56.0], [22.0], [8.0]], dtype=F64)
    constant = faber_ziman_weights(electrons, torch.tensor([0.2, 0.2, 0.6], dtype=F64))
    ratio = model.weights / faber_ziman_weights(
        scattering_factors(BTO, model.q, "xray"), torch.tensor([0.2, 0.2, 0.6], dtype=F64)
    )
    assert t.r_w(replace(model, weights=constant * ratio), table, density) > 0.11
