"""Blocks of the network: filters on messages, the factorised angular sum, outputs."""

from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class DimeNetSize:
    """Size of the network.

    Attributes:
        cutoff: Å.
        n_features: width of a message.
        n_angular: width of the messages inside the angular sum.
        n_radial: Bessel functions.
        l_max: highest order of the angular filter.
        n_blocks: interaction blocks; an atom's energy reaches n_blocks + 1 cutoffs.
    """

    cutoff: float = 5.0
    n_features: int = 32
    n_angular: int = 16
    n_radial: int = 8
    l_max: int = 3
    n_blocks: int = 1


class OutputBlock(nn.Module):
    """Incoming messages, filtered and summed over each atom, to a number an atom."""

    def __init__(self, size: DimeNetSize) -> None:
        super().__init__()
        self.filter = nn.Linear(size.n_radial, size.n_features, bias=False)
        self.hidden = nn.Linear(size.n_features, size.n_features)
        self.final = nn.Linear(size.n_features, 1, bias=False)

    def forward(self, incoming: Tensor, radial: Tensor) -> Tensor:
        """(rows, slots, features) messages to (rows,) energies in units of the scale."""
        return self.energies(self.contributions(incoming, radial).sum(dim=1))

    def contributions(self, message: Tensor, radial: Tensor) -> Tensor:
        """What each message adds to its target, (rows, slots, features)."""
        return self.filter(radial) * message

    def energies(self, summed: Tensor) -> Tensor:
        """(rows, features) sums of contributions to (rows,) energies in units of the scale."""
        return self.final(nn.functional.silu(self.hidden(summed))).squeeze(-1)


class InteractionBlock(nn.Module):
    """One round of messages over angles (OCVF eq. 7)."""

    def __init__(self, size: DimeNetSize) -> None:
        super().__init__()
        f, a = size.n_features, size.n_angular
        self.l_max, self.n_angular = size.l_max, a
        self.down = nn.Linear(f, a)
        self.radial_filters = nn.Linear(size.n_radial, (size.l_max + 1) * a, bias=False)
        self.up = nn.Linear(a, f, bias=False)
        self.direct = nn.Linear(f, f)
        self.update = nn.Linear(f, f)

    def contributions(self, message: Tensor, filters: Tensor) -> Tensor:
        """x_kj R_l(d_kj), (rows, slots, l_max + 1, n_angular)."""
        x = nn.functional.silu(self.down(message))
        return x.unsqueeze(-2) * filters

    def filters(self, radial: Tensor) -> Tensor:
        """R_l(d), (rows, slots, l_max + 1, n_angular)."""
        return self.radial_filters(radial).unflatten(-1, (self.l_max + 1, self.n_angular))

    def gather(self, contributions: Tensor, harmonics: list[Tensor]) -> list[Tensor]:
        """The bracket: one (rows, 2l+1, n_angular) tensor for each l."""
        orders = contributions.unbind(dim=-2)
        return [y.transpose(1, 2) @ x for y, x in zip(harmonics, orders, strict=True)]

    def advance(self, message: Tensor, angular: Tensor) -> Tensor:
        """Residual update of the messages by the angular sums (without the k = i term)."""
        mixed = nn.functional.silu(self.direct(message) + self.up(angular))
        return message + nn.functional.silu(self.update(mixed))


def angular_sums(contributions: Tensor, brackets: list[Tensor], harmonics: list[Tensor]) -> Tensor:
    """Sums over k of x_kj R_l P_l on each edge, without the term k = i."""
    angular = -contributions.sum(dim=-2)
    for y, bracket in zip(harmonics, brackets, strict=True):
        angular = angular + y @ bracket
    return angular
