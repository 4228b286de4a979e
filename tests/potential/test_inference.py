"""Energies and slopes without a graph against those of the same potential in a graph of torch."""

import pytest
import torch
from contract import SYMBOLS, distorted
from test_fused import edges_of, network, with_ghosts

from ocvf_lmp.potential import fused, kernels
from ocvf_lmp.potential.blocks import DimeNetSize
from ocvf_lmp.potential.composite import Corrected, Sum
from ocvf_lmp.potential.experts import Experts
from ocvf_lmp.potential.inference import energies_and_slopes
from ocvf_lmp.potential.protocol import Exchange
from ocvf_lmp.potential.repulsion import Repulsion
from ocvf_lmp.system.edges import Edges

SMALL = DimeNetSize(n_features=10, n_angular=5)


def scaled(size: DimeNetSize, scale: float):
    net = network(size)
    with torch.no_grad():
        net.scale.fill_(scale)
        net.shift.copy_(torch.tensor([-3.0, 2.0, 0.5]))
    return net.requires_grad_(False)


def repulsion(outer: float) -> Repulsion:
    return Repulsion(SYMBOLS, torch.full((3, 3), outer, dtype=torch.float64))


def experts(temperature: float) -> Experts:
    parts = [scaled(SMALL, 0.3), scaled(DimeNetSize(n_features=12, n_angular=4), 0.7)]
    return Experts(parts, (100.0, 200.0), 60.0, temperature)


POTENTIALS = {
    "network": lambda: scaled(SMALL, 0.7),
    "without blocks": lambda: scaled(DimeNetSize(n_features=9, n_blocks=0), 0.7),
    "by torch": lambda: scaled(DimeNetSize(n_features=8, n_angular=4, n_blocks=2), 0.7),
    "one expert": lambda: experts(100.0),
    "two experts": lambda: experts(160.0),
    "repulsion, nothing close": lambda: repulsion(0.5),
    "repulsion": lambda: repulsion(2.4),
    "prior and correction": lambda: Corrected(
        Sum([scaled(SMALL, 0.7), repulsion(2.4)]), experts(130.0)
    ),
}


def by_graph(potential, edges: Edges, species, rows, exchange):
    vector = edges.vector.detach().clone().requires_grad_(True)
    moving = Edges(edges.center, edges.neighbor, vector)
    with fused.torch_alone():
        energies = potential.atom_energies(moving, species, exchange)[rows]
        (slopes,) = torch.autograd.grad(energies.sum(), vector)
    return energies.detach(), slopes


@pytest.mark.parametrize("make", POTENTIALS.values(), ids=POTENTIALS.keys())
@pytest.mark.parametrize("some", [False, True], ids=["all atoms", "some atoms"])
def test_equal_to_autograd(make, some):
    s, potential = distorted((2, 1, 1)), make()
    edges, species, exchange = with_ghosts(s, edges_of(s, 5.0))
    rows = torch.tensor([7, 2, 0]) if some else torch.arange(s.n_atoms + 1)
    expected = by_graph(potential, edges, species, rows, exchange)
    found = energies_and_slopes(potential, edges, species, rows, exchange)
    assert found[0].dtype == torch.float64
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.grad_fn is None
        torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("kind", ["plain", "avx2", "avx512"])
def test_equal_on_every_kind_of_processor(kind, monkeypatch):
    monkeypatch.setenv("OCVF_KERNELS", kind)
    if kernels.variant() != kind:
        pytest.skip(f"this processor has no {kind}, or kernels were not built")
    test_equal_to_autograd(POTENTIALS["prior and correction"], some=True)


def test_new_weights_are_noticed():
    s, potential = distorted((2, 1, 1)), POTENTIALS["network"]()
    edges, species, exchange = with_ghosts(s, edges_of(s, 5.0))
    rows = torch.arange(s.n_atoms + 1)
    before, _ = energies_and_slopes(potential, edges, species, rows, exchange)
    with torch.no_grad():
        potential.outputs[1].final.weight.mul_(1.5)
        potential.shift.add_(0.3)
    found = energies_and_slopes(potential, edges, species, rows, exchange)
    assert float((found[0] - before).abs().max()) > 0.1
    torch.testing.assert_close(found, by_graph(potential, edges, species, rows, exchange))


def test_single_precision_is_that_of_the_edges():
    s = distorted((2, 1, 1))
    edges, species, exchange = with_ghosts(s, edges_of(s, 5.0))
    rows = torch.arange(s.n_atoms + 1)
    exact = by_graph(POTENTIALS["prior and correction"](), edges, species, rows, exchange)
    potential = POTENTIALS["prior and correction"]().to(torch.float32)
    rough = Edges(edges.center, edges.neighbor, edges.vector.float())
    energies, slopes = energies_and_slopes(potential, rough, species, rows, exchange)
    assert (energies.dtype, slopes.dtype) == (torch.float64, torch.float32)
    torch.testing.assert_close(energies, exact[0], rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(slopes.double(), exact[1], rtol=1e-4, atol=1e-4)


def test_a_rank_without_atoms_exchanges_as_often_as_the_others():
    widths = []

    def send(rows):
        widths[-1].append(rows.shape[1])
        return rows

    s, potential = distorted(), POTENTIALS["prior and correction"]()
    exchange, edges = Exchange(send, send), edges_of(s, 5.0)
    nobody = torch.zeros(0, dtype=torch.int64)
    nothing = Edges(nobody, nobody, torch.zeros(0, 3, dtype=torch.float64))
    for here, rows in ((edges, torch.arange(s.n_atoms)), (nothing, nobody)):
        widths.append([])
        energies, slopes = energies_and_slopes(
            potential, here, s.species[: len(rows)], rows, exchange
        )
        assert (len(energies), len(slopes)) == (len(rows), len(here.center))
    assert len(widths[0]) == 2 * 3
    assert widths[0] == widths[1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_close_edges(dtype, monkeypatch):
    s = distorted((2, 1, 1))
    edges = edges_of(s, 5.0, dtype)
    limits = torch.tensor([[4.0, 3.5, 2.9], [3.5, 4.1, 2.0], [2.9, 2.0, 2.8]], dtype=torch.float64)
    pairs = kernels.Pairs(edges.center, edges.neighbor, s.species)
    length = edges.vector.norm(dim=1)
    kinds = zip(s.species[edges.center].tolist(), s.species[edges.neighbor].tolist(), strict=True)
    expected = [k for k, (i, j) in enumerate(kinds) if float(length[k]) < float(limits[i, j])]
    assert 0 < len(expected) < len(length)
    assert kernels.close_edges(pairs, edges.vector, limits).tolist() == expected
    monkeypatch.setattr(kernels, "library", lambda: None)
    assert kernels.close_edges(pairs, edges.vector, limits).tolist() == expected
