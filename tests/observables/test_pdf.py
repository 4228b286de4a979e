import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from observables.crystals import harmonic_partials, nickel, pdffit_partials, tetragonal_bto
from scipy.integrate import quad

from ocvf_lmp.errors import InputError
from ocvf_lmp.observables.pdf import envelope, input_reach, pdf_model
from ocvf_lmp.observables.rdf import PartialGrid, number_density, partials
from ocvf_lmp.observables.scattering import faber_ziman_weights, form_factor

F64 = torch.float64
BTO = ("Ba", "Ti", "O")
U = [0.005, 0.006, 0.008]


def one_peak(grid: PartialGrid, center: float, width: float, density: float) -> torch.Tensor:
    """A g(r) whose 4πrρ(g - 1) is one Gaussian: no crystal, but the transforms are known."""
    r = grid.r()
    peak = torch.exp(-0.5 * ((r - center) / width) ** 2) / (width * math.sqrt(2 * math.pi))
    return (1.0 + peak / (4 * math.pi * r * density))[None]


def test_termination_of_one_peak_equals_its_direct_fourier_integral():
    grid, q_max, center, width = PartialGrid(1, 16.0), 12.0, 4.0, 0.08
    r = torch.linspace(0.3, 10.0, 41, dtype=F64)
    model = pdf_model(grid, ("Ni",), (1,), "neutron", r, q_max, keep_smearing=True)
    got = model(one_peak(grid, center, width, 0.09), 0.09)
    for k, x in enumerate(r.tolist()):

        def integrand(q, x=x):
            transform = math.exp(-0.5 * (q * width) ** 2) * math.sin(q * center)
            return 2 / math.pi * transform * math.sin(q * x)

        assert float(got[k]) == pytest.approx(quad(integrand, 0, q_max, limit=300)[0], abs=2e-6)


def test_xray_total_of_one_pair_weighs_the_transform_by_the_form_factors():
    grid, q_max, center = PartialGrid(2, 14.0), 15.0, 3.0
    r = torch.tensor([2.5, 3.0, 3.1, 5.0], dtype=F64)
    model = pdf_model(grid, ("Ba", "O"), (1, 1), "xray", r, q_max, keep_smearing=True)
    table = torch.ones(3, grid.n_bins, dtype=F64)
    table[1] = one_peak(grid, center, 0.1, 0.05)[0]
    got = model(table, 0.05)
    for k, x in enumerate(r.tolist()):

        def integrand(q, x=x):
            at = torch.tensor([q], dtype=F64)
            ba, o = float(form_factor("Ba", at)), float(form_factor("O", at))
            weight = 2 * ba * o / (ba + o) ** 2
            transform = math.exp(-0.5 * (0.1 * q) ** 2) * math.sin(q * center)
            return 2 / math.pi * weight * transform * math.sin(q * x)

        assert float(got[k]) == pytest.approx(quad(integrand, 0, q_max, limit=200)[0], abs=2e-6)


def test_dividing_out_the_smearing_makes_the_result_independent_of_sigma():
    s = nickel()
    curves = []
    for sigma in (0.02, 0.04):
        grid = PartialGrid(1, 15.0, 0.02, sigma)
        # harmonic_partials draws the physical width only: add the histogram's to it
        table = harmonic_partials(s, grid, [0.004 + sigma**2 / 2])
        model = pdf_model(grid, ("Ni",), (1,), "neutron", torch.linspace(1, 10, 200), 25.0)
        curves.append(model(table, number_density(s.cell, 4)))
    torch.testing.assert_close(curves[0], curves[1], rtol=0.0, atol=2e-4 * float(curves[0].max()))


def test_extra_variance_equals_wider_peaks():
    s, grid = nickel(), PartialGrid(1, 12.0)
    r = torch.linspace(1, 10, 300, dtype=F64)
    options = {"keep_smearing": True}
    wide = pdf_model(grid, ("Ni",), (1,), "neutron", r, 25.0, **options)
    narrow = pdf_model(grid, ("Ni",), (1,), "neutron", r, 25.0, extra_variance=[0.002], **options)
    density = number_density(s.cell, 4)
    expected = wide(harmonic_partials(s, grid, [0.005]), density)
    got = narrow(harmonic_partials(s, grid, [0.004]), density)
    torch.testing.assert_close(got, expected, rtol=0.0, atol=3e-3 * float(expected.max()))


@pytest.mark.parametrize(("radiation", "q_max"), [("neutron", 35.0), ("xray", 24.0)])
def test_the_end_of_the_partials_hardly_pollutes_the_pdf(radiation, q_max):
    s, r = tetragonal_bto(), torch.arange(1, 501, dtype=F64) * 0.02
    curves = []
    for reach in (input_reach(10.0, q_max) + 0.02, 18.0):
        grid = PartialGrid(3, reach)
        model = pdf_model(grid, BTO, (1, 1, 3), radiation, r, q_max)
        curves.append(model(harmonic_partials(s, grid, U), number_density(s.cell, 5)))
    assert float((curves[0] - curves[1]).norm() / curves[1].norm()) < 0.01


def test_low_r_slope_is_minus_four_pi_density():
    s, grid = tetragonal_bto(), PartialGrid(3, 14.0)
    r = torch.linspace(0.2, 1.2, 21, dtype=F64)
    model = pdf_model(grid, BTO, (1, 1, 3), "neutron", r, None)
    density = float(number_density(s.cell, 5))
    got = model(harmonic_partials(s, grid, U), density)
    torch.testing.assert_close(got, -4 * math.pi * density * r, rtol=0.02, atol=2e-3)


def test_unfiltered_neutron_pdf_is_the_weighted_sum_of_the_partials():
    s, grid = tetragonal_bto(), PartialGrid(3, 12.0)
    r = torch.arange(60, 500, dtype=F64) * grid.dr
    density = float(number_density(s.cell, 5))
    table = harmonic_partials(s, grid, U)
    got = pdf_model(grid, BTO, (1, 1, 3), "neutron", r, None)(table, density)
    lengths = torch.tensor([[5.07], [-3.438], [5.803]], dtype=F64)
    weights = faber_ziman_weights(lengths, torch.tensor([0.2, 0.2, 0.6], dtype=F64))
    expected = 4 * math.pi * density * r * ((weights * (table - 1)).sum(dim=0)[59:499])
    torch.testing.assert_close(got, expected, rtol=0.0, atol=2e-3 * float(expected.max()))


def test_scale_and_damping_multiply_the_bare_curve():
    s, grid = nickel(), PartialGrid(1, 12.0)
    r = torch.linspace(1, 10, 100, dtype=F64)
    model = pdf_model(grid, ("Ni",), (1,), "neutron", r, 25.0, q_damp=0.05, scale=0.3)
    table, density = harmonic_partials(s, grid, [0.004]), number_density(s.cell, 4)
    expected = 0.3 * torch.exp(-0.5 * (0.05 * r) ** 2) * model.bare(table, density)
    torch.testing.assert_close(model(table, density), expected)
    torch.testing.assert_close(envelope(r, 0.0), torch.ones_like(r))


def test_q_broad_widens_far_peaks_as_pdfgui_defines_it():
    grid, width, q_broad, center = PartialGrid(1, 14.0), 0.1, 0.1, 8.0
    r = torch.linspace(6, 10, 201, dtype=F64)
    options = {"q_broad": q_broad, "peak_width": width, "keep_smearing": True}
    model = pdf_model(grid, ("Ni",), (1,), "neutron", r, 25.0, **options)
    got = model(one_peak(grid, center, width, 0.09), 0.09)
    wider = width * math.sqrt(1 + (q_broad * center) ** 2)
    expected = torch.exp(-0.5 * ((r - center) / wider) ** 2) / (wider * math.sqrt(2 * math.pi))
    torch.testing.assert_close(got, expected, rtol=0.0, atol=0.02 * float(expected.max()))


def test_a_lorch_window_damps_the_termination_ripples():
    grid = PartialGrid(1, 14.0)
    r = torch.linspace(5, 9, 101, dtype=F64)
    table = one_peak(grid, 4.0, 0.03, 0.09)
    sharp, soft = (
        pdf_model(grid, ("Ni",), (1,), "neutron", r, 20.0, lorch=lorch)(table, 0.09)
        for lorch in (False, True)
    )
    assert float(soft.norm()) < 0.1 * float(sharp.norm())


def test_gradient_in_partials_density_and_positions_equals_central_differences():
    s, grid = tetragonal_bto(), PartialGrid(3, 6.5)
    r = torch.linspace(1.5, 5.0, 50, dtype=F64)
    model = pdf_model(grid, BTO, (1, 1, 3), "xray", r, 20.0, q_damp=0.04)
    weight = torch.linspace(-1, 1, 50, dtype=F64)

    def value(positions, cell):
        table = partials(positions, cell, s.species, grid)
        return (weight * model(table, number_density(cell, 5))).sum()

    positions, cell = s.positions.clone().requires_grad_(), s.cell.clone().requires_grad_()
    gradients = torch.autograd.grad(value(positions, cell), (positions, cell))
    generator = torch.Generator().manual_seed(2)
    for k, gradient in enumerate(gradients):
        direction = torch.randn(gradient.shape, dtype=F64, generator=generator)
        h = 1e-5
        start = [s.positions, s.cell]
        ends = []
        for sign in (1, -1):
            moved = list(start)
            moved[k] = start[k] + sign * h * direction
            ends.append(float(value(*moved)))
        numeric = (ends[0] - ends[1]) / (2 * h)
        assert float((gradient * direction).sum()) == pytest.approx(numeric, rel=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"q_max": 26.0, "r": [10.0]}, "raise the grid's r_max"),
        ({"q_max": None, "radiation": "xray"}, "give the Q_max"),
        ({"q_max": 26.0, "sigma": 0.12}, "use sigma below"),
        ({"q_max": 200.0}, "refine the grid"),
        ({"q_max": 26.0, "fractions": (1, 1)}, "one of each per species"),
        ({"q_max": 26.0, "r": [-1.0]}, "correct r"),
    ],
)
def test_models_that_cannot_be_right_are_refused_with_advice(options, message):
    grid = PartialGrid(3, 10.2, 0.02, options.get("sigma", 0.02))
    with pytest.raises(InputError, match=message):
        pdf_model(
            grid,
            BTO,
            options.get("fractions", (1, 1, 3)),
            options.get("radiation", "neutron"),
            torch.tensor(options.get("r", [5.0]), dtype=F64),
            options["q_max"],
        )


def test_partials_on_another_grid_are_refused():
    model = pdf_model(PartialGrid(1, 8.0), ("Ni",), (1,), "neutron", torch.tensor([5.0]), 25.0)
    with pytest.raises(InputError, match=r"compute them on model\.grid"):
        model(torch.ones(1, 300, dtype=F64), 0.09)


@pytest.mark.parametrize(("radiation", "kind"), [("neutron", "N"), ("xray", "X")])
def test_totals_equal_those_of_pdffit2(radiation, kind):
    pdffit2 = pytest.importorskip("diffpy.pdffit2")
    from diffpy.structure import Atom, Lattice, Structure

    s, names = tetragonal_bto(), ("Ba", "Ti", "O", "O", "O")
    lattice = Lattice(*s.cell.diagonal().tolist(), 90, 90, 90)
    fractional = (s.positions @ torch.linalg.inv(s.cell)).tolist()
    values = [U[int(k)] for k in s.species]
    atoms = [Atom(n, x, Uisoequiv=u) for n, x, u in zip(names, fractional, values, strict=True)]
    fit = pdffit2.PdfFit()
    fit.add_structure(Structure(atoms, lattice=lattice))
    lengths = dict(zip(BTO, (5.07, -3.438, 5.803), strict=True))
    for name, length in lengths.items():
        fit.set_scat("N", name, length)
    fit.alloc(kind, 26.0, 0.03, 0.01, 10.0, 1000)
    fit.setvar(fit.qdamp, 0.03)
    fit.calc()
    r, expected = np.array(fit.getR()), np.array(fit.getpdf_fit())
    grid = PartialGrid(3, 13.0, 0.01, 0.01)
    model = pdf_model(
        grid, BTO, (1, 1, 3), radiation, torch.from_numpy(r), 26.0, q_damp=0.03, keep_smearing=True
    )
    if radiation == "xray":  # PDFFIT weighs by the numbers of electrons at all Q
        electrons = torch.tensor([[56.0], [22.0], [8.0]], dtype=F64)
        weights = faber_ziman_weights(electrons, torch.tensor([0.2, 0.2, 0.6], dtype=F64))
        model = replace(model, weights=weights.expand(6, len(model.q)))
    got = model(pdffit_partials(s, grid, U), number_density(s.cell, 5)).numpy()
    used = r > 0.5
    assert np.linalg.norm((got - expected)[used]) < 0.005 * np.linalg.norm(expected[used])
