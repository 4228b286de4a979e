"""The part of the thermal motion that classical dynamics leaves out, in the harmonic approximation.

A classical oscillator has the variance kT/(Mω²); a quantum one ħ/(2Mω) coth(ħω/2kT), which is
larger by ħ²/(12 M kT) at high temperature whatever ω, and by nearly ħ/(2Mω) at low temperature.
Measured PDF peaks carry the quantum width; those of a classical simulation at the same temperature
are narrower. The correction is never applied unless asked for.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float

from ocvf_lmp.errors import InputError
from ocvf_lmp.observables.rdf import species_pairs

HBAR2_OVER_AMU_KB = 48.508734
"""ħ²/(amu k_B), Å² K (CODATA 2018)."""


def excess_variance(temperature: float, mass: float, einstein_temperature: float) -> float:
    """Quantum minus classical variance of one Cartesian coordinate of an Einstein oscillator, Å².

    Args:
        temperature: K.
        mass: amu.
        einstein_temperature: ħω/k_B, K. About 0.75 of a Debye temperature; where the
            temperature is well above it, the result hardly depends on it.

    Raises:
        InputError: an argument is not positive.
    """
    if min(temperature, mass, einstein_temperature) <= 0:
        raise InputError(
            "expected a positive temperature, mass and Einstein temperature, found"
            f" {temperature} K, {mass} amu, {einstein_temperature} K; correct them"
        )
    half = 0.5 * einstein_temperature / temperature
    excess = torch.tensor(half, dtype=torch.float64)
    excess = half / torch.tanh(excess) - 1.0
    classical = HBAR2_OVER_AMU_KB * temperature / (mass * einstein_temperature**2)
    return classical * float(excess)


def pair_variance(
    temperature: float, masses: Sequence[float], einstein_temperatures: Sequence[float]
) -> Float[torch.Tensor, " pairs"]:
    """Additional variance of the distance of each pair of species, Å², (pairs,).

    The two atoms are taken to move independently, as in the Einstein model. Neighbours that move
    together have less, so for the first shells this is an upper estimate.

    Args:
        temperature: K.
        masses: of the species, amu.
        einstein_temperatures: of the species, K.

    Returns:
        What `pdf.pdf_model` takes as ``extra_variance``.
    """
    each = [
        excess_variance(temperature, mass, einstein)
        for mass, einstein in zip(masses, einstein_temperatures, strict=True)
    ]
    pairs = species_pairs(len(each))
    return torch.tensor([each[a] + each[b] for a, b in pairs], dtype=torch.float64)
