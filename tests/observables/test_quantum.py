import pytest
import scipy.constants as c
import torch

from ocvf_lmp.errors import InputError
from ocvf_lmp.observables.quantum import HBAR2_OVER_AMU_KB, excess_variance, pair_variance


def test_constant_equals_codata():
    value = c.hbar**2 / (c.atomic_mass * c.k) * 1e20
    assert pytest.approx(value, rel=1e-6) == HBAR2_OVER_AMU_KB


def test_excess_at_high_temperature_is_wigners_and_independent_of_the_frequency():
    wigner = HBAR2_OVER_AMU_KB / (12 * 16 * 2000)
    for einstein in (100.0, 300.0):
        assert excess_variance(2000.0, 16.0, einstein) == pytest.approx(wigner, rel=0.01)


def test_excess_at_low_temperature_is_the_zero_point_variance():
    expected = HBAR2_OVER_AMU_KB / (2 * 16 * 400.0)
    assert excess_variance(4.0, 16.0, 400.0) == pytest.approx(expected, rel=0.03)


def test_pairs_get_the_sum_of_their_atoms():
    each = [excess_variance(100.0, m, 350.0) for m in (137.3, 47.9, 16.0)]
    expected = [each[a] + each[b] for a, b in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))]
    got = pair_variance(100.0, [137.3, 47.9, 16.0], [350.0] * 3)
    torch.testing.assert_close(got, torch.tensor(expected, dtype=torch.float64))


def test_a_temperature_of_zero_is_refused():
    with pytest.raises(InputError, match="positive temperature"):
        excess_variance(0.0, 16.0, 300.0)
