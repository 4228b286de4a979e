"""A Gaussian-smeared histogram of distances whose memory does not grow with the window."""

import math
from typing import Any

import torch
from jaxtyping import Float, Int
from torch.autograd.function import once_differentiable

CHUNK = 4096
"""Distances that are spread at a time: their windows fit in the processor's cache."""


def spread(
    distance: Float[torch.Tensor, " edges"],
    row: Int[torch.Tensor, " edges"],
    shape: tuple[int, int],
    dr: float,
    sigma: float,
    half_window: int,
) -> Float[torch.Tensor, "pairs bins"]:
    """Table T[p, k] = Σ K_σ(r_k - d)/d over the distances d of row p, with r_k = (k + 1) dr.

    Only the bins within `half_window` of each distance are touched. Backward works once: the
    table is not meant to be differentiated twice.

    Args:
        distance: Å, (edges,); carries gradients.
        row: row of each distance, (edges,).
        shape: number of rows and bins.
        dr: spacing of the bins, Å.
        sigma: standard deviation of the Gaussian K, Å.
        half_window: number of bins on either side of a distance.
    """
    table = _Spread.apply(distance, row, shape, dr, sigma, half_window)
    assert isinstance(table, torch.Tensor)
    return table


class _Spread(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        distance: torch.Tensor,
        row: torch.Tensor,
        shape: tuple[int, int],
        dr: float,
        sigma: float,
        half_window: int,
    ) -> torch.Tensor:
        ctx.save_for_backward(distance, row)
        ctx.settings = (shape, dr, sigma, half_window)
        padded = _padded(shape[1], half_window)
        table = distance.new_zeros(shape[0] * padded)
        for d, p in zip(distance.split(CHUNK), row.split(CHUNK), strict=True):
            flat, _, kernel = _window(d, p, padded, dr, sigma, half_window)
            table.index_add_(0, flat.view(-1), kernel.view(-1))
        return table.view(shape[0], padded)[:, half_window + 1 :][:, : shape[1]].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        distance, row = ctx.saved_tensors
        shape, dr, sigma, half_window = ctx.settings
        padded = _padded(shape[1], half_window)
        slope = grads[0].new_zeros(shape[0], padded)
        slope[:, half_window + 1 : half_window + 1 + shape[1]] = grads[0]
        found = []
        for d, p in zip(distance.split(CHUNK), row.split(CHUNK), strict=True):
            flat, delta, kernel = _window(d, p, padded, dr, sigma, half_window)
            kernel.mul_(slope.view(-1)[flat])
            delta.mul_(kernel)
            found.append(delta.sum(dim=1) / sigma - kernel.sum(dim=1) / d)
        return torch.cat(found), None, None, None, None, None


def _padded(n_bins: int, half_window: int) -> int:
    """Bins of a row with room for the windows that stick out on either side."""
    return n_bins + 3 * half_window + 2


def _window(
    distance: torch.Tensor, row: torch.Tensor, padded: int, dr: float, sigma: float, half: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Places in the flat table, (r - d)/σ and K/d, each (edges, window)."""
    nearest = torch.round(distance / dr).long() - 1
    offsets = torch.arange(-half, half + 1, device=distance.device)
    flat = (row * padded + nearest + (half + 1))[:, None] + offsets
    start = (dr * (nearest + 1).to(distance.dtype) - distance) / sigma
    delta = start[:, None] + (dr / sigma) * offsets.to(distance.dtype)
    kernel = torch.square(delta).mul_(-0.5).exp_()
    height = 1.0 / (math.sqrt(2.0 * math.pi) * sigma * distance)
    return flat, delta, kernel.mul_(height[:, None])
