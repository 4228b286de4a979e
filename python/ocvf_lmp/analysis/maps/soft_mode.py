"""The polar soft mode of a potential at Γ, from its own force constants."""

import numpy as np

from ocvf_lmp.analysis.maps.displacements import Pattern
from ocvf_lmp.analysis.maps.energies import Crystal, forces
from ocvf_lmp.potential.protocol import Potential

STEP = 0.001
"""Å, of the central differences of forces; their error is of second order."""

_SPREAD = np.sqrt([1.0, 1.0, 1.0, 2.0])
"""The fourth coordinate moves two anions."""


def soft_mode(potential: Potential, crystal: Crystal) -> tuple[Pattern, float]:
    """The softest optical eigenvector of the force constants among displacements along [100].

    In the cubic cell, displacements of the ions along x couple to each other alone, and the two
    anions beside the chain move together in a polar mode: four coordinates, of which one is a
    translation. Eigenvectors of force constants, not of the dynamical matrix, are those whose
    energy is lowest for their length (King-Smith & Vanderbilt, Phys. Rev. B 49, 5828, 1994); masses
    play no role in an energy surface.

    Args:
        potential: that can be evaluated here.
        crystal: the cubic cell.

    Returns:
        The pattern, scaled to an off-centring of 1, and its force constant, eV/Å²: the second
        derivative of the energy along the normalised eigenvector, negative where it is unstable.

    Raises:
        InputError: see `energies`.
        ModelFileError: see there.
    """
    matrix = np.zeros((4, 4))
    for k in range(4):
        unit = Pattern(*(float(j == k) for j in range(4)))
        ahead, behind = (
            _along(forces(potential, crystal, unit, np.array([sign * STEP, 0.0, 0.0])))
            for sign in (1.0, -1.0)
        )
        matrix[:, k] = -(ahead - behind) / (2.0 * STEP) / _SPREAD / _SPREAD[k]
    matrix = 0.5 * (matrix + matrix.T)
    uniform = _SPREAD / np.linalg.norm(_SPREAD)
    optical = np.linalg.svd(uniform[None])[2][1:]
    constants, vectors = np.linalg.eigh(optical @ matrix @ optical.T)
    eigenvector = (vectors[:, 0] @ optical) / _SPREAD
    return Pattern(*map(float, eigenvector)).scaled(), float(constants[0])


def _along(found: np.ndarray) -> np.ndarray:
    """Forces along x on the four coordinates: A, B, the chain's anion, the sum of the others."""
    a, b, beside_1, beside_2, chain = found[:, 0]  # anions of chains along z, y, x
    return np.array([a, b, chain, beside_1 + beside_2])
