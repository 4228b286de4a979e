"""Radial basis: spherical Bessel functions of order zero under a smooth envelope."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn


def envelope(scaled: Tensor, exponent: int = 6) -> Tensor:
    """Polynomial that falls from one to zero over 0 < x < 1, with three vanishing derivatives.

    u(x) = 1 - (p+1)(p+2)(p+3)/6 x^p + p(p+2)(p+3)/2 x^(p+1) - p(p+1)(p+3)/2 x^(p+2)
           + p(p+1)(p+2)/6 x^(p+3), and exactly zero for x >= 1. One power more than the envelope
    of Gasteiger et al. 2020 (their eq. 8): energies keep *three* continuous derivatives at the
    cutoff, so that Hessian-vector products, which the adjoint needs, are smooth as well.
    """
    p = float(exponent)
    inside = torch.clamp(scaled, max=1.0)
    power = inside.pow(exponent)
    c0, c1 = (p + 1) * (p + 2) * (p + 3) / 6, p * (p + 2) * (p + 3) / 2
    c2, c3 = p * (p + 1) * (p + 3) / 2, p * (p + 1) * (p + 2) / 6
    return 1.0 + power * (-c0 + inside * (c1 + inside * (-c2 + inside * c3)))


class BesselBasis(nn.Module):
    """sqrt(2/c) sin(n π d/c)/d times the envelope, n = 1 ... n_radial (Gasteiger 2020, eq. 7).

    Args:
        n_radial: number of functions.
        cutoff: c, Å; the functions vanish at and beyond it.
    """

    frequencies: Tensor

    def __init__(self, n_radial: int, cutoff: float) -> None:
        super().__init__()
        self.cutoff = cutoff
        frequencies = torch.arange(1, n_radial + 1, dtype=torch.float64) * math.pi / cutoff
        self.register_buffer("frequencies", frequencies, persistent=False)

    def forward(self, distance: Float[Tensor, "*edges 1"]) -> Float[Tensor, "*edges n_radial"]:
        """Values of the basis functions at the distances, Å."""
        wave = torch.sin(distance * self.frequencies) * (math.sqrt(2.0 / self.cutoff) / distance)
        return wave * envelope(distance / self.cutoff)
