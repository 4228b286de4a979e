"""Rows of ghost atoms from their owners, as an operation that autograd can pass through."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ocvf_lmp.potential.protocol import Exchange


class _Exchange(torch.autograd.Function):
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


def exchange_through(data: Any, columns: int) -> Exchange:
    """The exchange of a host.

    Every rank must use it equally often, with the same widths, even without atoms.

    Args:
        data: the host's data object, with `forward_exchange` and `reverse_exchange`.
        columns: how many columns the host can send at a time; 0: any number.
    """

    def exchange(rows: Tensor) -> Tensor:
        result = _Exchange.apply(rows, data, columns)
        assert isinstance(result, Tensor)
        return result

    return exchange


def keep_rows(rows: Tensor) -> Tensor:
    """The exchange where ghosts are centres themselves: their rows are right already."""
    return rows


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
