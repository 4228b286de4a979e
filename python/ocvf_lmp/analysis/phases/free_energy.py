"""Free energies of neighbouring temperatures, and of phases, by MBAR.

The multistate Bennett acceptance ratio (Shirts & Chodera, J. Chem. Phys. 129, 124105 (2008)) joins
the frames of several temperatures of one Hamiltonian through u = (U + pV)/kT, which every frame has
at every temperature. Frames are thinned to independent ones first. Momenta drop out: G here is that
of the configurations.

Two neighbouring temperatures are joined only where their distributions overlap: the off-diagonal
element of the overlap matrix of the two must be at least `OVERLAP` (Klimovich, Shirts & Mobley,
J. Comput.-Aided Mol. Des. 29, 397 (2015)). It falls with the number of atoms: at 300 K, 320 atoms
need temperatures within some 25 K of each other, and ten times less at 30 K.

G of a phase is G of the frames that are in it: G_B - G_A = -kT ln(P_B/P_A), with the probabilities
P at any temperature in reach from the weights of MBAR. That needs a temperature at which the
crystal goes back and forth between the two; a branch that passes a transition once says nothing.
"""

import logging
import warnings
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.special import logsumexp

from ocvf_lmp.analysis.phases.results import FreeStep, Value
from ocvf_lmp.analysis.phases.series import LegSeries
from ocvf_lmp.analysis.phases.statistics import inefficiency
from ocvf_lmp.units import BAR, KB

OVERLAP = 0.03
FEWEST = 10
"""Independent frames of a temperature below which nothing is said."""

GATED = (
    "free energies are not defined: the Hamiltonian of this model changes with temperature (its"
    " experts are gated), so that frames of one temperature have no weight at another"
)


def enthalpy(leg: LegSeries, pressure: float) -> np.ndarray:
    """U + pV of every frame, eV.

    Args:
        leg: of a sweep.
        pressure: of the barostat, bar.
    """
    return leg.energy + pressure * BAR * leg.volume * leg.cells


def independent(leg: LegSeries, pressure: float) -> np.ndarray:
    """Frames that are independent as far as their enthalpy tells, indices."""
    step = inefficiency(enthalpy(leg, pressure))
    count = max(1, int(len(leg) / step))
    return np.unique(np.linspace(0, len(leg) - 1, count).round().astype(int))


def free_steps(legs: Sequence[LegSeries], pressure: float) -> list[FreeStep]:
    """Differences between neighbouring temperatures of one branch, from cold to warm.

    Args:
        legs: of one branch.
        pressure: of the barostat, bar.
    """
    legs = sorted(legs, key=lambda leg: leg.temperature)
    if len(legs) < 2:
        return []
    zero = float(legs[0].energy.mean()) / legs[0].cells
    found = []
    for cold, warm in pairwise(legs):
        frames = [enthalpy(x, pressure)[independent(x, pressure)] for x in (cold, warm)]
        found.append(_step(cold, warm, frames, zero))
    return found


def mbar(energies: Sequence[np.ndarray], temperatures: np.ndarray, initial: Any = None) -> Any:
    """The solved equations of several temperatures.

    Args:
        energies: enthalpies of each temperature's frames, eV.
        temperatures: K.
        initial: a guess of the free energies in kT.

    Returns:
        A `pymbar.MBAR`.
    """
    logging.getLogger("pymbar").setLevel(logging.ERROR)  # it greets, and misses jax, as warnings
    import pymbar  # noqa: PLC0415 (slow import)

    pooled = np.concatenate(energies)
    reduced = pooled / (KB * np.asarray(temperatures)[:, None])
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return pymbar.MBAR(reduced, [len(x) for x in energies], initial_f_k=initial)


def log_weights(
    energies: Sequence[np.ndarray], temperatures: np.ndarray, free: np.ndarray, at: float
) -> np.ndarray:
    """Logarithms of the normalised weights of all frames at one temperature, (all frames,).

    Args:
        energies: enthalpies of each temperature's frames, eV.
        temperatures: K.
        free: free energies of these temperatures, kT.
        at: temperature, K.
    """
    pooled = np.concatenate(energies)
    counts = np.array([len(x) for x in energies])
    exponents = free[:, None] - pooled / (KB * np.asarray(temperatures)[:, None])
    logs = -pooled / (KB * at) - logsumexp(exponents, b=counts[:, None], axis=0)
    return logs - logsumexp(logs)


def _step(cold: LegSeries, warm: LegSeries, frames: Sequence[np.ndarray], zero: float) -> FreeStep:
    cells, temperatures = cold.cells, np.array([cold.temperature, warm.temperature])
    counts = (float(len(frames[0])), float(len(frames[1])))

    def refused(why: str, overlap: float = np.nan) -> FreeStep:
        nothing = Value(np.nan, np.nan)
        return FreeStep(
            cold.branch, cold.temperature, warm.temperature, nothing, zero, overlap, counts, why
        )

    if temperatures[0] == temperatures[1]:
        return refused("the same temperature twice")
    if min(counts) < FEWEST:
        return refused(
            f"fewer than {FEWEST} independent frames ({counts[0]:.0f} and {counts[1]:.0f})"
        )
    middle = float(frames[0].mean())  # from here the equations start near their solution
    frames = [x - middle for x in frames]
    if float(frames[0].max()) < float(frames[1].min()):
        return refused("the energies of the two temperatures do not overlap at all", 0.0)
    solved = mbar(frames, temperatures)
    overlap = float(solved.compute_overlap()["matrix"][0, 1])
    if not overlap >= OVERLAP:
        return refused(
            f"overlap {overlap:.1g} is below {OVERLAP}: choose temperatures closer together",
            overlap,
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = solved.compute_free_energy_differences()
    value, error = float(found["Delta_f"][0, 1]), float(found["dDelta_f"][0, 1])
    inverse = 1.0 / (KB * temperatures)
    value += (middle - zero * cells) * float(inverse[1] - inverse[0])
    return FreeStep(
        cold.branch, cold.temperature, warm.temperature, Value(value / cells, error / cells), zero,
        overlap, counts, "",
    )  # fmt: skip
