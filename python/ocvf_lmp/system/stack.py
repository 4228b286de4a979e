"""Frames as one configuration: no atom of one frame sees another frame.

A small potential costs more in calls than in arithmetic. On a stack it is called once for many
frames, as `energy_of_stack` of `ocvf_lmp.fit.stacked` does.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int

from ocvf_lmp.arrays import Species
from ocvf_lmp.system.cell import heights
from ocvf_lmp.system.edges import Edges
from ocvf_lmp.system.neighbors import build_neighbors, edges_from, largest_motion

_DISTANCES = 1 << 19
"""Distances that are looked at in one piece."""


@dataclass(frozen=True, slots=True)
class Stack:
    """Edges of several frames of the same atoms, frame after frame, atoms numbered through.

    Attributes:
        edges: of all frames; their vectors carry no gradients.
        species: (frames · atoms,).
        first_edge: number of the first edge of each frame, and of all edges, (frames + 1,).
        n_frames: number of frames.
        n_atoms: atoms of a frame.
        cutoff: length of the longest edge, Å.
    """

    edges: Edges
    species: Species
    first_edge: tuple[int, ...]
    n_frames: int
    n_atoms: int
    cutoff: float

    def part(self, first: int, last: int) -> "Stack":
        """The frames from `first` up to, but without, `last`."""
        start, end = self.first_edge[first], self.first_edge[last]
        edges, offset = self.edges, first * self.n_atoms
        assert edges.reverse is not None
        mine = slice(start, end)
        return Stack(
            Edges(
                edges.center[mine] - offset,
                edges.neighbor[mine] - offset,
                edges.vector[mine],
                edges.reverse[mine] - start,
            ),
            self.species[offset : last * self.n_atoms],
            tuple(k - start for k in self.first_edge[first : last + 1]),
            last - first,
            self.n_atoms,
            self.cutoff,
        )

    def pieces(self, max_edges: int) -> list[tuple[int, int]]:
        """First and last frames of consecutive parts with at most so many edges, or one frame."""
        found, first = [], 0
        for k in range(1, self.n_frames + 1):
            if k == self.n_frames or self.first_edge[k + 1] - self.first_edge[first] > max_edges:
                found.append((first, k))
                first = k
        return found


def stack_frames(
    positions: Float[torch.Tensor, "frames atoms 3"],
    cells: Float[torch.Tensor, "frames 3 3"],
    species: Species,
    cutoff: float,
) -> Stack:
    """All directed edges of every frame, in one.

    Args:
        positions: Å, (frames, atoms, 3).
        cells: rows, Å, (frames, 3, 3).
        species: of a frame, (atoms,).
        cutoff: Å.
    """
    positions, cells = positions.detach(), cells.detach()
    n_frames, n_atoms = positions.shape[:2]
    if all(2.0 * cutoff <= float(heights(h).min()) for h in _distinct(cells)):
        edges, counts = _nearest_images(positions, cells, cutoff)
    else:
        edges, counts = _all_images(positions, cells, cutoff)
    first = torch.cat([counts.new_zeros(1), counts.cumsum(0)]).tolist()
    return Stack(edges, species.repeat(n_frames), tuple(first), n_frames, n_atoms, cutoff)


def _distinct(cells: torch.Tensor) -> torch.Tensor:
    """One cell where all are the same, else all of them."""
    return cells[:1] if bool((cells == cells[0]).all()) else cells


def _nearest_images(
    positions: torch.Tensor, cells: torch.Tensor, cutoff: float
) -> tuple[Edges, Int[torch.Tensor, " frames"]]:
    """Edges where only the nearest image of a pair can be within the cutoff.

    A vector no longer than half of every height has fractional components within ±1/2, so that
    rounding finds it, whatever the shape of the cell.
    """
    n_frames, n_atoms = positions.shape[:2]
    fractional = positions @ torch.linalg.inv(cells)
    i, j = _candidates(fractional, cells, cutoff)
    step = max(_DISTANCES // max(len(i), 1), 1)
    frames, pairs, vectors = [], [], []
    for first in range(0, n_frames, step):
        apart = fractional[first : first + step]
        apart = apart[:, j] - apart[:, i]
        apart = (apart - apart.round()) @ cells[first : first + step]
        frame, pair = (apart.square().sum(dim=2) < cutoff**2).nonzero(as_tuple=True)
        frames.append(frame + first)
        pairs.append(pair)
        vectors.append(apart[frame, pair])
    frame, pair, vector = torch.cat(frames), torch.cat(pairs), torch.cat(vectors)
    one, other = i[pair] + n_atoms * frame, j[pair] + n_atoms * frame
    edges = Edges(
        torch.stack([one, other], dim=1).flatten(),
        torch.stack([other, one], dim=1).flatten(),
        torch.stack([vector, -vector], dim=1).flatten(end_dim=1),
        torch.arange(2 * len(frame), device=frame.device) ^ 1,
    )
    return edges, 2 * torch.bincount(frame, minlength=n_frames)


def _candidates(
    fractional: Float[torch.Tensor, "frames atoms 3"],
    cells: Float[torch.Tensor, "frames 3 3"],
    cutoff: float,
) -> tuple[Int[torch.Tensor, " pairs"], Int[torch.Tensor, " pairs"]]:
    """Pairs i < j that can come within the cutoff in any of the frames.

    About their mean, atoms of a crystal move little, beside a homogeneous strain: a pair that is
    within the cutoff in a frame is not much further apart in the mean (`largest_motion`).
    """
    moved = fractional - fractional[0]
    moved = moved - moved.round()  # atoms may have been wrapped into the cell
    mean, cell = fractional[0] + moved.mean(dim=0), cells.mean(dim=0)
    beyond = (moved - moved.mean(dim=0)) @ cells
    largest, shrink = largest_motion(beyond, torch.linalg.solve(cell, cells))
    reach = (cutoff + 2.0 * largest) / shrink
    i, j = torch.triu_indices(len(mean), len(mean), 1, device=mean.device)
    if 2.0 * reach > float(heights(cell).min()):
        return i, j
    vectors = mean[j] - mean[i]
    vectors = (vectors - vectors.round()) @ cell
    near = vectors.square().sum(dim=1) < reach**2
    return i[near], j[near]


def _all_images(
    positions: torch.Tensor, cells: torch.Tensor, cutoff: float
) -> tuple[Edges, Int[torch.Tensor, " frames"]]:
    """Edges through any image, frame after frame."""
    n_atoms, found = positions.shape[1], []
    for x, h in zip(positions, cells, strict=True):
        found.append(edges_from(build_neighbors(x, h, cutoff), x, h))
    counts = torch.tensor([len(e.center) for e in found])
    first = (counts.cumsum(0) - counts).tolist()
    reverse = [e.reverse + k for e, k in zip(found, first, strict=True) if e.reverse is not None]
    edges = Edges(
        torch.cat([e.center + n_atoms * k for k, e in enumerate(found)]),
        torch.cat([e.neighbor + n_atoms * k for k, e in enumerate(found)]),
        torch.cat([e.vector for e in found]),
        torch.cat(reverse),
    )
    return edges, counts
