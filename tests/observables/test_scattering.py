import pytest
import torch

from ocvf_lmp.errors import InputError
from ocvf_lmp.observables.scattering import (
    faber_ziman_weights,
    form_factor,
    neutron_length,
    scattering_factors,
)

F64 = torch.float64
Q = torch.tensor([0.0, 5.0, 10.0, 20.0], dtype=F64)
BTO = torch.tensor([0.2, 0.2, 0.6], dtype=F64)


def test_neutron_weights_of_barium_titanate_equal_the_tabulated_ones():
    weights = faber_ziman_weights(scattering_factors(("Ba", "Ti", "O"), Q, "neutron"), BTO)
    expected = torch.tensor([0.0709, -0.0962, 0.4869, 0.0326, -0.3302, 0.8359], dtype=F64)
    torch.testing.assert_close(weights, expected[:, None].expand(6, 4), rtol=0.0, atol=6e-5)


def test_xray_weights_of_barium_titanate_at_ten_per_angstrom_equal_the_tabulated_ones():
    factors = scattering_factors(("Ba", "Ti", "O"), Q, "xray", {"Ba": 2, "Ti": 4})
    weights = faber_ziman_weights(factors, BTO)
    expected = torch.tensor([0.428, 0.266, 0.187, 0.041, 0.058, 0.020], dtype=F64)
    torch.testing.assert_close(weights[:, 2], expected, rtol=0.0, atol=1e-3)


def test_weights_add_up_to_one():
    for radiation in ("neutron", "xray"):
        weights = faber_ziman_weights(scattering_factors(("Ba", "Ti", "O"), Q, radiation), 5 * BTO)
        torch.testing.assert_close(weights.sum(dim=0), torch.ones(4, dtype=F64))


def test_form_factor_starts_at_the_number_of_electrons_and_falls():
    for symbol, charge, electrons in (("Ba", 0, 56), ("Ti", 4, 18), ("O", 0, 8)):
        factor = form_factor(symbol, Q, charge)
        assert float(factor[0]) == pytest.approx(electrons, rel=2e-3)
        assert bool((torch.diff(factor) < 0).all())


def test_elements_outside_the_own_table_come_from_periodictable():
    assert neutron_length("Ni") == pytest.approx(10.3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: neutron_length("Xx"), "chemical symbol"),
        (lambda: form_factor("Ba", Q, 7), "neutral atom"),
        (lambda: form_factor("Ba", Q + 80.0), "smaller Q_max"),
        (lambda: scattering_factors(("Ba",), Q, "x"), "correct its name"),
        (
            lambda: faber_ziman_weights(torch.tensor([[1.0], [-1.0]]), torch.tensor([0.5, 0.5])),
            "null scatterer",
        ),
    ],
)
def test_what_cannot_scatter_is_refused_with_advice(call, message):
    with pytest.raises(InputError, match=message):
        call()
