import math

import pytest
import torch

from ocvf_lmp.md.horizon import horizon

LAGS = torch.arange(400, -1, -1).double()


@pytest.mark.parametrize("rate", [2.0, 9.0, 30.0])
def test_exponential_growth_is_recovered_and_limits_the_window(rate):
    noise = 1.0 + 0.3 * torch.sin(LAGS)
    found = horizon(LAGS * torch.exp(rate * LAGS * 1e-3) * noise, 1e-3)
    assert found.rate == pytest.approx(rate, abs=0.3)
    assert found.usable == pytest.approx(3.0 / found.rate)
    assert found.length == pytest.approx(0.4)
    assert found.trusted == (rate < 7.5)


@pytest.mark.parametrize("power", [1, 2])
def test_the_power_laws_of_regular_motion_are_trusted(power):
    assert horizon(LAGS**power, 1e-3).trusted


def test_a_decaying_or_vanishing_adjoint_has_no_limit():
    assert math.isinf(horizon(torch.exp(-LAGS), 1e-3).usable)
    assert math.isinf(horizon(torch.zeros(50), 1e-3).usable)
    assert "no limit" in str(horizon(torch.zeros(50), 1e-3))
