import pytest
import torch
from observables.crystals import harmonic_partials, nickel

from ocvf_lmp.errors import InputError
from ocvf_lmp.observables.nuisance import fit_nuisance, fit_scale, fitted, r_w
from ocvf_lmp.observables.pdf import envelope, pdf_model
from ocvf_lmp.observables.rdf import PartialGrid, number_density

F64 = torch.float64
R = torch.linspace(1.5, 20, 500, dtype=F64)
CURVE = torch.sin(7 * R) + 0.3 * torch.cos(3 * R)


def test_scale_is_the_least_squares_one_with_and_without_weights():
    noise = 0.1 * torch.randn(500, dtype=F64, generator=torch.Generator().manual_seed(0))
    data, weights = 0.164 * CURVE + noise, torch.linspace(1, 3, 500, dtype=F64)
    for w in (None, weights):
        best = float(fit_scale(CURVE, data, w))
        misfits = [float(r_w(s * CURVE, data, w)) for s in (best - 1e-3, best, best + 1e-3)]
        assert misfits[1] < min(misfits[0], misfits[2])


def test_scale_and_damping_of_a_damped_curve_are_recovered():
    data = 0.164 * envelope(R, 0.0563) * CURVE
    found = fit_nuisance(CURVE, R, data)
    assert found.scale == pytest.approx(0.164, rel=1e-4)
    assert found.q_damp == pytest.approx(0.0563, abs=1e-5)
    assert found.r_w < 1e-4


def test_fixed_values_are_kept():
    data = 0.164 * envelope(R, 0.0563) * CURVE
    assert fit_nuisance(CURVE, R, data, q_damp=0.03).q_damp == 0.03
    assert fit_nuisance(CURVE, R, data, scale=0.2).scale == 0.2


def test_r_w_is_the_relative_size_of_the_misfit_and_has_a_finite_gradient_at_zero():
    assert float(r_w(0.9 * CURVE, CURVE)) == pytest.approx(0.1)
    curve = CURVE.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(r_w(curve, CURVE), curve)
    assert bool(torch.isfinite(gradient).all())


def test_a_model_takes_over_the_fitted_constants_of_its_data():
    s, grid = nickel(), PartialGrid(1, 12.0)
    r = torch.linspace(1.5, 10, 400, dtype=F64)
    model = pdf_model(grid, ("Ni",), (1,), "neutron", r, 25.0)
    table, density = harmonic_partials(s, grid, [0.004]), number_density(s.cell, 4)
    data = model.with_nuisance(0.8, 0.04)(table, density)
    found = fitted(model, table, density, data)
    torch.testing.assert_close(found(table, density), data, rtol=0.0, atol=1e-4)


def test_a_curve_of_zeros_cannot_be_scaled():
    with pytest.raises(InputError, match="zeros only"):
        fit_scale(torch.zeros_like(CURVE), CURVE)
