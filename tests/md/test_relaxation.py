import pytest
import torch

from ocvf_lmp.errors import InputError
from ocvf_lmp.md.relaxation import (
    autocorrelation,
    cell_relaxation,
    integrated_time,
    memory_time,
    relaxation,
    slowest,
)

SLOW = (0.9, 0.0)
RINGING = (1.95, -0.98)  # a period of 36 samples, an envelope of 99


def process(coefficients, n_samples, n_series, seed=0):
    """Autoregressive series x(k) = a x(k-1) + b x(k-2) + noise, stationary, (samples, series)."""
    generator = torch.Generator().manual_seed(seed)
    a, b = coefficients
    settle = 1000
    noise = torch.randn(n_samples + settle, n_series, generator=generator, dtype=torch.float64)
    values = torch.zeros_like(noise)
    for k in range(2, len(values)):
        values[k] = a * values[k - 1] + b * values[k - 2] + noise[k]
    return values[settle:]


def exact(coefficients, n=5000):
    """ρ by the Yule-Walker recursion."""
    a, b = coefficients
    rho = [1.0, a / (1.0 - b)]
    while len(rho) < n:
        rho.append(a * rho[-1] + b * rho[-2])
    return torch.tensor(rho, dtype=torch.float64)


def test_the_times_of_a_first_order_process_are_the_known_ones():
    a = SLOW[0]
    series = process(SLOW, 20_000, 40)
    for estimate, expected in (
        (integrated_time, 0.5 * (1 + a) / (1 - a)),
        (memory_time, (1 + a * a) / (1 - a * a)),
    ):
        found, errors = torch.tensor([estimate(x) for x in series.T]).double().T
        scatter = float(found.std())
        assert float(found.mean()) == pytest.approx(expected, abs=4 * scatter / 40**0.5)
        assert scatter < 0.1 * expected
        assert 0.6 * scatter < float(errors.mean()) < 1.7 * scatter


def test_what_rings_is_remembered_though_its_correlation_cancels():
    rho = exact(RINGING)
    memory, integral = float(2 * rho.square().sum() - 1), float(rho.sum() - 0.5)
    assert memory > 30 * abs(integral)
    series = process(RINGING, 20_000, 40)
    found, errors = torch.tensor([memory_time(x) for x in series.T]).double().T
    scatter = float(found.std())
    assert float(found.mean()) == pytest.approx(memory, rel=0.05)
    assert 0.6 * scatter < float(errors.mean()) < 1.7 * scatter


def test_white_noise_has_no_memory():
    series = process((0.0, 0.0), 20_000, 1)[:, 0]
    assert integrated_time(series)[0] == pytest.approx(0.5, abs=0.05)
    assert memory_time(series)[0] == pytest.approx(1.0, abs=0.05)


def test_autocorrelation_is_the_plain_sum():
    x = process(SLOW, 50, 1)[:, 0]
    d = x - x.mean()
    plain = torch.stack([(d[: 50 - k] * d[k:]).sum() for k in range(50)]) / d.square().sum()
    torch.testing.assert_close(autocorrelation(x), plain, rtol=0, atol=1e-12)


def test_a_short_run_gives_a_lower_bound_and_says_so():
    series = process(SLOW, 4000, 1)[:, 0]
    long, short = relaxation(series, 0.02, "volume"), relaxation(series[:60], 0.02, "volume")
    assert long.resolved
    assert long.time == pytest.approx(0.19, rel=0.3)
    assert str(long).startswith("volume relaxes in 0.")
    assert "±" in str(long)
    assert not short.resolved
    assert "or more" in str(short)
    with pytest.raises(InputError, match="at least 4 samples"):
        relaxation(series[:3], 0.02, "volume")


def test_cells_are_taken_apart_into_volume_and_strains():
    fast, slow = process((0.5, 0.0), 4000, 1)[:, 0], process(SLOW, 4000, 1, seed=1)[:, 0]
    cell = torch.tensor([[8.0, 0, 0], [0.5, 8.1, 0], [0.2, 0.3, 8.2]]).double()
    strain = torch.eye(3).double().repeat(4000, 1, 1)
    strain[:, 0, 0] += 1e-3 * fast
    strain[:, 1, 2] += 1e-3 * slow
    strain[:, 2, 1] += 1e-3 * slow
    found = cell_relaxation(cell @ strain, 0.01)
    assert set(found) == {"volume", *(f"strain {x}" for x in ("xx", "yy", "zz", "yz", "xz", "xy"))}
    assert found["strain xx"].time == pytest.approx(0.0167, rel=0.2)
    assert found["volume"].time == pytest.approx(found["strain xx"].time, rel=0.05)
    assert found["strain yz"].time == pytest.approx(0.0953, rel=0.3)


def test_what_the_barostat_leaves_alone_has_no_relaxation():
    slow = process(SLOW, 4000, 1)[:, 0]
    cell = torch.tensor([[8.0, 0, 0], [0.5, 8.1, 0], [0.2, 0.3, 8.2]]).double()
    found = cell_relaxation(cell * (1.0 + 1e-3 * slow)[:, None, None], 0.01)
    for shear in ("yz", "xz", "xy"):
        assert found[f"strain {shear}"].time == 0.0
    assert slowest(found).time == pytest.approx(0.0953, rel=0.3)
