"""Single precision reads functions of the distance from tables: as exact as it is anyway."""

import pytest
import torch
from contract import SYMBOLS

from ocvf_lmp.lammps.cells import distorted_cell
from ocvf_lmp.md.mechanics import evaluate
from ocvf_lmp.potential import kernels
from ocvf_lmp.potential.blocks import DimeNetSize
from ocvf_lmp.potential.dimenet import DimeNet
from ocvf_lmp.potential.fused import torch_alone
from ocvf_lmp.seeding import normal, stream
from ocvf_lmp.system.edges import Edges
from ocvf_lmp.system.neighbors import build_neighbors

pytestmark = pytest.mark.skipif(kernels.library() is None, reason="kernels were not built")
ROUNDING = float(torch.finfo(torch.float32).eps)


def network(**size) -> DimeNet:
    net = DimeNet(SYMBOLS, DimeNetSize(**size), stream(0, "weights"))
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if parameter.dim() < 2:
                parameter.add_(0.3 * normal(tuple(parameter.shape), stream(1, name)))
    return net


def pair_at(distances, kinds, dtype):
    """A centre with one neighbour for each distance: each pair an own molecule of two atoms."""
    n = len(distances)
    first, second = 2 * torch.arange(n), 2 * torch.arange(n) + 1
    vector = torch.stack([distances, 0.0 * distances, 0.0 * distances], dim=1).to(dtype)
    edges = Edges(
        torch.cat([first, second]), torch.cat([second, first]), torch.cat([vector, -vector]),
        torch.cat([torch.arange(n, 2 * n), torch.arange(n)]),
    )  # fmt: skip
    return edges, torch.tensor(kinds).repeat(n)


def slopes(net, distances, kinds, dtype):
    edges, species = pair_at(distances, kinds, dtype)
    vector = edges.vector.requires_grad_(True)
    (slope,) = torch.autograd.grad(net.energy(edges, species), vector)
    return slope[: len(distances), 0].double()


@pytest.mark.parametrize("blocks", [0, 1])
@pytest.mark.parametrize("kinds", [(0, 1), (2, 2), (2, 0)])
def test_forces_of_pairs_at_every_distance(blocks, kinds):
    """Also where the polynomials join, and up to the cutoff."""
    net = network(cutoff=4.3, n_blocks=blocks)
    joints = torch.arange(3, 44, dtype=torch.float64) * 4.3 / 43
    inside = torch.linspace(0.35, 4.2999, 1009, dtype=torch.float64)
    distances = torch.cat([joints, joints - 1e-5, inside])
    distances = distances[distances < 4.3].float().double()  # the same numbers in both
    exact = slopes(net, distances, kinds, torch.float64)
    found = slopes(net.float(), distances, kinds, torch.float32)
    error = (found - exact).abs() / exact.abs().max()
    assert float(error.max()) < 100 * ROUNDING


@pytest.mark.parametrize(
    "size", [{}, {"n_features": 10, "n_angular": 5, "n_radial": 7, "l_max": 2}]
)
def test_a_table_costs_no_more_than_rounding_does(size):
    """Against float64: not further away than twice what torch in single precision is."""
    net, s = network(**size), distorted_cell(SYMBOLS, (2, 2, 2), 3)
    exact = evaluated(net, s)
    single = net.float()
    with torch_alone():
        plain = evaluated(single, s, torch.float32)
    tabled = evaluated(single, s, torch.float32)
    for mine, theirs, true in zip(tabled, plain, exact, strict=True):
        scale = true.abs().max()
        limit = 2 * float((theirs - true).abs().max() / scale) + 4 * ROUNDING
        assert float((mine - true).abs().max() / scale) < limit


def evaluated(net, s, dtype=torch.float64):
    x, h = s.positions.float().to(dtype), s.cell.float().to(dtype)
    found = evaluate(net, s.species, x, h, build_neighbors(x, h, net.cutoff))
    return found.forces.double(), found.virial.double()
