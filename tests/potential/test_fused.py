"""The kernels against the same network in torch, for every kind of processor at hand."""

from contextlib import nullcontext

import pytest
import torch
from contract import SYMBOLS, distorted

from ocvf_lmp.potential import fused, kernels
from ocvf_lmp.potential.blocks import DimeNetSize
from ocvf_lmp.potential.dimenet import DimeNet
from ocvf_lmp.potential.protocol import Exchange
from ocvf_lmp.seeding import normal, stream
from ocvf_lmp.system.edges import Edges
from ocvf_lmp.system.neighbors import build_neighbors, edges_from

needs_library = pytest.mark.skipif(kernels.library() is None, reason="kernels were not built")
SIZES = {
    "whole lanes": DimeNetSize(),
    "the correction's": DimeNetSize(n_features=16, n_angular=8),
    "odd": DimeNetSize(cutoff=4.2, n_features=10, n_angular=5, n_radial=7, l_max=2),
    "wide, high order": DimeNetSize(4.5, n_features=40, n_angular=20, n_radial=9, l_max=5),
    "no order": DimeNetSize(n_features=8, n_angular=3, n_radial=3, l_max=0),
    "no block": DimeNetSize(n_features=9, n_blocks=0),
}


def network(size: DimeNetSize, dtype=torch.float64, symbols=SYMBOLS) -> DimeNet:
    """Biases are not zero, so that none can be forgotten."""
    net = DimeNet(symbols, size, stream(0, "weights"))
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if parameter.dim() < 2:
                parameter.add_(0.3 * normal(tuple(parameter.shape), stream(1, name)))
    return net.to(dtype)


def edges_of(structure, cutoff, dtype=torch.float64) -> Edges:
    neighbors = build_neighbors(structure.positions, structure.cell, cutoff, 0.5)
    edges = edges_from(neighbors, structure.positions, structure.cell)
    return Edges(edges.center, edges.neighbor, edges.vector.to(dtype), edges.reverse)


def energies_and_forces(net, edges: Edges, species, exchange=None, by_kernels=True):
    vector = edges.vector.detach().clone().requires_grad_(True)
    used = Edges(edges.center, edges.neighbor, vector, edges.reverse)
    with nullcontext() if by_kernels else fused.torch_alone():
        energies = net.atom_energies(used, species, exchange)
    assert ("Sums" in _graph(energies)) == by_kernels
    (slope,) = torch.autograd.grad(energies.sum(), vector)
    forces = torch.zeros(len(species), 3, dtype=vector.dtype)
    forces = forces.index_add(0, edges.center, slope).index_add(0, edges.neighbor, -slope)
    return energies.detach(), forces, vector.detach().T @ slope


def _graph(tensor) -> str:
    """Names of the operations behind a tensor."""
    names, todo, seen = [], [tensor.grad_fn], set()
    while todo:
        node = todo.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        names.append(node.name())
        todo.extend(following for following, _ in node.next_functions)
    return " ".join(names)


def differences(net, edges, species, exchange=None) -> list[float]:
    """Largest deviations of energies, forces and virial, relative to the largest of each."""
    ours = energies_and_forces(net, edges, species, exchange)
    plain = energies_and_forces(net, edges, species, exchange, by_kernels=False)
    return [float((a - b).abs().max() / b.abs().max()) for a, b in zip(ours, plain, strict=True)]


@needs_library
@pytest.mark.parametrize("kind", ["plain", "avx2", "avx512"])
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
def test_kernels_equal_torch(size, kind, monkeypatch):
    monkeypatch.setenv("OCVF_KERNELS", kind)
    if kernels.variant() != kind:
        pytest.skip(f"this processor has no {kind}")
    s = distorted((2, 2, 1))
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 1e-4)):
        net, edges = network(size, dtype), edges_of(s, size.cutoff, dtype)
        assert max(differences(net, edges, s.species)) < tolerance


def with_ghosts(structure, edges: Edges):
    """As a host lists them: every edge leads to a ghost of its own, in any order.

    The last owned atom has no neighbours.
    """
    order = torch.randperm(len(edges.center), generator=stream(5, "order"))
    n_owned = structure.n_atoms + 1
    owner = torch.cat([torch.arange(n_owned), edges.neighbor[order]])
    species = torch.cat([structure.species, structure.species[:1]])[owner]
    exchange = Exchange(
        lambda rows: rows[owner], lambda rows: torch.zeros_like(rows).index_add(0, owner, rows)
    )
    ghosts = n_owned + torch.arange(len(order))
    return Edges(edges.center[order], ghosts, edges.vector[order]), species, exchange


@needs_library
def test_ghosts_unsorted_edges_and_lonely_atoms():
    s, net = distorted((2, 1, 1)), network(DimeNetSize(n_features=12, n_angular=6))
    listed, species, exchange = with_ghosts(s, edges_of(s, net.cutoff))
    assert max(differences(net, listed, species, exchange)) < 1e-12


@needs_library
def test_edges_at_the_cutoff_do_not_count():
    net = network(DimeNetSize(n_features=8, n_angular=4))
    pair = torch.tensor([0, 1]), torch.tensor([1, 0])
    for length in (net.cutoff, net.cutoff + 1e-9, 3.0 * net.cutoff):
        vector = torch.tensor([[length, 0, 0], [-length, 0, 0]], dtype=torch.float64)
        edges = Edges(*pair, vector, torch.tensor([1, 0]))
        energies, forces, _ = energies_and_forces(net, edges, torch.tensor([0, 1]))
        alone = energies_and_forces(net, edges, torch.tensor([0, 1]), by_kernels=False)[0]
        assert torch.allclose(energies, alone, atol=1e-14)
        assert float(forces.abs().max()) == 0.0


@needs_library
def test_new_weights_are_noticed():
    s, net = distorted(), network(DimeNetSize(n_features=8, n_angular=4))
    edges = edges_of(s, net.cutoff)
    before = energies_and_forces(net, edges, s.species)[0]
    with torch.no_grad():
        net.blocks[0].update.weight.mul_(1.5)  # pyright: ignore
    after = energies_and_forces(net, edges, s.species)[0]
    assert float((after - before).abs().max()) > 1e-3
    assert max(differences(net, edges, s.species)) < 1e-12
    for seed in range(5):  # storage that is given up and taken again may have the same address
        for parameter in net.parameters():
            parameter.data = normal(tuple(parameter.shape), stream(seed, "new"))
        assert max(differences(net, edges, s.species)) < 1e-12


def test_torch_takes_over_where_kernels_cannot(monkeypatch):
    s = distorted()
    deep = network(DimeNetSize(n_features=8, n_angular=4, n_blocks=2))
    shallow = network(DimeNetSize(n_features=8, n_angular=4))
    edges = edges_of(s, deep.cutoff)
    with torch.no_grad():
        assert not fused.applies(deep, edges.vector)
        expected = shallow.atom_energies(edges, s.species)
        kernels.library.cache_clear()
        monkeypatch.setenv("OCVF_KERNELS", "none")
        assert kernels.variant() == "torch"
        assert torch.allclose(shallow.atom_energies(edges, s.species), expected, atol=1e-12)
    kernels.library.cache_clear()
