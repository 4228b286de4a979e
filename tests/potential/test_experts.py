import math

import pytest
import torch
from contract import SYMBOLS, PotentialContract, distorted

from ocvf_lmp.errors import InputError
from ocvf_lmp.potential.blocks import DimeNetSize
from ocvf_lmp.potential.composite import Corrected
from ocvf_lmp.potential.dimenet import DimeNet
from ocvf_lmp.potential.experts import Experts, gate_weights
from ocvf_lmp.potential.weights import load_potential, save_potential
from ocvf_lmp.seeding import stream
from ocvf_lmp.system.neighbors import build_neighbors, edges_from

ANCHORS = (100.0, 150.0, 250.0, 300.0)


def expert(seed: int) -> DimeNet:
    size = DimeNetSize(cutoff=3.5, n_features=6, n_angular=4, n_radial=4, l_max=2)
    return DimeNet(SYMBOLS, size, stream(seed, "expert"))


def experts(temperature: float | None = None, width: float = 30.0) -> Experts:
    return Experts([expert(k) for k in range(4)], ANCHORS, width, temperature)


class TestExperts(PotentialContract):
    @pytest.fixture
    def potential(self):
        return experts(205.0)


@pytest.mark.parametrize("width", [1.0, 20.0, 80.0])
@pytest.mark.parametrize(
    "temperature", [3.0, 100.0, 101.0, 124.9, 150.0, 199.0, 275.0, 300.0, 900.0]
)
def test_weights_are_a_partition_of_unity_over_at_most_two_neighbours(temperature, width):
    weights = gate_weights(ANCHORS, width, temperature)
    assert sum(weights) == 1.0
    assert all(0.0 <= w <= 1.0 for w in weights)
    used = [k for k, w in enumerate(weights) if w > 0.0]
    assert len(used) <= 2
    assert used[-1] - used[0] <= 1


@pytest.mark.parametrize("temperature", [125.0, 124.0, 130.0, 148.0])
def test_weights_are_those_of_equation_15(temperature):
    """Where the kernel does not underflow; at σ = 1 K it does within a degree of the middle."""
    for width in (1.0, 5.0):
        log = [-(((temperature - t) / width) ** 2) for t in (100.0, 150.0)]
        exact = [1.0 / (1.0 + math.exp(min(log[1 - k] - log[k], 700.0))) for k in range(2)]
        found = gate_weights(ANCHORS, width, temperature)[:2]
        assert found == pytest.approx(exact, abs=1e-12)


def test_beyond_the_anchors_the_nearest_expert_acts_alone():
    assert gate_weights(ANCHORS, 30.0, 20.0) == [1.0, 0.0, 0.0, 0.0]
    assert gate_weights(ANCHORS, 30.0, 800.0) == [0.0, 0.0, 0.0, 1.0]


def test_halfway_between_anchors_both_count_the_same_and_the_weight_is_monotonous():
    assert gate_weights(ANCHORS, 30.0, 200.0)[1:3] == [0.5, 0.5]
    rising = [gate_weights(ANCHORS, 30.0, t)[2] for t in range(150, 251)]
    assert rising == sorted(rising)


@pytest.mark.parametrize("width", [5.0, 30.0, 200.0])
def test_the_gate_is_continuous_where_the_neighbours_change(width):
    for anchor in ANCHORS:
        near = [gate_weights(ANCHORS, width, anchor + shift) for shift in (-1e-9, 0.0, 1e-9)]
        assert near[1].count(1.0) == 1
        for weights in near:
            assert weights == pytest.approx(near[1], abs=1e-9)


def energies_at(model, temperature):
    s = distorted()
    edges = edges_from(build_neighbors(s.positions, s.cell, 4.0), s.positions, s.cell)
    model.set_temperature(temperature)
    return model.atom_energies(edges, s.species)


def test_energy_is_the_weighted_sum_and_beyond_the_range_one_expert():
    model = experts()
    parts = [expert(k) for k in range(4)]
    s = distorted()
    edges = edges_from(build_neighbors(s.positions, s.cell, 4.0), s.positions, s.cell)
    single = [p.atom_energies(edges, s.species) for p in parts]
    weights = gate_weights(ANCHORS, 30.0, 170.0)
    expected = weights[1] * single[1] + weights[2] * single[2]
    assert torch.allclose(energies_at(model, 170.0), expected, rtol=1e-12, atol=0)
    assert torch.equal(energies_at(model, 20.0), single[0])


def test_experts_survive_a_file_with_their_gate(tmp_path):
    prior = expert(9)
    model = Corrected(prior, experts(170.0))
    save_potential(tmp_path / "gated.pt", model, {"states": 4})
    loaded, _ = load_potential(tmp_path / "gated.pt")
    gate = loaded.correction
    assert (gate.anchors, gate.width, gate.temperature) == (ANCHORS, 30.0, 170.0)
    s = distorted()
    edges = edges_from(build_neighbors(s.positions, s.cell, 4.0), s.positions, s.cell)
    assert torch.equal(loaded.energy(edges, s.species), model.energy(edges, s.species))


@pytest.mark.parametrize(
    ("anchors", "width"),
    [((100.0, 150.0), 30.0), ((150.0, 100.0, 250.0, 300.0), 30.0), (ANCHORS, 0.0)],
)
def test_impossible_gates_are_refused(anchors, width):
    with pytest.raises(InputError, match="expected"):
        Experts([expert(k) for k in range(4)], anchors, width)


@pytest.mark.parametrize("temperature", [0.0, -3.0, math.nan, math.inf])
def test_impossible_temperatures_are_refused(temperature):
    with pytest.raises(InputError, match="temperature above 0 K"):
        experts().set_temperature(temperature)
