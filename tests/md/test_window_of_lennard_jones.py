"""Trust of windows against the scatter of their gradients, in the solid of `benchmarks/`."""

import sys

import pytest
import torch

from ocvf_lmp.md.adjoint import adjoint_gradient
from ocvf_lmp.md.horizon import horizon
from ocvf_lmp.md.lyapunov import largest_exponent
from ocvf_lmp.md.rollout import rollout
from ocvf_lmp.seeding import normal, stream

RESPONSE = 0.0772
"""-d<V>/dε by Monte Carlo (benchmarks/README.md)."""


@pytest.fixture
def lj(root, monkeypatch):
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    import lennard_jones

    yield lennard_jones
    del sys.modules["lennard_jones"]


@pytest.mark.slow
def test_windows_are_trusted_until_their_scatter_exceeds_the_response(lj):
    params, model = lj.parameters(200), lj.LennardJones()
    state = rollout(model, lj.SPECIES, lj.start(params, 3), params, 1000).state
    noise = normal((lj.N_ATOMS, 3), stream(1, "shadow"))
    exponent, state = largest_exponent(model, lj.SPECIES, state, params, 2000, noise)
    # jax-md's gradients of the same solid scatter e times as far every 110 steps or so
    assert exponent.rate * 110 * params.timestep == pytest.approx(1.0, abs=0.15)
    found = {25: [], 100: [], 800: []}
    for _ in range(5):
        state = rollout(model, lj.SPECIES, state, params, 300).state
        for window, results in found.items():
            gradient = adjoint_gradient(
                model, lj.SPECIES, state, params, window, lj.observe, lj.loss, 5, lyapunov=exponent
            )
            results.append(gradient)
    for window, results in found.items():
        scatter = float(torch.tensor([float(r.gradients["depth"]) for r in results]).std())
        trusted = [r.horizon.trusted for r in results]
        alone = [horizon(r.adjoint_norm, params.timestep).trusted for r in results]
        if window < 800:
            assert all(trusted)
            assert all(alone)
            assert scatter < RESPONSE
        else:
            assert not any(trusted)
            assert sum(alone) < len(alone) / 2
            assert scatter > 2 * RESPONSE
