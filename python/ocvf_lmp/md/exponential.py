"""Exponentials of small matrices with derivatives that stay finite at degenerate eigenvalues.

The usual way, through the eigenvectors of the cell momentum, has a gradient of NaN where two
eigenvalues coincide, and at rest all three do. Power series do not care.
"""

from functools import lru_cache
from typing import Any

import torch
from torch.autograd.function import once_differentiable

_ORDERS = ((1e-4, 4), (1e-2, 7), (0.5, 15))
"""Orders at which the remainder of the series lies below 1e-19 of the sum, by the matrix norm."""


def exponentials(matrix: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """exp(X) and φ(X) = (exp(X) - 1)/X = Σ X^k/(k+1)!, differentiable once for every X.

    Args:
        matrix: X, (n, n).

    Returns:
        exp(X) and φ(X), each (n, n).
    """
    exponential, phi = _Exponentials.apply(matrix)
    return exponential, phi


@lru_cache
def identity(size: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """The unit matrix (shared: do not change it)."""
    return torch.eye(size, dtype=dtype, device=device)


def identity_like(matrix: torch.Tensor) -> torch.Tensor:
    """The unit matrix of the same kind."""
    return identity(len(matrix), matrix.dtype, matrix.device)


def phi_series(matrix: torch.Tensor) -> torch.Tensor:
    """φ(X) by Horner's rule; large X are halved first: φ(2X) = φ(X)(1 + Xφ(X)/2)."""
    norm = float(matrix.abs().sum(dim=-1).max())
    if not norm < 1e6:  # also NaN; the rollout reports what happened
        return torch.full_like(matrix, float("nan"))
    halvings = 0
    while norm > _ORDERS[-1][0]:
        norm, halvings = norm / 2.0, halvings + 1
    order = next(n for bound, n in _ORDERS if norm <= bound)
    x = matrix * 0.5**halvings if halvings else matrix
    phi = eye = identity_like(matrix)
    for k in range(order, 0, -1):
        phi = torch.addmm(eye, x, phi, alpha=1.0 / (k + 1))
    for _ in range(halvings):
        phi = phi @ torch.addmm(eye, x, phi, alpha=0.5)
        x = 2.0 * x
    return phi


def pull_back_exponentials(
    matrix: torch.Tensor, phi: torch.Tensor, of_exponential: torch.Tensor, of_phi: torch.Tensor
) -> torch.Tensor:
    """Cotangent of X from those of exp(X) and φ(X).

    For f(X) = Σ c_k X^k the cotangent C pulls back to Σ c_k Σ_j (Xᵀ)^j C (Xᵀ)^(k-1-j), which is the
    upper right block of f([[Xᵀ, C], [0, Xᵀ]]) (Mathias 1996): one more evaluation of the series;
    and exp(X) = 1 + Xφ(X).

    Args:
        matrix: X.
        phi: φ(X).
        of_exponential: cotangent of exp(X).
        of_phi: cotangent of φ(X).
    """
    x = matrix.T
    n = len(x)
    cotangent = torch.addmm(of_phi, x, of_exponential)
    size, norm = float(cotangent.abs().max()), float(x.abs().max())
    if size == 0.0:
        return of_exponential @ phi.T
    # the norm of the block, and with it the order of the series, must not depend on the cotangent
    scale = 0.1 * (norm or 1e-4) / size
    block = torch.zeros(2 * n, 2 * n, dtype=x.dtype, device=x.device)
    block[:n, :n] = x
    block[n:, n:] = x
    block[:n, n:] = cotangent * scale
    derivative = phi_series(block)[:n, n:] / scale
    return torch.addmm(derivative, of_exponential, phi.T)


class _Exponentials(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, matrix: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        phi = phi_series(matrix)
        ctx.save_for_backward(matrix, phi)
        return torch.addmm(identity_like(matrix), matrix, phi), phi

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *cotangents: torch.Tensor) -> torch.Tensor:
        matrix, phi = ctx.saved_tensors
        return pull_back_exponentials(matrix, phi, *cotangents)
