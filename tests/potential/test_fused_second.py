"""Derivatives of the kernels by weights, and second derivatives, against torch alone."""

from contextlib import nullcontext

import pytest
import torch
from contract import distorted
from test_fused import SIZES, needs_library, network

from ocvf_lmp.errors import InputError
from ocvf_lmp.md.mechanics import evaluate, pull_back
from ocvf_lmp.potential import fused, kernels
from ocvf_lmp.potential.along import energy_along
from ocvf_lmp.potential.blocks import DimeNetSize
from ocvf_lmp.potential.composite import Corrected
from ocvf_lmp.potential.experts import Experts
from ocvf_lmp.potential.repulsion import Repulsion
from ocvf_lmp.seeding import normal, stream
from ocvf_lmp.system.edges import Edges
from ocvf_lmp.system.neighbors import build_neighbors, edges_from

pytestmark = needs_library
TINY = DimeNetSize(cutoff=4.2, n_features=5, n_angular=3, n_radial=3, l_max=2)


def deviation(ours, plain) -> float:
    """Largest difference, relative to the largest number of each tensor."""
    assert len(ours) == len(plain)
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(ours, plain, strict=True))


def alone(used: bool):
    return nullcontext() if used else fused.torch_alone()


def moving(s, cutoff, dtype=torch.float64) -> tuple[list, Edges]:
    """Positions and cell, and edges that move with them.

    Gradients by the vector of a single edge have no meaning where an edge and its reverse are one
    and the same pair: they may be shared between the two in any way.
    """
    leaves = [t.clone().requires_grad_(True) for t in (s.positions, s.cell)]
    edges = edges_from(build_neighbors(s.positions, s.cell, cutoff, 0.5), *leaves)
    return leaves, Edges(edges.center, edges.neighbor, edges.vector.to(dtype), edges.reverse)


def by_parameters(net, s, dtype, by_kernels):
    with alone(by_kernels):
        leaves, edges = moving(s, net.cutoff, dtype)
        energies = net.atom_energies(edges, s.species)
        return torch.autograd.grad(energies.square().sum(), [*leaves, *net.parameters()])


def by_forces(net, s, dtype, by_kernels):
    """Of a function of energies and forces."""
    with alone(by_kernels):
        leaves, edges = moving(s, net.cutoff, dtype)
        energies = net.atom_energies(edges, s.species)
        (forces,) = torch.autograd.grad(energies.sum(), leaves[:1], create_graph=True)
        value = forces.square().sum() + energies.square().sum()
        return torch.autograd.grad(value, [*leaves, *net.parameters()])


def by_direction(net, s, dtype, by_kernels):
    """Of the derivative along a direction that depends on the edges."""
    with alone(by_kernels):
        leaves, edges = moving(s, net.cutoff, dtype)
        turned = normal((3, 3), stream(3, "direction")).to(dtype)
        value = energy_along(net, edges, edges.vector @ turned, s.species)
        wanted = [*leaves, *net.parameters()]
        found = torch.autograd.grad(value, wanted, allow_unused=True)
        return [value.detach(), *(f for f in found if f is not None)]


@pytest.mark.parametrize("kind", ["plain", "avx2", "avx512"])
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
def test_derivatives_equal_those_of_torch(size, kind, monkeypatch):
    monkeypatch.setenv("OCVF_KERNELS", kind)
    if kernels.variant() != kind:
        pytest.skip(f"this processor has no {kind}")
    s = distorted()
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 3e-4)):
        net = network(size, dtype)
        for derivatives in (by_parameters, by_forces, by_direction):
            found = (derivatives(net, s, dtype, used) for used in (True, False))
            assert deviation(*found) < tolerance, (dtype, derivatives.__name__)


def composite():
    prior, correction = network(TINY), network(DimeNetSize(4.0, 6, 3, 4, 1, 0))
    outer = torch.full((len(prior.symbols),) * 2, 2.5, dtype=torch.float64)
    experts = Experts([correction, network(TINY)], (100.0, 300.0), 100.0, 180.0)
    return Corrected(Corrected(prior, Repulsion(prior.symbols, outer)), experts)


def test_the_way_back_from_forces_and_virial_of_a_composite():
    s, potential = distorted((2, 1, 1)), composite()
    neighbors = build_neighbors(s.positions, s.cell, potential.cutoff)
    given = normal((s.n_atoms, 3), stream(4, "forces")), normal((3, 3), stream(5, "virial"))
    parameters = [p for p in potential.parameters() if p.requires_grad]
    assert parameters
    found = pull_back(potential, s.species, s.positions, s.cell, neighbors, *given, parameters)
    for by_kernels in (True, False):
        with alone(by_kernels):
            leaves = [t.clone().requires_grad_(True) for t in (s.positions, s.cell)]
            m = evaluate(potential, s.species, *leaves, neighbors, create_graph=True)
            expected = torch.autograd.grad(
                [m.forces, m.virial], [*leaves, *parameters], given, allow_unused=True
            )
        assert [f is None for f in found] == [e is None for e in expected]
        pairs = [(f, e) for f, e in zip(found, expected, strict=True) if e is not None]
        assert deviation(*zip(*pairs, strict=True)) < 1e-12


def test_numerical_derivatives():
    net, species = network(TINY).requires_grad_(False), torch.tensor([0, 1, 2])
    center, neighbor = torch.tensor([0, 0, 1, 1, 2]), torch.tensor([1, 2, 0, 2, 0])

    def sums(vector):
        return fused.message_sums(net, Edges(center, neighbor, vector), species)

    def along(vector, direction):
        return fused.sums_along(net, Edges(center, neighbor, vector), direction, species)

    vector, direction = (
        (1.5 * normal((5, 3), stream(6, name))).requires_grad_(True) for name in "vd"
    )
    assert torch.autograd.gradcheck(sums, (vector,))
    assert torch.autograd.gradgradcheck(sums, (vector,))
    assert torch.autograd.gradcheck(along, (vector, direction))


def test_what_the_kernels_do_not_give_is_refused():
    s, net = distorted(), network(TINY)
    edges = moving(s, net.cutoff)[1]
    energy = net.energy(edges, s.species)
    (slope,) = torch.autograd.grad(energy, edges.vector, create_graph=True)
    (curvature,) = torch.autograd.grad(slope.square().sum(), edges.vector, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        curvature.square().sum().backward()
    weight = net.embed_dense.weight
    (by_weight,) = torch.autograd.grad(net.energy(edges, s.species), weight, create_graph=True)
    with pytest.raises(InputError, match="torch_alone"):
        by_weight.square().sum().backward()
    with fused.torch_alone():
        (by_weight,) = torch.autograd.grad(net.energy(edges, s.species), weight, create_graph=True)
        by_weight.square().sum().backward()
    assert float(weight.grad.abs().max()) > 0.0


def test_gradients_by_parameters_are_left_out_on_request():
    s, net = distorted(), network(TINY)
    edges = moving(s, net.cutoff)[1]
    energy, weight = net.energy(edges, s.species), net.embed_dense.weight
    with fused.of_vectors_alone():
        (slope,) = torch.autograd.grad(energy, edges.vector, create_graph=True)
    mixed = torch.autograd.grad(slope.square().sum(), [edges.vector, weight])
    assert min(float(m.abs().max()) for m in mixed) > 0.0
