"""Undirected bonds and angles of a set of directed edges, as CHGNet counts them."""

from dataclasses import dataclass

import torch

from ocvf_lmp.arrays import EdgeIndex
from ocvf_lmp.system.edges import Edges


@dataclass(frozen=True, slots=True)
class Bonds:
    """Which directed edges are the two directions of one bond.

    Attributes:
        undirected: bond of each directed edge, (edges,).
        first: one directed edge of each bond, (edges / 2,).
    """

    undirected: EdgeIndex
    first: EdgeIndex


def bonds_of(reverse: EdgeIndex) -> Bonds:
    """Bonds, numbered by their first directed edge.

    Args:
        reverse: index of the opposite edge, (edges,).
    """
    own = torch.arange(len(reverse), device=reverse.device)
    lower = torch.minimum(own, reverse)
    first = (lower == own).nonzero().squeeze(1)
    rank = torch.zeros_like(own)
    rank[first] = torch.arange(len(first), device=reverse.device)
    return Bonds(rank[lower], first)


def angles_of(center: EdgeIndex, chosen: EdgeIndex) -> tuple[EdgeIndex, EdgeIndex]:
    """Ordered pairs of different edges that leave the same atom.

    Args:
        center: atom that each edge leaves, (edges,).
        chosen: indices of the edges that form angles.

    Returns:
        First and second edge of each angle.
    """
    order = chosen[torch.argsort(center[chosen], stable=True)]
    _, counts = torch.unique_consecutive(center[order], return_counts=True)
    per_edge = counts.repeat_interleave(counts)  # edges that leave the atom of each edge
    starts = (counts.cumsum(0) - counts).repeat_interleave(counts)
    one = torch.arange(len(order), device=order.device).repeat_interleave(per_edge)
    rank = torch.arange(len(one), device=order.device)
    rank = rank - (per_edge.cumsum(0) - per_edge).repeat_interleave(per_edge)
    other = starts[one] + rank
    different = one != other
    return order[one[different]], order[other[different]]


def shorter(edges: Edges, cutoff: float) -> Edges:
    """The edges within a cutoff, still closed under reversal."""
    assert edges.reverse is not None
    inside = edges.vector.detach().square().sum(dim=1) < cutoff**2
    inside = inside & inside[edges.reverse]
    if bool(inside.all()):
        return edges
    kept = inside.nonzero().squeeze(1)
    rank = torch.zeros_like(edges.center)
    rank[kept] = torch.arange(len(kept), device=kept.device)
    return Edges(
        edges.center[kept], edges.neighbor[kept], edges.vector[kept], rank[edges.reverse[kept]]
    )
