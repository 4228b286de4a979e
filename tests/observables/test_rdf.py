import math

import pytest
import torch
from observables.crystals import nickel, pair_distances

from ocvf_lmp.errors import InputError
from ocvf_lmp.observables.rdf import (
    PartialGrid,
    average,
    number_density,
    partials,
    partials_from_edges,
    partials_of_stack,
    species_pairs,
)
from ocvf_lmp.system.edges import Edges
from ocvf_lmp.system.neighbors import build_neighbors, edges_from
from ocvf_lmp.system.stack import stack_frames
from ocvf_lmp.system.structure import Structure, perovskite

F64 = torch.float64


def rattled(repeat: int = 1, tilt: float = 0.0, seed: int = 1) -> Structure:
    start = perovskite(("Ba", "Ti", "O"), (repeat,) * 3, (4.0, 4.05, 4.1))
    noise = torch.randn(start.positions.shape, generator=torch.Generator().manual_seed(seed))
    strain = torch.eye(3, dtype=F64)
    strain[0, 1] = tilt
    moved = (start.positions + 0.1 * noise.to(F64)) @ strain
    return Structure(moved, start.cell @ strain, start.species, start.symbols)


def repeated(s: Structure, n: int) -> Structure:
    shifts = torch.cartesian_prod(*[torch.arange(n, dtype=F64)] * 3)
    positions = (s.positions[None] + (shifts @ s.cell)[:, None]).reshape(-1, 3)
    return Structure(positions, n * s.cell, s.species.repeat(n**3), s.symbols)


def table(s: Structure, grid: PartialGrid) -> torch.Tensor:
    return partials(s.positions, s.cell, s.species, grid)


def test_pairs_are_ordered_by_first_then_second_species():
    assert species_pairs(3) == ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))


def test_partials_equal_a_plain_sum_over_all_pairs_and_bins():
    s, grid = rattled(tilt=0.3), PartialGrid(3, 7.0, 0.02, 0.03)
    r = grid.r()
    counts = torch.tensor([1, 1, 3])
    got = table(s, grid)
    for row, (a, b) in enumerate(grid.pairs):
        d = pair_distances(s, a, b, grid.r_max + 1.0)
        kernel = torch.exp(-0.5 * ((r[:, None] - d) / grid.sigma) ** 2)
        kernel = kernel / (grid.sigma * math.sqrt(2 * math.pi)) / d
        norm = torch.linalg.det(s.cell) / (4 * math.pi * r * counts[a] * counts[b])
        torch.testing.assert_close(got[row], norm * kernel.sum(dim=1), rtol=1e-7, atol=2e-6)


def test_partials_do_not_change_when_the_cell_is_repeated():
    s, grid = rattled(tilt=0.2), PartialGrid(3, 9.0)
    torch.testing.assert_close(table(s, grid), table(repeated(s, 2), grid), rtol=1e-9, atol=1e-8)


def test_ideal_gas_has_unit_partials_at_all_distances():
    generator = torch.Generator().manual_seed(3)
    grid = PartialGrid(2, 12.0, 0.05, 0.05)
    cell = torch.diag(torch.tensor([26.0, 25.0, 27.0], dtype=F64))
    species = torch.arange(500) % 2
    frames = [
        partials(torch.rand(500, 3, dtype=F64, generator=generator) @ cell, cell, species, grid)
        for _ in range(4)
    ]
    mean = torch.stack(frames).mean(dim=0)
    pairs = torch.tensor([250 * 249 / 2, 250 * 250, 250 * 249 / 2], dtype=F64)
    share = 4 * math.pi * grid.r() ** 2 * grid.dr / torch.linalg.det(cell)
    expected = (4 * pairs[:, None] * share).reshape(3, 12, -1).sum(dim=2)
    # an atom is no neighbour of its own within the cell, but is counted in N_a N_a
    norm = torch.tensor([249 / 250, 1.0, 249 / 250], dtype=F64)[:, None]
    counted = (4 * pairs[:, None] * share * mean / norm).reshape(3, 12, -1).sum(dim=2)
    assert float(expected.max()) > 2e4
    assert bool(((counted - expected).abs() < 4.5 * torch.sqrt(expected)).all())


def test_fcc_shells_hold_twelve_six_and_twentyfour_neighbours_at_their_distances():
    s, grid = nickel(), PartialGrid(1, 6.0)
    r, g = grid.r(), table(s, grid)[0]
    density = 4 / torch.linalg.det(s.cell)
    radial = 4 * math.pi * r**2 * density * g
    for shell, count in enumerate((12, 6, 24), start=1):
        distance = 3.5238 * math.sqrt(shell / 2)
        near = (r - distance).abs() < 0.3
        assert float((radial[near] * grid.dr).sum()) == pytest.approx(count, rel=1e-7)
        assert float(r[near][g[near].argmax()]) == pytest.approx(distance, abs=grid.dr)


def test_unlike_pairs_count_the_neighbours_of_either_species():
    s, grid = perovskite(("Ba", "Ti", "O"), (1, 1, 1), (4.0, 4.0, 4.0)), PartialGrid(3, 3.5)
    r, row = grid.r(), 4
    assert grid.pairs[row] == (1, 2)
    pairs = (4 * math.pi * r**2 * table(s, grid)[row] * grid.dr)[r < 2.5].sum()
    volume = torch.linalg.det(s.cell)
    assert float(pairs * 3 / volume) == pytest.approx(6, rel=1e-7)  # O around Ti
    assert float(pairs * 1 / volume) == pytest.approx(2, rel=1e-7)  # Ti around O


@pytest.mark.parametrize("what", ["positions", "cell"])
def test_gradients_equal_central_differences(what):
    s, grid = rattled(tilt=0.2), PartialGrid(3, 6.0, 0.02, 0.03)
    weight = torch.randn(6, grid.n_bins, generator=torch.Generator().manual_seed(5)).to(F64)
    neighbors = build_neighbors(s.positions, s.cell, grid.cutoff, 0.1)

    def value(positions, cell):
        return (weight * partials(positions, cell, s.species, grid, neighbors)).sum()

    positions, cell = s.positions.clone().requires_grad_(), s.cell.clone().requires_grad_()
    gradients = torch.autograd.grad(value(positions, cell), (positions, cell))
    gradient = gradients[0 if what == "positions" else 1]
    h = 1e-5
    numeric = torch.zeros(gradient.shape, dtype=F64)
    for k in range(gradient.numel()):
        step = torch.zeros(gradient.numel(), dtype=F64)
        step[k] = h
        step = step.view_as(gradient)
        if what == "positions":
            ends = value(s.positions + step, s.cell), value(s.positions - step, s.cell)
        else:
            ends = value(s.positions, s.cell + step), value(s.positions, s.cell - step)
        numeric.view(-1)[k] = (ends[0] - ends[1]) / (2 * h)
    torch.testing.assert_close(gradient, numeric, rtol=1e-5, atol=1e-5 * float(numeric.abs().max()))


def test_edges_and_neighbour_lists_give_the_same_partials():
    s, grid = rattled(), PartialGrid(3, 5.0)
    edges = edges_from(build_neighbors(s.positions, s.cell, grid.cutoff), s.positions, s.cell)
    torch.testing.assert_close(
        partials_from_edges(edges, s.species, s.cell, grid), table(s, grid), rtol=1e-12, atol=1e-12
    )


def test_smearing_is_a_plain_convolution_of_r_times_g():
    s = rattled()
    narrow, wide = PartialGrid(3, 9.0, 0.01, 0.02), PartialGrid(3, 9.0, 0.01, 0.05)
    offsets = narrow.dr * torch.arange(-30, 31, dtype=F64)
    variance = wide.sigma**2 - narrow.sigma**2
    kernel = torch.exp(-0.5 * offsets**2 / variance) / math.sqrt(2 * math.pi * variance)
    curves = (narrow.r() * table(s, narrow))[:, None]
    convolved = torch.conv1d(curves, (narrow.dr * kernel)[None, None])[:, 0]
    expected = (wide.r() * table(s, wide))[:, 30:-30]
    torch.testing.assert_close(convolved, expected, rtol=1e-6, atol=1e-5)


def test_average_reproduces_the_mean_of_the_frames_pair_densities():
    frames = [rattled(seed=k) for k in range(3)]
    scaled = [
        Structure(f.positions * x, f.cell * x, f.species, f.symbols)
        for f, x in zip(frames, (0.98, 1.0, 1.03), strict=True)
    ]
    grid = PartialGrid(3, 6.0)
    tables = torch.stack([table(f, grid) for f in scaled])
    densities = torch.stack([number_density(f.cell, 5) for f in scaled])
    weights = torch.tensor([1.0, 2.0, 1.0], dtype=F64)
    mean, density = average(tables, densities, weights)
    reduced = densities[:, None, None] * (tables - 1.0)
    expected = (weights[:, None, None] * reduced).sum(dim=0) / 4.0
    torch.testing.assert_close(density * (mean - 1.0), expected)


def test_grid_is_rounded_to_whole_bins_and_too_fine_a_smearing_is_refused():
    grid = PartialGrid(3, 10.0, 0.03, 0.03)
    assert grid.n_bins == 333
    assert grid.r_max == pytest.approx(9.99)
    assert float(grid.r()[-1]) == pytest.approx(9.99)
    with pytest.raises(InputError, match="raise sigma"):
        PartialGrid(3, 10.0, 0.02, 0.01)
    with pytest.raises(InputError, match="at least one species"):
        PartialGrid(3, 0.1)


def test_lists_that_are_too_short_and_one_way_edges_are_refused():
    s, grid = rattled(), PartialGrid(3, 5.0)
    short = build_neighbors(s.positions, s.cell, 4.0)
    with pytest.raises(InputError, match=r"build the list with grid\.cutoff"):
        partials(s.positions, s.cell, s.species, grid, short)
    edges = Edges(short.center, short.neighbor, torch.ones(len(short.center), 3, dtype=F64))
    with pytest.raises(InputError, match="both directions"):
        partials_from_edges(edges, s.species, s.cell, grid)


@pytest.mark.parametrize("repeat", [1, 3])
def test_partials_of_a_stack_are_those_of_each_frame(repeat):
    frames, grid = [rattled(repeat, tilt=0.2, seed=k) for k in range(3)], PartialGrid(3, 4.0)
    positions = torch.stack([s.positions * (1 + 0.01 * k) for k, s in enumerate(frames)])
    cells = torch.stack([s.cell * (1 + 0.01 * k) for k, s in enumerate(frames)])
    stack = stack_frames(positions, cells, frames[0].species, grid.cutoff + 0.5)
    got = partials_of_stack(stack, cells, grid)
    for k, (x, h) in enumerate(zip(positions, cells, strict=True)):
        expected = partials(x, h, frames[0].species, grid)
        torch.testing.assert_close(got[k], expected, rtol=1e-9, atol=1e-10)


def test_a_stack_with_a_short_cutoff_is_refused():
    s, grid = rattled(3), PartialGrid(3, 4.0)
    stack = stack_frames(s.positions[None], s.cell[None], s.species, 4.0)
    with pytest.raises(InputError, match="stack the frames with"):
        partials_of_stack(stack, s.cell[None], grid)
