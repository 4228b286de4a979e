"""Relative entropy where it is known exactly: Gaussian ensembles."""

import math

import pytest
import torch

from ocvf_lmp.errors import InputError
from ocvf_lmp.fit.entropy import relative_entropy
from ocvf_lmp.seeding import normal, stream
from ocvf_lmp.units import KB

KT = 0.025
TEMPERATURE = KT / KB


def displacements(stiffness, n_frames, seed=1):
    return (KT / stiffness) ** 0.5 * normal((n_frames,), stream(seed, "x"))


def test_two_springs():
    """ρ_c of stiffness k', ρ_o of k: D = (r - 1 - ln r)/2 with r = k/k'."""
    prior, corrected = 2.0, 2.6
    x = displacements(corrected, 40000)
    value, error = relative_entropy(0.5 * (corrected - prior) * x**2, TEMPERATURE)
    ratio = prior / corrected
    exact = 0.5 * (ratio - 1.0 - math.log(ratio))
    assert abs(value - exact) < 3.0 * error < 0.1 * exact


def test_a_shifted_spring():
    """ΔH = -f x shifts the mean by f/k: D = (f/k)² k / 2kT."""
    stiffness, force = 2.0, 0.1
    x = displacements(stiffness, 40000) + force / stiffness
    value, error = relative_entropy(-force * x, TEMPERATURE)
    exact = force**2 / stiffness / (2.0 * KT)
    assert abs(value - exact) < 3.0 * error < 0.2 * exact


def test_a_constant_costs_nothing_and_the_zero_of_energy_does_not_matter():
    assert relative_entropy(torch.full((50,), 3.0), TEMPERATURE) == pytest.approx((0.0, 0.0))
    work = 0.01 * normal((100,), stream(3, "w"))
    near, far = (relative_entropy(work + shift, TEMPERATURE)[0] for shift in (0.0, 1e3))
    assert near == pytest.approx(far, rel=1e-9)
    assert near > 0.0


def test_too_few_frames_are_refused():
    with pytest.raises(InputError, match="at least 5 frames"):
        relative_entropy(torch.zeros(4), TEMPERATURE)
