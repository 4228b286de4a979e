"""Frames stacked into one configuration, against lists made frame by frame and ASE's."""

import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.neighborlist import neighbor_list

from ocvf_lmp.seeding import stream
from ocvf_lmp.system.stack import _candidates, stack_frames

CUTOFF, N_ATOMS, N_FRAMES = 4.0, 17, 5
TILTED = torch.tensor([[9.0, 0.0, 0.0], [2.5, 9.5, 0.0], [-2.0, 3.0, 10.0]], dtype=torch.float64)
SMALL = torch.tensor([[5.0, 0.0, 0.0], [1.0, 6.0, 0.0], [0.0, 0.5, 7.0]], dtype=torch.float64)
SPECIES = torch.arange(N_ATOMS) % 2


def frames(cell, breathing):
    """Positions, partly outside the cell, and cells that differ unless breathing is 0."""
    generator = stream(3, "frames")
    cells = cell * (1 + breathing * torch.arange(N_FRAMES, dtype=torch.float64)[:, None, None])
    fractions = 3 * torch.rand(N_FRAMES, N_ATOMS, 3, generator=generator, dtype=torch.float64) - 1
    return fractions @ cells, cells


def by_ase(positions, cell):
    """Edges of a frame: (i, j, x, y, z) in an order of their own."""
    atoms = Atoms("Ar" * N_ATOMS, positions.numpy(), cell=cell.numpy(), pbc=True)
    i, j, vectors = neighbor_list("ijD", atoms, CUTOFF)
    return sorted((int(a), int(b), *v.round(9)) for a, b, v in zip(i, j, vectors, strict=True))


def edges_of(stacked, frame):
    part = stacked.part(frame, frame + 1).edges
    rows = zip(part.center.tolist(), part.neighbor.tolist(), part.vector.numpy(), strict=True)
    return sorted((a, b, *v.round(9)) for a, b, v in rows)


@pytest.mark.parametrize("breathing", [0.0, 0.01])
@pytest.mark.parametrize("cell", [TILTED, SMALL], ids=["nearest images", "all images"])
def test_edges_are_those_of_every_frame(cell, breathing):
    positions, cells = frames(cell, breathing)
    stacked = stack_frames(positions, cells, SPECIES, CUTOFF)
    for k in range(N_FRAMES):
        assert edges_of(stacked, k) == by_ase(positions[k], cells[k])


@pytest.mark.parametrize("cell", [TILTED, SMALL], ids=["nearest images", "all images"])
def test_reverse_edges_are_opposite_also_in_a_part(cell):
    stacked = stack_frames(*frames(cell, 0.01), SPECIES, CUTOFF)
    part = stacked.part(2, 4)
    for s in (stacked, part):
        edges = s.edges
        assert torch.equal(edges.center[edges.reverse], edges.neighbor)
        assert torch.equal(edges.vector[edges.reverse], -edges.vector)
        assert int(edges.center.max()) < s.n_frames * N_ATOMS
    assert torch.equal(part.species, SPECIES.repeat(2))


@pytest.mark.parametrize("amplitude", [0.02, 0.3])
def test_of_a_vibrating_crystal_few_pairs_are_looked_at_and_none_is_missed(amplitude):
    """Strained, drifting, wrapped into the cell; every edge is there, in the same order."""
    generator, n_frames = stream(5, "crystal"), 6
    crystal = bulk("Ar", "fcc", a=5.2, cubic=True).repeat(4)
    noise = [
        torch.randn(n_frames, *shape, generator=generator).double() for shape in ((256, 3), (3, 3))
    ]
    cells = torch.tensor(crystal.cell.array) @ (torch.eye(3, dtype=torch.float64) + 0.01 * noise[1])
    drift = 0.07 * torch.arange(n_frames, dtype=torch.float64)[:, None, None]
    fractions = torch.tensor(crystal.get_scaled_positions()) + drift
    fractions = fractions + (amplitude * noise[0]) @ torch.linalg.inv(cells)
    positions = (fractions - fractions.floor()) @ cells
    i, _ = _candidates(fractions - fractions.floor(), cells, CUTOFF)
    all_pairs = 256 * 255 // 2
    assert len(i) < all_pairs / 10 if amplitude < 0.1 else len(i) <= all_pairs
    edges = stack_frames(positions, cells, torch.zeros(256, dtype=torch.long), CUTOFF).edges
    for k in range(n_frames):
        atoms = Atoms("Ar256", positions[k].numpy(), cell=cells[k].numpy(), pbc=True)
        expected = neighbor_list("ij", atoms, CUTOFF)
        mine = edges.center // 256 == k
        found = zip(*(x[mine] - 256 * k for x in (edges.center, edges.neighbor)), strict=True)
        assert sorted((int(a), int(b)) for a, b in found) == sorted(
            zip(*map(list, expected), strict=True)
        )


def test_pieces_cover_all_frames_and_keep_to_their_size():
    stacked = stack_frames(*frames(TILTED, 0.0), SPECIES, CUTOFF)
    sizes = torch.tensor(stacked.first_edge).diff()
    limit = int(sizes[:2].sum())
    pieces = stacked.pieces(limit)
    assert [k for a, b in pieces for k in range(a, b)] == list(range(N_FRAMES))
    assert len(pieces) > 1
    assert all(b - a == 1 or int(sizes[a:b].sum()) <= limit for a, b in pieces)
    assert stacked.pieces(1) == [(k, k + 1) for k in range(N_FRAMES)]
