"""Gradients of stacked frames against those taken frame by frame."""

import pytest
import torch
from torch import nn

from ocvf_lmp.errors import InputError
from ocvf_lmp.fit.ensemble import ensemble_of
from ocvf_lmp.fit.fluctuations import energy_slopes
from ocvf_lmp.fit.reweight import reweighted_gradient
from ocvf_lmp.fit.stacked import energies_of_stack, slope_of_stack
from ocvf_lmp.fit.stacked_gradient import stacked_gradient
from ocvf_lmp.observables.rdf import PartialGrid, partials
from ocvf_lmp.potential.blocks import DimeNetSize
from ocvf_lmp.potential.dimenet import DimeNet
from ocvf_lmp.seeding import normal, stream
from ocvf_lmp.system.stack import stack_frames

N_ATOMS, N_FRAMES, TEMPERATURE = 16, 40, 300.0
SPECIES = torch.arange(N_ATOMS) % 2
GRID = PartialGrid(2, r_max=3.6, dr=0.05, sigma=0.05)


class Well(nn.Module):
    """A k (1 - (r/c)²)³ of every pair, k for each species of the centre."""

    cutoff, n_hops, symbols = 4.0, 1, ("Ar", "Kr")

    def __init__(self):
        super().__init__()
        self.k = nn.Parameter(torch.tensor([0.02, 0.05], dtype=torch.float64))
        self.frozen = nn.Parameter(torch.zeros(2, dtype=torch.float64), requires_grad=False)
        self.idle = nn.Parameter(torch.zeros(3, dtype=torch.float64))

    def atom_energies(self, edges, species, exchange=None):
        """Energy of each atom."""
        near = (1 - edges.vector.square().sum(dim=1) / self.cutoff**2).clamp(min=0) ** 3
        return self.k[species] * torch.zeros(len(species)).double().index_add(0, edges.center, near)

    def energy(self, edges, species):
        """Total energy."""
        return self.atom_energies(edges, species).sum()


def network():
    size = DimeNetSize(cutoff=4.0)
    net = DimeNet(("Ar", "Kr"), size, stream(1, "net"), zero_start=False)
    with torch.no_grad():
        net.scale.fill_(0.01)
    return net


def ensemble(potential):
    """Random frames, as if this potential had sampled them, with their partials."""
    cells = (8.5 * torch.eye(3).double()).repeat(N_FRAMES, 1, 1)
    places = torch.cartesian_prod(*[torch.arange(3).double()] * 3)[:N_ATOMS]
    positions = 8.5 / 3 * places + 0.3 * normal((N_FRAMES, N_ATOMS, 3), stream(2, "frames"))
    stacked = stack_frames(positions, cells, SPECIES, 4.0)
    energies = energies_of_stack(potential, stacked)
    return stacked, ensemble_of(
        positions, cells, energies, lambda x, h: {"g": partials(x, h, SPECIES, GRID)}
    )


def loss(means):
    return (means["g"] - 1.0).square().mean()


@pytest.mark.parametrize("make", [Well, network])
@pytest.mark.parametrize("max_edges", [1, 1500, 1 << 20])
def test_energies_and_slopes_are_those_of_each_frame(make, max_edges):
    potential = make()
    stacked, frames = ensemble(potential)
    found = energy_slopes(potential, SPECIES, frames)
    torch.testing.assert_close(energies_of_stack(potential, stacked, max_edges), found.energies)
    c = normal((N_FRAMES,), stream(4, "coefficients"))
    total = slope_of_stack(potential, stacked, c, max_edges)
    assert set(total) == set(found.slopes)
    for name, slope in total.items():
        torch.testing.assert_close(slope.flatten(), c @ found.slopes[name], rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("shift", [0.0, 0.002])
def test_the_gradient_is_that_of_the_frames_one_by_one(shift):
    potential = Well()
    stacked, frames = ensemble(potential)
    with torch.no_grad():
        potential.k += shift
    options = {"min_effective": 0.0}
    expected = reweighted_gradient(potential, SPECIES, frames, TEMPERATURE, loss, **options)
    found = stacked_gradient(potential, stacked, frames, TEMPERATURE, loss, **options)
    assert expected.notes["effective"] < 1.0 or shift == 0.0
    assert found.notes == pytest.approx(expected.notes)
    assert found.loss == pytest.approx(expected.loss, rel=1e-12)
    assert not found.refusal
    for name, slope in found.gradients.items():
        torch.testing.assert_close(slope, expected.gradients[name], rtol=1e-9, atol=1e-14)


def test_too_few_frames_that_count_are_refused():
    potential = Well()
    stacked, frames = ensemble(potential)
    with torch.no_grad():
        potential.k += 1.0
    found = stacked_gradient(potential, stacked, frames, TEMPERATURE, loss)
    assert "frames count" in found.refusal
    assert not found.gradients


def test_bad_stacks_are_refused():
    potential = Well()
    stacked, frames = ensemble(potential)
    short = stack_frames(frames.positions, frames.cells, SPECIES, 3.0)
    with pytest.raises(InputError, match="cutoff of 4 Å"):
        energies_of_stack(potential, short)
    with pytest.raises(InputError, match="found 10 and 40"):
        stacked_gradient(potential, stacked.part(0, 10), frames, TEMPERATURE, loss)
    potential.requires_grad_(False)
    with pytest.raises(InputError, match="parameters to train"):
        slope_of_stack(potential, stacked, torch.ones(N_FRAMES).double())
