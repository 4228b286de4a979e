import pytest
import torch
from contract import SYMBOLS, PotentialContract, distorted
from triplets import atom_energies as by_triplets

from ocvf_lmp.errors import InputError
from ocvf_lmp.potential.angular import SphericalHarmonics
from ocvf_lmp.potential.blocks import DimeNetSize
from ocvf_lmp.potential.dimenet import DimeNet
from ocvf_lmp.potential.protocol import Exchange
from ocvf_lmp.potential.radial import envelope
from ocvf_lmp.seeding import normal, stream
from ocvf_lmp.system.edges import Edges
from ocvf_lmp.system.neighbors import build_neighbors, edges_from

SMALL = DimeNetSize(cutoff=4.2, n_features=12, n_angular=6, n_radial=5, l_max=3, n_blocks=2)


def network(size=SMALL, **options) -> DimeNet:
    return DimeNet(SYMBOLS, size, stream(0, "weights"), **options)


class TestDimeNet(PotentialContract):
    @pytest.fixture
    def potential(self):
        return network()


def edges_of(structure, cutoff):
    neighbors = build_neighbors(structure.positions, structure.cell, cutoff)
    return edges_from(neighbors, structure.positions, structure.cell)


@pytest.mark.parametrize("order", range(6))
def test_addition_theorem_has_no_factor(order):
    a, b = torch.nn.functional.normalize(normal((2, 20, 3), stream(1, "unit")), dim=-1)
    harmonics = SphericalHarmonics(order).double()
    product = (harmonics(a)[order] * harmonics(b)[order]).sum(dim=-1)
    expected = torch.special.legendre_polynomial_p((a * b).sum(dim=-1), order)
    assert torch.allclose(product, expected, atol=1e-13)
    assert harmonics(a)[order].shape[-1] == 2 * order + 1


def test_envelope_and_its_first_three_derivatives_vanish_at_the_cutoff():
    x = torch.tensor(1.0 - 1e-12, dtype=torch.float64, requires_grad=True)
    value = envelope(x)
    for _ in range(4):
        assert abs(float(value.detach())) < 1e-8
        (value,) = torch.autograd.grad(value, x, create_graph=True)
    assert float(envelope(torch.tensor(0.0, dtype=torch.float64))) == 1.0
    assert float(envelope(torch.tensor(1.3, dtype=torch.float64))) == 0.0


def test_factorised_angular_sum_equals_the_plain_triplet_sum():
    s, net = distorted(), network()
    edges = edges_of(s, net.cutoff)
    with torch.no_grad():
        fast, plain = net.atom_energies(edges, s.species), by_triplets(net, edges, s.species)
    assert float(fast.std()) > 0.01
    assert float((fast - plain).abs().max()) < 1e-12


def test_exchange_path_equals_the_periodic_path():
    """All atoms are owned here, so the exchange is the identity."""
    s, net = distorted((2, 2, 1)), network()
    edges = edges_of(s, net.cutoff)
    closed = net.atom_energies(edges, s.species)
    open_ = net.atom_energies(
        Edges(edges.center, edges.neighbor, edges.vector),
        s.species,
        Exchange(lambda rows: rows, lambda rows: rows),
    )
    assert float((closed - open_).abs().max().detach()) < 1e-12


def test_ghost_atoms_with_exchange_give_the_periodic_energies_and_gradients():
    """Images are atoms of their own, and only owned atoms are centres, as LAMMPS lists them."""
    s, net = distorted((2, 1, 1)), network()
    edges = edges_of(s, net.cutoff)
    crossing = torch.arange(len(edges.center))
    ghosts = s.n_atoms + crossing  # one ghost for each edge: more than LAMMPS would make
    owner = torch.cat([torch.arange(s.n_atoms), edges.neighbor])
    vector = edges.vector.clone().requires_grad_(True)
    exchange = Exchange(
        lambda rows: rows[owner], lambda rows: torch.zeros_like(rows).index_add(0, owner, rows)
    )
    through = net.atom_energies(Edges(edges.center, ghosts, vector), s.species[owner], exchange)[
        : s.n_atoms
    ]
    inside = edges.vector.clone().requires_grad_(True)
    periodic = net.atom_energies(
        Edges(edges.center, edges.neighbor, inside, edges.reverse), s.species
    )
    assert float((through - periodic).abs().max().detach()) < 1e-12
    (a,) = torch.autograd.grad(through.sum(), vector)
    (b,) = torch.autograd.grad(periodic.sum(), inside)
    forces = [
        torch.zeros(s.n_atoms, 3, dtype=torch.float64)
        .index_add(0, edges.center, g)
        .index_add(0, edges.neighbor, -g)
        for g in (a, b)
    ]
    assert float((forces[0] - forces[1]).abs().max()) < 1e-11


def test_zero_start_is_exactly_zero_and_can_learn():
    s, net = distorted(), network(zero_start=True)
    energies = net.atom_energies(edges_of(s, net.cutoff), s.species)
    assert bool((energies == 0.0).all())
    (slope,) = torch.autograd.grad(energies.sum(), net.outputs[0].final.weight)
    assert float(slope.abs().max()) > 0.0


def test_isolated_atom_has_the_energy_of_an_atom_far_from_others():
    net = network()
    none = Edges(
        torch.zeros(0, dtype=torch.long),
        torch.zeros(0, dtype=torch.long),
        torch.zeros(0, 3, dtype=torch.float64),
    )
    keep = Exchange(lambda rows: rows, lambda rows: rows)
    alone = net.atom_energies(none, torch.tensor([0, 1]), keep)
    far = torch.tensor([[30.0, 0, 0], [-30.0, 0, 0]], dtype=torch.float64)
    apart = net.atom_energies(
        Edges(torch.tensor([0, 1]), torch.tensor([1, 0]), far, torch.tensor([1, 0])),
        torch.tensor([0, 1]),
    )
    assert torch.allclose(alone, apart, atol=1e-14)


def test_edges_without_reverse_or_exchange_are_refused():
    s, net = distorted(), network()
    edges = edges_of(s, net.cutoff)
    with pytest.raises(InputError, match="reverse or an exchange"):
        net.energy(Edges(edges.center, edges.neighbor, edges.vector), s.species)
