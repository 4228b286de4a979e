"""Edges grouped by their centre in a rectangular table, so that sums over neighbours are dense."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ocvf_lmp.system.edges import Edges


@dataclass(frozen=True, slots=True)
class EdgeTable:
    """Edges in rows, one row a centre, padded to the longest row.

    Padding edges are longer than the cutoff: every basis function vanishes on them.

    Attributes:
        atoms: index of the centre of each row, (rows,).
        neighbor: neighbour of each slot (the centre itself on padding), (rows, slots).
        vector: centre to neighbour, Å, (rows, slots, 3).
        reverse: flat index of the opposite edge's slot, (rows * slots,), or None.
    """

    atoms: Tensor
    neighbor: Tensor
    vector: Tensor
    reverse: Tensor | None


def tabulate(edges: Edges, n_atoms: int, cutoff: float, all_atoms: bool) -> EdgeTable:
    """Groups edges by their centre.

    Args:
        edges: in any order.
        n_atoms: number of atoms.
        cutoff: edges at or beyond it are left out, Å.
        all_atoms: a row for every atom, or only for those that are a centre.
    """
    inside = edges.vector.detach().square().sum(dim=1) < cutoff**2
    chosen = by_center(_select(edges, inside))
    center, neighbor, vector = chosen.center, chosen.neighbor, chosen.vector
    reverse = chosen.reverse
    counts = torch.bincount(center, minlength=n_atoms)
    first = torch.cumsum(counts, 0) - counts
    slots = max(int(counts.max()) if len(counts) else 0, 1)
    if all_atoms:
        atoms = torch.arange(n_atoms, device=center.device)
        row = center
    else:
        atoms = (counts > 0).nonzero().squeeze(1)
        rank = torch.cumsum((counts > 0).long(), 0) - 1
        row = rank[center]
    place = row * slots + torch.arange(len(center), device=center.device) - first[center]
    size = len(atoms) * slots
    padding = vector.new_tensor([2.0 * cutoff, 0.0, 0.0]).expand(size, 3)
    table = padding.index_copy(0, place, vector).view(len(atoms), slots, 3)
    neighbors = atoms.repeat_interleave(slots).index_copy(0, place, neighbor)
    opposite = None
    if reverse is not None:
        opposite = torch.arange(size, device=place.device).index_copy(0, place, place[reverse])
    return EdgeTable(atoms, neighbors.view(len(atoms), slots), table, opposite)


def by_center(edges: Edges) -> Edges:
    """The edges in ascending order of their centres."""
    order = center_order(edges)
    return edges if order is None else reordered(edges, order)


def center_order(edges: Edges) -> Tensor | None:
    """Indices of the edges in ascending order of their centres; None: they are in it."""
    center = edges.center
    if not bool((center[1:] < center[:-1]).any()):
        return None
    return torch.argsort(center, stable=True)


def reordered(edges: Edges, order: Tensor) -> Edges:
    """The edges in another order."""
    reverse = edges.reverse
    if reverse is not None:
        rank = torch.empty_like(order)
        rank[order] = torch.arange(len(order), device=order.device)
        reverse = rank[reverse[order]]
    return Edges(edges.center[order], edges.neighbor[order], edges.vector[order], reverse)


def _select(edges: Edges, inside: Tensor) -> Edges:
    if bool(inside.all()):
        return edges
    reverse = edges.reverse
    if reverse is not None:
        inside = inside & inside[reverse]  # a pair at the cutoff may be split by round-off
        rank = torch.cumsum(inside.long(), 0) - 1
        reverse = rank[reverse[inside]]
    return Edges(edges.center[inside], edges.neighbor[inside], edges.vector[inside], reverse)
