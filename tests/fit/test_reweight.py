"""Gradients from fluctuations, on a bond whose ensemble is known exactly."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from ocvf_lmp.errors import InputError
from ocvf_lmp.fit.ensemble import energies_of, ensemble_of, sample, weights_of
from ocvf_lmp.fit.estimate import GradientEstimate
from ocvf_lmp.fit.fluctuations import averages, energy_slopes, fluctuations, together
from ocvf_lmp.fit.reweight import pooled_gradient, reweighted_gradient
from ocvf_lmp.md.engine import Twin
from ocvf_lmp.md.parameters import NptParameters
from ocvf_lmp.md.state import initial_state
from ocvf_lmp.seeding import normal, stream
from ocvf_lmp.units import KB

KT, STIFFNESS = 0.025, 2.0
TEMPERATURE = KT / KB
SPECIES = torch.zeros(2, dtype=torch.long)
CELL = 40.0 * torch.eye(3, dtype=torch.float64)


class Bond(nn.Module):
    """Half k r² of all pairs: <r²> = 3 kT/k for two atoms in a large cell."""

    cutoff, n_hops, symbols = 8.0, 1, ("Ar",)

    def __init__(self, stiffness=STIFFNESS):
        super().__init__()
        self.stiffness = nn.Parameter(torch.tensor([stiffness], dtype=torch.float64))
        self.offset = nn.Parameter(torch.zeros((), dtype=torch.float64))

    def atom_energies(self, edges, species, exchange=None):
        """Energy of each atom."""
        square = edges.vector.square().sum(dim=1)
        half = torch.zeros(len(species), dtype=square.dtype).index_add(0, edges.center, square)
        return 0.25 * self.stiffness * half + self.offset

    def energy(self, edges, species):
        """Total energy."""
        return self.atom_energies(edges, species).sum()


def observe(positions, cell):
    return {"square": (positions[1] - positions[0]).square().sum()}


def loss(means):
    return 3.0 * means["square"] ** 2


def drawn(seed, n_frames=120, stiffness=STIFFNESS):
    """Independent frames of the exact ensemble."""
    bond = (KT / stiffness) ** 0.5 * normal((n_frames, 3), stream(seed, "bond"))
    positions = torch.stack([torch.full_like(bond, 20.0), 20.0 + bond], dim=1)
    cells = CELL.expand(n_frames, 3, 3)
    energies = 0.5 * stiffness * bond.square().sum(dim=1)
    return ensemble_of(positions, cells, energies, observe)


def gradient(seed, **options):
    return reweighted_gradient(Bond(), SPECIES, drawn(seed, **options), TEMPERATURE, loss)


def energies(ensemble, stiffness=STIFFNESS):
    return energies_of(Bond(stiffness), SPECIES, ensemble.positions, ensemble.cells)


MEAN = 3.0 * KT / STIFFNESS
EXACT = 2.0 * 3.0 * MEAN * (-MEAN / STIFFNESS)
"""dL/dk = 2 · 3 <r²> d<r²>/dk, d<r²>/dk = -<r²>/k."""


def test_mean_of_many_gradients_is_the_exact_one_and_their_scatter_what_each_claims():
    found = [gradient(seed) for seed in range(50)]
    values = torch.stack([f.gradients["stiffness"] for f in found]).squeeze()
    errors = torch.stack([f.errors["stiffness"] for f in found]).squeeze()
    scatter = float(values.std())
    assert abs(float(values.mean()) - EXACT) < 4.0 * scatter / len(values) ** 0.5
    assert scatter == pytest.approx(float(errors.square().mean().sqrt()), rel=0.35)
    assert all(f.gradients["stiffness"].shape == (1,) for f in found)


def part(seed, n_frames=120):
    return fluctuations(Bond(), SPECIES, drawn(seed, n_frames), TEMPERATURE)


def test_runs_are_pooled_before_the_loss_is_taken():
    """The loss is that of the mean over runs, and the gradient's bias that of all frames."""
    parts = [part(seed, 40) for seed in range(3)]
    found = pooled_gradient(parts, TEMPERATURE, loss)
    means = torch.stack([p.observables["square"].mean() for p in parts])
    assert found.observables["square"].item() == pytest.approx(float(means.mean()), rel=1e-12)
    assert found.loss == pytest.approx(3.0 * float(means.mean()) ** 2, rel=1e-12)
    each = [torch.cov(torch.stack([p.observables["square"], p.slopes["stiffness"][:, 0]]))[0, 1]
            for p in parts]  # fmt: skip
    expected = -6.0 * means.mean() * torch.stack(each).mean() / KT
    assert found.gradients["stiffness"].item() == pytest.approx(float(expected), rel=1e-10)


def test_the_error_of_pooled_runs_is_their_scatter():
    found = [
        pooled_gradient([part(100 * k + s, 60) for s in range(4)], TEMPERATURE, loss)
        for k in range(40)
    ]
    values = torch.stack([f.gradients["stiffness"] for f in found]).squeeze()
    errors = torch.stack([f.errors["stiffness"] for f in found]).squeeze()
    scatter = float(values.std())
    assert abs(float(values.mean()) - EXACT) < 4.0 * scatter / len(values) ** 0.5
    assert scatter == pytest.approx(float(errors.square().mean().sqrt()), rel=0.35)
    losses = torch.tensor([f.loss for f in found])
    claimed = [f.jackknife.errors(lambda means: {"loss": loss(means)})["loss"] for f in found]
    of_losses = float(torch.tensor(claimed).square().mean().sqrt())
    assert float(losses.std()) == pytest.approx(of_losses, rel=0.35)


def test_earlier_samples_add_to_what_counts_and_bias_nothing():
    """Frames of a bond 1.5 times as stiff, beside fresh ones: <r²> is right, its error smaller."""
    means, alone, claimed = [], [], []
    for seed in range(60):
        fresh = part(seed, 60)
        stiffer = drawn(1000 + seed, 60, 1.5 * STIFFNESS)
        earlier = fluctuations(Bond(), SPECIES, stiffer, TEMPERATURE)
        both = together([fresh, earlier])
        assert float(both.weights.sum()) == pytest.approx(1.0, rel=1e-12)
        counting = fresh.n_frames + earlier.effective * earlier.n_frames
        assert both.effective * both.n_frames == pytest.approx(counting, rel=1e-9)
        assert both.supply == pytest.approx(counting / fresh.n_frames, rel=1e-9)
        claimed.append(both.supply)
        means.append(averages([both])["square"])
        alone.append(averages([fresh])["square"])
    scatter = torch.stack(means).std()
    assert abs(float(torch.stack(means).mean()) - MEAN) < 4.0 * float(scatter) / 60**0.5
    gain = float(torch.stack(alone).var() / scatter.square())
    assert 1.1 < gain < 2.5
    assert gain == pytest.approx(sum(claimed) / 60, rel=0.4)
    assert together([fresh]) is fresh


def test_what_observables_contain_themselves_is_averaged_over_samples():
    samples = [
        replace(part(seed, n), explicit={"p": {"k": torch.full((2, 3), float(seed))}})
        for seed, n in ((1, 30), (2, 90))
    ]
    both = together(samples)
    assert torch.allclose(both.explicit["p"]["k"], torch.full((2, 3), 0.25 * 1 + 0.75 * 2))
    assert both.fresh == pytest.approx(0.25)


def test_one_block_for_each_of_many_runs():
    found = pooled_gradient([part(s, 20) for s in range(10)], TEMPERATURE, loss)
    assert 0.0 < found.error < abs(EXACT)


def test_the_penalty_on_the_relative_entropy_has_the_exact_gradient():
    """ΔH of stiffness k' - k over a spring k: D = 3/2 (r - 1 - ln r), r = k/k'."""
    prior, corrected = STIFFNESS, 2.6
    frames = drawn(11, n_frames=20000, stiffness=corrected)
    delta = Bond(corrected - prior)
    energies = energies_of(delta, SPECIES, frames.positions, frames.cells)
    own = fluctuations(delta, SPECIES, replace(frames, energies=energies), TEMPERATURE)
    found = pooled_gradient(
        [own], TEMPERATURE, lambda means: 0.0 * means["square"], entropy_weight=2.0
    )
    exact = 2.0 * 1.5 * (1.0 / corrected - prior / corrected**2)
    value, error = found.gradients["stiffness"].item(), found.errors["stiffness"].item()
    assert abs(value - exact) < 3.5 * error < 0.3 * exact


def test_a_constant_energy_has_no_gradient():
    found = gradient(1)
    assert float(found.gradients["offset"].abs()) < 1e-12
    assert found.gradients["offset"].shape == ()


def test_equal_weights_give_the_covariance():
    ensemble = drawn(3)
    found = reweighted_gradient(Bond(), SPECIES, ensemble, TEMPERATURE, loss)
    square = ensemble.observables["square"]
    covariance = torch.cov(torch.stack([square, 0.5 * square]))[0, 1]
    expected = -6.0 * square.mean() * covariance / KT
    assert found.gradients["stiffness"].item() == pytest.approx(float(expected), rel=1e-10)
    assert found.notes["effective"] == pytest.approx(1.0)
    assert not found.refusal


def test_frames_of_one_stiffness_give_averages_and_gradients_at_another():
    other = 2.4
    ensemble = drawn(5, n_frames=2500)
    found = reweighted_gradient(
        Bond(other), SPECIES, ensemble, TEMPERATURE, loss, min_effective=0.5
    )
    mean = 3.0 * KT / other
    assert found.observables["square"].item() == pytest.approx(mean, rel=0.06)
    exact = -6.0 * mean * mean / other
    value, error = found.gradients["stiffness"].item(), found.errors["stiffness"].item()
    assert abs(value - exact) < 3.0 * error < 0.3 * abs(exact)


def test_effective_sample_size_is_the_exact_one_and_too_few_frames_are_refused():
    """<w>²/<w²> of three-dimensional Gaussians of stiffness k at stiffness k'."""
    other = 3.0
    ensemble = drawn(7, n_frames=3000)
    _, effective = weights_of(ensemble, energies(ensemble, other), TEMPERATURE)
    # <exp(-x²(k'-k)/2kT)> = (k/k')^(3/2);  <its square> = (k/(2k'-k))^(3/2)
    exact = ((STIFFNESS / other) ** 2 / (STIFFNESS / (2 * other - STIFFNESS))) ** 1.5
    assert effective == pytest.approx(exact, rel=0.05)
    found = reweighted_gradient(Bond(other), SPECIES, ensemble, TEMPERATURE, loss)
    assert "frames count" in found.refusal


def test_slopes_are_the_derivatives_of_the_energies():
    ensemble, h = drawn(2, n_frames=16), 1e-5
    found = energy_slopes(Bond(), SPECIES, ensemble)
    high, low = (energies(ensemble, STIFFNESS + s) for s in (h, -h))
    assert torch.allclose(found.slopes["stiffness"][:, 0], (high - low) / (2 * h), rtol=1e-8)
    assert torch.allclose(found.energies, ensemble.energies, rtol=1e-12)


def test_too_few_frames_for_an_error_are_refused():
    with pytest.raises(InputError, match="at least 16 frames"):
        gradient(1, n_frames=15)


def test_the_twin_samples_the_frames_of_its_run():
    noise = normal((2, 3), stream(1, "momenta"))
    positions = torch.tensor([[20.0, 20, 20], [21.0, 20.05, 20]], dtype=torch.float64)
    params = NptParameters(temperature=TEMPERATURE, timestep=0.001, mode="fixed")
    masses = torch.full((2,), 39.9, dtype=torch.float64)
    state = initial_state(positions, CELL, masses, params, noise)
    seen = []
    ensemble, end = sample(
        Twin(), Bond(), Bond(), SPECIES, state, params, 20, 5, observe,
        lambda frame: seen.append(frame.step),
    )  # fmt: skip
    assert seen == [5, 10, 15, 20]
    assert torch.equal(ensemble.positions[-1], end.positions)
    assert torch.allclose(
        ensemble.energies,
        energies(ensemble),
        rtol=1e-12,
        atol=1e-15,
    )
    with pytest.raises(InputError, match="at least one frame"):
        sample(Twin(), Bond(), Bond(), SPECIES, state, params, 3, 5, observe)


def test_signal_to_noise_is_freed_of_what_noise_adds_to_the_norm():
    gradients = {"a": torch.tensor([3.0]), "b": torch.tensor([4.0])}
    errors = {"a": torch.tensor([3.0]), "b": torch.tensor([0.0])}
    found = GradientEstimate(1.0, gradients, errors, {}, 0.0)
    assert found.norm == 5.0
    assert found.signal_to_noise == pytest.approx(4.0 / 3.0)
