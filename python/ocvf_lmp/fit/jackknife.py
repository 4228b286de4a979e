"""Standard errors of what is made of averages, from averages that each leave out one block."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Averages = Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class Jackknife:
    """Averages of a sample without each of its blocks in turn.

    Attributes:
        left_out: averaged observables by name, one mapping a block.
        factor: of the sum of squares that gives the variance.
    """

    left_out: Sequence[Averages]
    factor: float

    def errors(self, of: Callable[[Averages], Mapping[str, Tensor]]) -> dict[str, float]:
        """Standard errors of scalars that a function makes of averages, by their names."""
        with torch.no_grad():
            rows = [of(averages) for averages in self.left_out]
        return {
            name: float(standard_error(torch.stack([row[name] for row in rows]), self.factor))
            for name in rows[0]
        }


def of_blocks(blocks: Sequence[Averages]) -> Jackknife:
    """The jackknife over blocks of the same length.

    Args:
        blocks: averaged observables of each, by name; at least two.
    """
    n = len(blocks)
    sums = {name: torch.stack([block[name] for block in blocks]).sum(dim=0) for name in blocks[0]}
    left_out = [{k: (total - block[k]) / (n - 1) for k, total in sums.items()} for block in blocks]
    return Jackknife(left_out, (n - 1) / n)


def standard_error(left_out: Tensor, factor: float) -> Tensor:
    """Standard error from estimates that each leave out one block, (blocks, ...)."""
    return (factor * (left_out - left_out.mean(dim=0)).square().sum(dim=0)).sqrt()
