r"""Relative entropy D_KL(ρ_c‖ρ_o) of a corrected ensemble with respect to its prior.

It is what the correction costs in information: of all ensembles that agree with the experiment, the
one nearest to the prior has the least (the principle behind OCVF eq. 5-6). With ΔH = H_c - H_o at
the same temperature and pressure,

    D = -β <ΔH>_c + ln <exp(βΔH)>_c,

from frames of the corrected ensemble alone. It is extensive, in nats.
"""

import math

import torch

from ocvf_lmp.errors import InputError
from ocvf_lmp.units import KB


def relative_entropy(
    delta: torch.Tensor, temperature: float, n_blocks: int = 5
) -> tuple[float, float]:
    """D_KL(ρ_c‖ρ_o) from frames of the corrected ensemble, with a jackknife error over blocks.

    The exponential average is dominated by rare frames where D is large: beyond about ln(frames)
    the value is a lower bound.

    Args:
        delta: ΔH on the frames in their order, eV, (frames,).
        temperature: K.
        n_blocks: consecutive blocks of frames for the error.

    Returns:
        Relative entropy and standard error, nats.

    Raises:
        InputError: fewer frames than blocks.
    """
    if len(delta) < n_blocks:
        raise InputError(
            f"expected at least {n_blocks} frames for an error by blocks, found {len(delta)};"
            " measure longer"
        )
    work = delta.double() / (KB * temperature)
    parts = work.tensor_split(n_blocks)
    others = [torch.cat([*parts[:n], *parts[n + 1 :]]) for n in range(n_blocks)]
    left_out = torch.tensor([_entropy(rest) for rest in others], dtype=torch.float64)
    spread = (left_out - left_out.mean()).square().sum()
    return _entropy(work), float((spread * (n_blocks - 1) / n_blocks).sqrt())


def _entropy(work: torch.Tensor) -> float:
    shifted = work - work.mean()  # takes the first term into the second
    return float(torch.logsumexp(shifted, 0)) - math.log(len(work))
