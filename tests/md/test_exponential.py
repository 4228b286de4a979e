import numpy as np
import pytest
import torch
from scipy.linalg import expm, expm_frechet

from ocvf_lmp.md.exponential import exponentials

torch.manual_seed(0)
RANDOM = torch.randn(3, 3, dtype=torch.float64)
CASES = {
    "zero": torch.zeros(3, 3).double(),
    "degenerate": 0.3 * torch.eye(3).double(),
    "tiny": 1e-6 * RANDOM,
    "small": 3e-3 * (RANDOM + RANDOM.T),
    "unit": RANDOM,
    "large": 6.0 * (RANDOM + RANDOM.T),
}


def block(x):
    """[[X, 1], [0, 0]]; the upper right block of its exponential is φ(X)."""
    top = np.concatenate([x, np.eye(len(x))], axis=1)
    return np.concatenate([top, np.zeros_like(top)])


@pytest.mark.parametrize("name", CASES)
def test_values_agree_with_the_scaling_and_squaring_of_scipy(name):
    exponential, phi = exponentials(CASES[name])
    x = CASES[name].numpy()
    tolerance = 1e-14 * (1.0 + np.abs(x).sum())
    assert np.abs(exponential.numpy() - expm(x)).max() < tolerance * np.abs(expm(x)).max()
    expected = expm(block(x))[:3, 3:]
    assert np.abs(phi.numpy() - expected).max() < tolerance * np.abs(expected).max()


@pytest.mark.parametrize("name", CASES)
def test_derivatives_agree_with_those_of_scipy_and_are_finite_at_degenerate_eigenvalues(name):
    weights = torch.randn(2, 3, 3, dtype=torch.float64)
    x = CASES[name].clone().requires_grad_()
    (found,) = torch.autograd.grad(exponentials(x), x, tuple(weights))
    of_exponential = expm_frechet(CASES[name].numpy().T, weights[0].numpy())[1]
    embedded = np.zeros((6, 6))
    embedded[:3, 3:] = weights[1].numpy()
    of_phi = expm_frechet(block(CASES[name].numpy()).T, embedded)[1][:3, :3]
    expected = of_exponential + of_phi
    assert bool(torch.isfinite(found).all())
    tolerance = 2e-14 * (1.0 + float(CASES[name].abs().sum()))
    assert np.abs(found.numpy() - expected).max() < tolerance * np.abs(expected).max()


def test_a_matrix_that_is_not_a_number_gives_not_a_number_instead_of_an_endless_loop():
    exponential, _ = exponentials(torch.full((3, 3), float("nan")).double())
    assert bool(torch.isnan(exponential).all())
