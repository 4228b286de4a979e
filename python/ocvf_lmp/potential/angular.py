"""Real spherical harmonics as symmetric traceless tensors, any order.

They are normalised so that the addition theorem has no factor: Σ_m Y_lm(a) Y_lm(b) = P_l(a·b).
"""

import itertools
import math
from functools import cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn


@cache
def _traceless_basis(order: int) -> np.ndarray:
    """Matrix (3^l, 2l+1) that takes the outer power u⊗...⊗u to Y_lm(u)."""
    if order == 0:
        return np.ones((1, 1))
    shape = (3,) * order
    permutations = list(itertools.permutations(range(order)))
    symmetric = []
    for axes in itertools.combinations_with_replacement(range(3), order):
        unit = np.zeros(shape)
        unit[axes] = 1.0
        symmetric.append(np.sum([np.transpose(unit, p) for p in permutations], axis=0).ravel())
    span = np.linalg.qr(np.array(symmetric).T)[0]
    if order > 1:
        trace = np.einsum("ii...k->...k", span.reshape(*shape, -1)).reshape(-1, span.shape[1])
        span = span @ np.linalg.svd(trace)[2][-(2 * order + 1) :].T
    odd_factorial = math.prod(range(1, 2 * order, 2))
    return span * math.sqrt(odd_factorial / math.factorial(order))


class SphericalHarmonics(nn.Module):
    """Y_lm of unit vectors for l = 0 ... l_max.

    The basis within one l is fixed only up to a rotation; everything built on it must be (and is)
    a contraction over m.

    Args:
        l_max: highest order.
    """

    def __init__(self, l_max: int) -> None:
        super().__init__()
        self.l_max = l_max
        for order in range(2, l_max + 1):
            matrix = torch.from_numpy(_traceless_basis(order))
            self.register_buffer(f"traceless_{order}", matrix, persistent=False)

    def forward(self, unit: Float[Tensor, "*edges 3"]) -> list[Tensor]:
        """One tensor (..., 2l+1) for each l."""
        harmonics = [torch.ones_like(unit[..., :1]), unit][: self.l_max + 1]
        power = unit
        for order in range(2, self.l_max + 1):
            power = (power.unsqueeze(-1) * unit.unsqueeze(-2)).flatten(-2)
            harmonics.append(power @ getattr(self, f"traceless_{order}"))
        return harmonics
