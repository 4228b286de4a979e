"""Neighbour lists for periodic cells of any shape and size, and edges that carry gradients."""

import itertools
from dataclasses import dataclass

import torch

from ocvf_lmp.arrays import Cell, EdgeIndex, Positions
from ocvf_lmp.system.cell import heights
from ocvf_lmp.system.edges import Edges


@dataclass(frozen=True, slots=True)
class NeighborList:
    """Pairs within ``cutoff + skin`` of a reference configuration.

    Attributes:
        center: index i, (edges,).
        neighbor: index j, (edges,).
        shift: whole cell vectors S such that the pair's vector is r_j - r_i + S·cell, (edges, 3).
        reverse: index of the opposite edge, (edges,).
        cutoff: Å.
        skin: Å.
        positions: configuration the list was built from, (atoms, 3) Å.
        cell: its cell, (3, 3) Å.
    """

    center: EdgeIndex
    neighbor: EdgeIndex
    shift: torch.Tensor
    reverse: EdgeIndex
    cutoff: float
    skin: float
    positions: torch.Tensor
    cell: torch.Tensor


def build_neighbors(
    positions: Positions, cell: Cell, cutoff: float, skin: float = 0.0
) -> NeighborList:
    """All directed pairs closer than ``cutoff + skin``, through every periodic image.

    An atom may be its own neighbour through an image, and two atoms may be neighbours through
    several images, as happens in cells smaller than the cutoff.
    """
    positions, cell = positions.detach(), cell.detach()
    pairs = find_pairs(positions, cell, cutoff + skin)
    # both directions, the second half opposite to the first, then by centre
    center, order = torch.sort(torch.cat([pairs.first, pairs.second]), stable=True)
    neighbor = torch.cat([pairs.second, pairs.first])[order]
    shift = torch.cat([pairs.shift, -pairs.shift])[order]
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order))
    reverse = place[(order + len(pairs.first)) % max(len(order), 1)]
    return NeighborList(center, neighbor, shift, reverse, cutoff, skin, positions, cell)


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of atoms, each listed once.

    Attributes:
        first: index i, (pairs,).
        second: index j, (pairs,).
        shift: whole cell vectors S such that the pair's vector is r_j - r_i + S·cell, (pairs, 3).
    """

    first: EdgeIndex
    second: EdgeIndex
    shift: torch.Tensor


def find_pairs(positions: Positions, cell: Cell, reach: float) -> Pairs:
    """All pairs closer than ``reach``, through every periodic image; see `build_neighbors`."""
    positions, cell = positions.detach(), cell.detach()
    home = torch.floor(positions @ torch.linalg.inv(cell))
    wrapped = positions - home @ cell
    images = torch.ceil(reach / heights(cell)).long().tolist()
    found, shifts = [], []
    for s in itertools.product(*(range(-n, n + 1) for n in images)):
        if s < (0, 0, 0):  # the same pairs as those of the opposite image
            continue
        image = torch.tensor(s, dtype=cell.dtype)
        near = reach > torch.cdist(
            wrapped, wrapped + image @ cell, compute_mode="donot_use_mm_for_euclid_dist"
        )
        found.append((near if any(s) else near.triu(1)).nonzero())
        shifts.append(image.expand(len(found[-1]), 3))
    first, second = torch.cat(found).unbind(dim=1)
    return Pairs(first, second, torch.cat(shifts) - home[second] + home[first])


def edges_from(neighbors: NeighborList, positions: Positions, cell: Cell) -> Edges:
    """Edges closer than the cutoff, their vectors differentiable in positions and cell."""
    center, neighbor, reverse = neighbors.center, neighbors.neighbor, neighbors.reverse
    vector = positions[neighbor] - positions[center] + neighbors.shift @ cell
    inside = (vector.detach().square().sum(dim=1) < neighbors.cutoff**2).nonzero().squeeze(1)
    if len(inside) == len(center):
        return Edges(center, neighbor, vector, reverse)
    rank = torch.full_like(center, -1)
    rank[inside] = torch.arange(len(inside))
    renumbered = rank[reverse[inside]]
    if bool((renumbered < 0).any()):  # a pair exactly at the cutoff, split by round-off
        keep = inside[renumbered >= 0]
        rank.fill_(-1)
        rank[keep] = torch.arange(len(keep))
        inside, renumbered = keep, rank[reverse[keep]]
    return Edges(center[inside], neighbor[inside], vector[inside], renumbered)


def needs_rebuild(neighbors: NeighborList, positions: Positions, cell: Cell) -> bool:
    """Whether a pair outside ``cutoff + skin`` may have come within the cutoff.

    Every image's distance is bounded by the homogeneous part of the motion (the strain since the
    list was made) and twice the largest displacement beyond it.
    """
    positions, cell = positions.detach(), cell.detach()
    deformation = torch.linalg.solve(neighbors.cell, cell)
    moved = positions - neighbors.positions @ deformation
    largest, shrink = largest_motion(moved, deformation)
    return shrink * (neighbors.cutoff + neighbors.skin) - 2.0 * largest < neighbors.cutoff


def largest_motion(moved: torch.Tensor, deformation: torch.Tensor) -> tuple[float, float]:
    """Bounds u and s on a motion: a pair at r in the reference is now no closer than s r - 2 u.

    Args:
        moved: displacements beyond the homogeneous deformation, Å, (..., atoms, 3).
        deformation: by which cells became what they are, (..., 3, 3).

    Returns:
        The largest displacement, Å, less that of all atoms together, which brings nobody closer;
        and the factor by which the deformation shortens lengths most.
    """
    moved = moved - moved.mean(dim=-2, keepdim=True)
    largest = float(torch.linalg.vector_norm(moved, dim=-1).max())
    return largest, float(torch.linalg.svdvals(deformation)[..., -1].min())
