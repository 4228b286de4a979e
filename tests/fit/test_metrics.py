import math

import pytest
import torch

from ocvf_lmp.errors import InputError
from ocvf_lmp.fit.metrics import (
    METRICS,
    Points,
    chi_squared,
    density_of,
    density_weighted,
    jensen_shannon,
    kullback_leibler,
    metric_by_name,
    positive,
    positive_shift,
    r_w,
)

F64 = torch.float64
R = torch.linspace(0.5, 8.0, 400, dtype=F64)
ERROR = torch.full((400,), 0.1, dtype=F64)
POINTS = Points(R, density=0.078, error=ERROR)


def curve(center: float = 2.0, height: float = 3.0) -> torch.Tensor:
    """Zero before a first peak, then oscillating about one."""
    step = torch.sigmoid((R - 3.0) / 0.05)
    step = torch.where(R < 1.5, 0.0, step)
    return height * torch.exp(-(((R - center) / 0.1) ** 2)) + step


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_is_zero_for_equal_curves_and_positive_for_others(name):
    metric, observed = METRICS[name], curve()
    assert float(metric(observed, observed, POINTS)) == pytest.approx(0.0, abs=1e-12)
    for other in (curve(2.05), curve(height=2.5), 0.5 * curve(), 2.0 * curve()):
        assert float(metric(other, observed, POINTS)) > 1e-3


@pytest.mark.parametrize("name", METRICS)
def test_every_gradient_is_finite_and_equals_central_differences(name):
    metric, observed = METRICS[name], curve()
    simulated = curve(2.05, 2.8) + 0.01 * torch.sin(5 * R)
    start = simulated.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(metric(start, observed, POINTS), start)
    assert bool(torch.isfinite(gradient).all())
    direction = torch.cos(3 * R)
    h = 1e-6
    ends = [float(metric(simulated + s * h * direction, observed, POINTS)) for s in (1, -1)]
    assert float((gradient * direction).sum()) == pytest.approx(
        (ends[0] - ends[1]) / 2 / h, rel=1e-5
    )


@pytest.mark.parametrize("metric", [jensen_shannon, kullback_leibler])
def test_where_both_curves_are_zero_there_is_neither_loss_nor_gradient(metric):
    zero = torch.zeros(400, dtype=F64, requires_grad=True)
    value = metric(zero, torch.zeros(400, dtype=F64), POINTS)
    (gradient,) = torch.autograd.grad(value, zero)
    assert float(value.detach()) == pytest.approx(0.0, abs=1e-15)
    torch.testing.assert_close(gradient, torch.zeros(400, dtype=F64), rtol=0.0, atol=1e-15)


def test_jensen_shannon_is_the_papers_sum_for_positive_densities():
    p, q = 1.5 + torch.sin(R), 1.5 + torch.cos(R)
    m = 0.5 * (p + q)
    literal = -(p * torch.log(m / p) + q * torch.log(m / q)).sum() * (R[1] - R[0])
    assert float(jensen_shannon(q, p, POINTS)) == pytest.approx(float(literal), rel=1e-5)


def test_jensen_shannon_is_symmetric_and_bounded_where_kullback_leibler_is_not():
    p, q = curve(2.0), curve(2.6)
    js = float(jensen_shannon(p, q, POINTS))
    assert js == pytest.approx(float(jensen_shannon(q, p, POINTS)))
    assert js <= math.log(2) * float(((p + q + 4e-3) * POINTS.widths()).sum())
    assert float(kullback_leibler(p, q, POINTS)) > 3 * js


def test_the_value_does_not_depend_on_the_grid():
    fine = torch.linspace(0.5, 8.0, 1597, dtype=F64)
    for metric in (jensen_shannon, kullback_leibler, density_weighted):
        values = [
            float(metric(1.5 + torch.sin(r), 1.5 + torch.cos(r), Points(r, 0.078)))
            for r in (R, fine)
        ]
        assert values[0] == pytest.approx(values[1], rel=0.01)


def test_density_weighted_metric_equals_the_squared_difference_of_the_pdfs():
    first, second = 3 * torch.sin(7 * R), 2 * torch.cos(6 * R)
    value = density_weighted(density_of(first, R, 0.078), density_of(second, R, 0.078), POINTS)
    expected = ((first - second) ** 2 * POINTS.widths()).sum() / (4 * math.pi * 0.078)
    torch.testing.assert_close(value, expected)


def test_chi_squared_of_noise_is_one_and_r_w_weighs_by_the_errors():
    noise = 0.1 * torch.randn(400, dtype=F64, generator=torch.Generator().manual_seed(1))
    assert float(chi_squared(curve() + noise, curve(), POINTS)) == pytest.approx(1.0, abs=0.15)
    error = torch.where(R < 4, 0.1, 10.0)
    far = torch.where(R < 4, 0.0, 1.0)
    weighed = float(r_w(curve() + far, curve(), Points(R, error=error)))
    assert weighed < 0.05 * float(r_w(curve() + far, curve(), Points(R)))


def test_the_guard_is_positive_close_to_the_density_and_never_flat():
    g = torch.tensor([-0.5, 0.0, 1e-3, 1.0], dtype=F64, requires_grad=True)
    (slope,) = torch.autograd.grad(positive(g).sum(), g)
    assert bool((positive(g) > 0).all())
    assert bool((slope > 0).all())
    assert float((positive(g) - g.clamp(min=0)).detach().abs().max()) <= 1.01e-3


def test_a_truly_negative_density_is_refused_unless_it_is_shifted():
    negative = curve() - 2.0 * torch.exp(-(((R - 4.0) / 0.2) ** 2))
    with pytest.raises(InputError, match="below zero"):
        jensen_shannon(curve(), negative, POINTS)
    shifted = Points(R, shift=positive_shift(negative))
    assert shifted.shift > 0.9
    assert float(jensen_shannon(negative, negative, shifted)) == pytest.approx(0.0, abs=1e-12)
    assert float(jensen_shannon(curve(), negative, shifted)) > 0.01


def test_pairs_are_averaged():
    p = torch.stack([curve(2.0), curve(2.1)])
    q = torch.stack([curve(2.1), curve(2.1)])
    one = jensen_shannon(p[0], q[0], POINTS)
    torch.testing.assert_close(jensen_shannon(p, q, POINTS), one / 2)


def test_what_a_metric_lacks_is_said():
    with pytest.raises(InputError, match="standard error"):
        chi_squared(curve(), curve(), Points(R))
    with pytest.raises(InputError, match="number density"):
        density_weighted(curve(), curve(), Points(R))
    with pytest.raises(InputError, match="js, kl"):
        metric_by_name("jensen")
