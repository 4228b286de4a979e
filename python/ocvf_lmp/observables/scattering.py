"""Scattering lengths, form factors and Faber-Ziman weights of the partial structure factors."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float

from ocvf_lmp.errors import InputError
from ocvf_lmp.observables.rdf import species_pairs

NEUTRON_LENGTHS = {"O": 5.803, "Ti": -3.438, "Ba": 5.07}
"""Bound coherent neutron scattering lengths, fm (V. F. Sears, Neutron News 3(3), 26 (1992)).

They are listed because other tables differ (Ti -3.37 in `periodictable` 2.1); elements not listed
are taken from `periodictable`.
"""

RADIATIONS = ("neutron", "xray")


def neutron_length(symbol: str) -> float:
    """Bound coherent neutron scattering length of an element, fm.

    Raises:
        InputError: no length is known for the symbol.
    """
    if symbol in NEUTRON_LENGTHS:
        return NEUTRON_LENGTHS[symbol]
    element = _element(symbol)
    length = element.neutron.b_c
    if length is None:
        raise InputError(
            f"expected an element with a known neutron scattering length, found {symbol}, which"
            " has none in the tables; use x-ray weights or another isotope"
        )
    return float(length)


def form_factor(
    symbol: str, q: Float[torch.Tensor, " q"], charge: int = 0
) -> Float[torch.Tensor, " q"]:
    """X-ray form factor f0(Q) in electrons (Waasmaier & Kirfel 1995, through `periodictable`).

    Anomalous terms are left out: they are a fraction of an electron far from absorption edges.

    Args:
        symbol: element.
        q: momentum transfer, Å^-1, at most 75.
        charge: of the ion; 0 for the neutral atom.

    Raises:
        InputError: the element or ion is not in the table, or Q is beyond it.
    """
    from periodictable.cromermann import fxrayatq  # noqa: PLC0415 (slow import)

    if len(q) and float(q.max()) > 75.0:
        raise InputError(
            f"expected Q of at most 75 Å^-1 for x-ray form factors, found {float(q.max()):.1f};"
            " give a smaller Q_max"
        )
    _element(symbol)
    try:
        values = fxrayatq(symbol, q.detach().cpu().numpy(), charge)
    except KeyError:
        raise InputError(
            f"expected an atom or ion of the Waasmaier-Kirfel table, found {symbol} with charge"
            f" {charge:+d}; use the neutral atom (charge 0)"
        ) from None
    return torch.as_tensor(values, dtype=q.dtype, device=q.device)


def scattering_factors(
    symbols: Sequence[str],
    q: Float[torch.Tensor, " q"],
    radiation: str,
    charges: Mapping[str, int] | None = None,
) -> Float[torch.Tensor, "species q"]:
    """Scattering power of each species at each Q: b in fm for neutrons, f0 in electrons for x-rays.

    Raises:
        InputError: `radiation` is neither "neutron" nor "xray".
    """
    if radiation not in RADIATIONS:
        raise InputError(
            f"expected the radiation 'neutron' or 'xray', found {radiation!r}; correct its name"
        )
    if radiation == "neutron":
        lengths = torch.tensor([neutron_length(s) for s in symbols], dtype=q.dtype)
        return lengths.to(q.device)[:, None].expand(len(symbols), len(q))
    charges = charges or {}
    return torch.stack([form_factor(s, q, charges.get(s, 0)) for s in symbols])


def faber_ziman_weights(
    factors: Float[torch.Tensor, "species q"], fractions: Float[torch.Tensor, " species"]
) -> Float[torch.Tensor, "pairs q"]:
    """Weights w_ab(Q) = (2 - δ_ab) c_a c_b f_a f_b / ⟨f⟩² of unordered pairs; they add up to 1.

    Args:
        factors: scattering power of each species.
        fractions: atomic fractions; normalised here.

    Raises:
        InputError: the mean scattering power vanishes, so that the total cannot be normalised.
    """
    fractions = fractions / fractions.sum()
    amplitude = fractions[:, None] * factors
    mean = amplitude.sum(dim=0)
    if bool((mean.abs() < 1e-6 * amplitude.abs().sum(dim=0)).any()):
        raise InputError(
            "expected a composition whose mean scattering power is not zero, found a null"
            " scatterer; the Faber-Ziman total is not defined for it"
        )
    pairs = species_pairs(len(fractions))
    rows = [(1.0 if a == b else 2.0) * amplitude[a] * amplitude[b] for a, b in pairs]
    return torch.stack(rows) / mean**2


def _element(symbol: str):  # noqa: ANN202 (a periodictable object)
    import periodictable  # noqa: PLC0415 (slow import)

    try:
        return periodictable.elements.symbol(symbol)
    except ValueError:
        raise InputError(
            f"expected a chemical symbol, found {symbol!r}; symbols are written as in 'Ba'"
        ) from None
