import math

import pytest
import torch

from ocvf_lmp.md.chain import WEIGHTS, chain_energy, chain_step

KT = 0.0258


def plain_chain(momenta, inverse_mass, x, p, masses, freedom, duration, loops):
    """The same half step on tensors, operation by operation (Tuckerman et al. 2006, eq. 30 ff.)."""
    x, p, n = list(x), list(p), len(masses)

    def force(j):
        if j == 0:
            return (momenta * momenta * inverse_mass).sum() - freedom * KT
        return p[j - 1] ** 2 / masses[j - 1] - KT

    def kick(j, tau):
        for part in ("damp", "push", "damp"):
            if part == "push":
                p[j] = p[j] + tau / 2 * force(j)
            elif j + 1 < n:
                p[j] = p[j] * torch.exp(-tau / 4 * p[j + 1] / masses[j + 1])

    for tau in [weight * duration / loops for weight in WEIGHTS] * loops:
        for j in reversed(range(n)):
            kick(j, tau)
        x = [a + tau * b / m for a, b, m in zip(x, p, masses, strict=True)]
        momenta = momenta * torch.exp(-tau * p[0] / masses[0])
        for j in range(n):
            kick(j, tau)
    return momenta, torch.stack(x), torch.stack(p)


@pytest.fixture(params=[1, 2, 4])
def inputs(request):
    n = request.param
    generator = torch.Generator().manual_seed(3)
    draw = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)  # noqa: E731
    masses = [12 * KT * 0.02**2] + [KT * 0.02**2] * (n - 1)
    p = draw(n) * torch.tensor(masses).double().sqrt() * KT**0.5
    return draw(4, 3) * 0.2, torch.rand(4, 1, generator=generator).double(), draw(n), p, masses


@pytest.mark.parametrize("loops", [1, 2])
def test_values_and_derivatives_agree_with_the_plain_form(inputs, loops):
    momenta, inverse_mass, x, p, masses = inputs
    results = []
    for form in ("floats", "plain"):
        leaves = [t.clone().requires_grad_() for t in (momenta, x, p)]
        q, a, b = leaves
        if form == "floats":
            twice = (q * q * inverse_mass).sum()
            scale, a, b = chain_step(twice, a, b, masses, 12, KT, 0.004, loops)
            outputs = (q * scale, a, b)
        else:
            outputs = plain_chain(q, inverse_mass, a, b, masses, 12, 0.004, loops)
        weighted = sum((torch.arange(1.0, t.numel() + 1) * t.flatten()).sum() for t in outputs)
        results.append((outputs, torch.autograd.grad(weighted, leaves)))
    for found, expected in zip(*results, strict=True):
        for one, two in zip(found, expected, strict=True):
            assert torch.allclose(one, two, rtol=1e-12, atol=1e-14)


def test_a_negative_duration_is_the_inverse(inputs):
    momenta, inverse_mass, x, p, masses = inputs
    twice = (momenta * momenta * inverse_mass).sum()
    scale, there_x, there_p = chain_step(twice, x, p, masses, 12, KT, 0.01)
    back, here_x, here_p = chain_step(twice * scale**2, there_x, there_p, masses, 12, KT, -0.01)
    assert abs(float(scale) - 1.0) > 1e-3
    assert float(scale * back) == pytest.approx(1.0, abs=1e-13)
    assert torch.allclose(here_x, x, rtol=0, atol=1e-12)
    assert torch.allclose(here_p, p, rtol=0, atol=1e-15)


def test_the_extended_energy_is_conserved_to_fourth_order(inputs):
    momenta, inverse_mass, x, p, masses = inputs

    def error(n):
        twice, a, b = (momenta * momenta * inverse_mass).sum(), x, p
        start = 0.5 * twice + chain_energy(a, b, masses, 12, KT)
        for _ in range(n):
            scale, a, b = chain_step(twice, a, b, masses, 12, KT, 0.02 / n)
            twice = twice * scale**2
        return abs(float(0.5 * twice + chain_energy(a, b, masses, 12, KT) - start))

    assert 3.0 < math.log2(error(8) / error(16)) < 5.5


def test_an_overflow_gives_infinity_instead_of_an_exception():
    huge = torch.tensor([1e10, 1e10]).double()
    scale, _, p = chain_step(torch.tensor(1e30).double(), huge, -huge, [1e-5, 1e-5], 12, KT, 0.5)
    assert not math.isfinite(float(scale)) or not bool(torch.isfinite(p).all())
