"""Rows of ghost atoms from their owners, as an operation that autograd can pass through."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ocvf_lmp.potential.protocol import Exchange


class _ToGhosts(torch.autograd.Function):
    """Ghost rows become those of their owners; backward, their gradients are added to the owners.

    LAMMPS' forward and reverse communication are transposes of one another, so the derivative of
    the energy of *all* ranks with respect to the edges of this one comes out right.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, data: Any, columns: int) -> Tensor:
        ctx.data, ctx.columns = data, columns
        return _in_slices(rows, data.forward_exchange, columns)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return _in_slices(gradients[0], ctx.data.reverse_exchange, ctx.columns), None, None


class _ToOwners(torch.autograd.Function):
    """Ghost rows are added to those of their owners; backward, ghosts get their gradients."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, data: Any, columns: int) -> Tensor:
        ctx.data, ctx.columns = data, columns
        return _in_slices(rows, data.reverse_exchange, columns)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return _in_slices(gradients[0], ctx.data.forward_exchange, ctx.columns), None, None


def exchange_through(data: Any, columns: int) -> Exchange:
    """The exchange of a host.

    Every rank must use it equally often, with the same widths, even without atoms.

    Args:
        data: the host's data object, with `forward_exchange` and `reverse_exchange`.
        columns: how many columns the host can send at a time; 0: any number.
    """

    def to_ghosts(rows: Tensor) -> Tensor:
        if not rows.requires_grad:
            return _in_slices(rows, data.forward_exchange, columns)
        result = _ToGhosts.apply(rows, data, columns)
        assert isinstance(result, Tensor)
        return result

    def to_owners(rows: Tensor) -> Tensor:
        if not rows.requires_grad:
            return _in_slices(rows, data.reverse_exchange, columns)
        result = _ToOwners.apply(rows, data, columns)
        assert isinstance(result, Tensor)
        return result

    return Exchange(to_ghosts, to_owners)


def _unchanged(rows: Tensor) -> Tensor:
    return rows


KEEP_ROWS = Exchange(_unchanged, _unchanged)
"""Where ghosts are centres themselves: what owned atoms need of them is complete already."""


def _in_slices(rows: Tensor, send: Callable[[Tensor, Tensor, int], None], columns: int) -> Tensor:
    width = rows.shape[1]
    if columns <= 0 or width <= columns:
        source = rows.detach().contiguous()
        target = torch.empty_like(source)
        send(source, target, width)
        return target
    slices = rows.detach().split(columns, dim=1)
    sent = []
    for part in slices:
        source = part.contiguous()
        target = torch.empty_like(source)
        send(source, target, source.shape[1])
        sent.append(target)
    return torch.cat(sent, dim=1)
