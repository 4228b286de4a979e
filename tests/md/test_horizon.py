import math

import pytest
import torch

from ocvf_lmp.md.horizon import Horizon, horizon
from ocvf_lmp.md.lyapunov import Lyapunov


def lags(n_steps):
    return torch.arange(n_steps, -1, -1).double()


def measured_shape(n_steps):
    """The adjoint of a Lennard-Jones solid: the cube of the lag, a knee, e-folds of 110 steps."""
    lag = lags(n_steps)
    return 1e-6 * lag**3 / (1.0 + (lag / 30.0) ** 2) ** 1.5 * torch.exp(lag / 110.0)


@pytest.mark.parametrize("rate", [2.0, 9.0, 30.0])
def test_exponential_growth_is_recovered_and_limits_the_window(rate):
    lag = lags(400)
    noise = 1.0 + 0.3 * torch.sin(lag)
    found = horizon(lag * torch.exp(rate * lag * 1e-3) * noise, 1e-3)
    assert found.rate == pytest.approx(rate, abs=0.3)
    assert found.usable == pytest.approx(3.0 / found.rate)
    assert found.length == pytest.approx(0.4)
    assert found.e_folds == pytest.approx(0.4 * found.rate)
    assert found.trusted == (rate < 7.5)
    assert found.error is None


@pytest.mark.parametrize("power", [1, 2, 3, 4])
@pytest.mark.parametrize("n_steps", [10, 25, 100, 3000])
def test_the_power_laws_of_regular_motion_are_no_growth(power, n_steps):
    assert horizon(lags(n_steps) ** power, 1e-3).rate == 0.0


@pytest.mark.parametrize("n_steps", [25, 50, 100, 200])
def test_short_windows_are_trusted(n_steps):
    assert horizon(measured_shape(n_steps), 1e-3).trusted


@pytest.mark.parametrize("n_steps", [800, 1600, 3200])
def test_windows_beyond_the_horizon_are_refused(n_steps):
    found = horizon(measured_shape(n_steps), 1e-3)
    assert not found.trusted
    assert found.rate == pytest.approx(1000.0 / 110.0, rel=0.25)


def test_the_exponent_of_a_longer_run_decides_where_the_window_cannot():
    exponent = Lyapunov(9.1, 0.4, 5.0)
    for n_steps in (25, 200, 320):
        found = horizon(measured_shape(n_steps), 1e-3, lyapunov=exponent)
        assert (found.rate, found.error) == (9.1, 0.4)
        assert found.trusted
    assert not horizon(measured_shape(340), 1e-3, lyapunov=exponent).trusted
    assert "9.1 ± 0.4/ps over 0.34 ps: usable up to 0.33 ps" in str(
        horizon(measured_shape(340), 1e-3, lyapunov=exponent)
    )


def test_a_window_that_is_noise_by_its_own_account_is_refused_whatever_the_exponent():
    slow = Lyapunov(0.1, 0.01, 5.0)
    found = horizon(measured_shape(1600), 1e-3, lyapunov=slow)
    assert not found.trusted
    assert found.error is None
    # but a growth that stays below three e-folds is no evidence against the longer run
    assert horizon(torch.exp(lags(100) * 0.02), 1e-3, lyapunov=slow).rate == 0.1


def test_a_decaying_or_vanishing_adjoint_has_no_limit():
    assert math.isinf(horizon(torch.exp(-lags(400)), 1e-3).usable)
    assert math.isinf(horizon(torch.zeros(50), 1e-3).usable)
    assert math.isinf(horizon(torch.zeros(50), 1e-3, lyapunov=Lyapunov(-0.1, 0.1, 1.0)).usable)
    assert "no limit" in str(horizon(torch.zeros(50), 1e-3))


def test_an_adjoint_that_overflows_is_refused():
    assert not horizon(torch.exp(lags(2000)), 1e-3).trusted


def test_an_exponent_alone_tells_the_longest_window():
    found = Horizon.of_exponent(Lyapunov(10.0, 0.5, 5.0), 0.1)
    assert (found.rate, found.length, found.usable, found.error) == (10.0, 0.1, 0.3, 0.5)
    assert found.e_folds == 1.0
    assert math.isinf(Horizon.of_exponent(Lyapunov(-0.1, 0.5, 5.0), 0.1).usable)


def test_three_numbers_make_a_horizon():
    assert not Horizon(200.0, 0.04, 0.015).trusted
