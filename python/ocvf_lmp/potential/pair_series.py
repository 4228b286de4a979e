r"""ΔH that is linear in its parameters: the ansatz of maximum entropy (OCVF eq. 5-6).

Of all ensembles in which observables Ô_s have given averages, the one nearest to the prior's has

    ΔH = -kT Σ_s λ_s Ô_s.

A pair distribution function is an average of sums over pairs, so its rigid correction is a pair
potential. Each term belongs to one diffraction experiment: all pairs count with the product of
their scattering powers, as they do in that experiment, and distances are resolved by cubic
B-splines,

    Ô_s = Σ_{i<j} w_ij B_s(r_ij).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ocvf_lmp.arrays import AtomEnergies, Scalar, Species
from ocvf_lmp.errors import InputError
from ocvf_lmp.potential.protocol import Exchange
from ocvf_lmp.system.edges import Edges


@dataclass(frozen=True, slots=True)
class PairTerm:
    """Observables of one experiment.

    Attributes:
        powers: scattering power of each species, divided by the mean power of the sample.
        r_min: where the first spline begins, Å.
        r_max: where the last one ends, Å.
        n_splines: number of splines.
    """

    powers: tuple[float, ...]
    r_min: float
    r_max: float
    n_splines: int

    def __post_init__(self) -> None:
        if not (0.0 < self.r_min < self.r_max and self.n_splines >= 1):
            raise InputError(
                "expected 0 < r_min < r_max and at least one spline, found"
                f" {self.r_min:g} to {self.r_max:g} Å and {self.n_splines}; correct the range"
            )

    @property
    def knot(self) -> float:
        """Distance of neighbouring splines, Å; each is four of them wide."""
        return (self.r_max - self.r_min) / (self.n_splines + 3)

    def splines(self, r: Float[Tensor, " n"]) -> Float[Tensor, "n splines"]:
        """B_s(r): cubic B-splines, 2/3 at their centres, zero with two derivatives at their ends.

        Args:
            r: distances, Å, (n,).
        """
        centres = self.r_min + self.knot * torch.arange(
            2, self.n_splines + 2, dtype=r.dtype, device=r.device
        )
        x = ((r[:, None] - centres) / self.knot).abs()
        inner, outer = (2.0 - x).clamp(min=0.0), (1.0 - x).clamp(min=0.0)
        return (inner**3 - 4.0 * outer**3) / 6.0


class PairSeries(nn.Module):
    """ΔH = Σ_t Σ_s c_ts Ô_ts with c = -kT λ, zero at the start.

    Args:
        symbols: chemical symbols in the order of the species indices.
        terms: one an experiment.

    Raises:
        InputError: no term, or powers for another number of species.

    Attributes:
        coefficients: c, eV, all terms one after another.
    """

    n_hops = 1

    def __init__(self, symbols: Sequence[str], terms: Sequence[PairTerm]) -> None:
        super().__init__()
        if not terms or any(len(term.powers) != len(symbols) for term in terms):
            raise InputError(
                f"expected terms with the scattering powers of {len(symbols)} species, found"
                f" {[len(term.powers) for term in terms]}; give one power for each species"
            )
        self.symbols, self.terms = tuple(symbols), tuple(terms)
        self.cutoff = max(term.r_max for term in terms)
        number = sum(term.n_splines for term in terms)
        self.coefficients = nn.Parameter(torch.zeros(number, dtype=torch.float64))
        table = torch.tensor([term.powers for term in terms], dtype=torch.float64)
        self.register_buffer("powers", table, persistent=False)

    def atom_energies(
        self, edges: Edges, species: Species, exchange: Exchange | None = None
    ) -> AtomEnergies:
        """Energy of each atom, eV, (atoms,)."""
        del exchange
        r = edges.vector.square().sum(dim=1).sqrt()
        powers: Tensor = self.powers  # pyright: ignore
        total = torch.zeros_like(r)
        first = 0
        for term, power in zip(self.terms, powers, strict=True):
            own = self.coefficients[first : first + term.n_splines]
            pair = power[species[edges.center]] * power[species[edges.neighbor]]
            total = total + pair * (term.splines(r) @ own.to(r.dtype))
            first += term.n_splines
        zero = torch.zeros(len(species), dtype=r.dtype, device=r.device)
        return zero.index_add(0, edges.center, 0.5 * total)

    def energy(self, edges: Edges, species: Species) -> Scalar:
        """Total energy, eV."""
        return self.atom_energies(edges, species).sum()
