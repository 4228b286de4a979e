"""Polarization and cell of every frame along the axes of its domain.

Within each window the axes are ordered by the size of their mean polarization, so that c is the
polar axis of T, a the one without polarization in O; an angle between two axes is reflected where
their polarizations have opposite signs. Domains of any orientation then add up, without the bias of
sorting noisy frames: the order comes from the polarization, not from the lengths that are averaged.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ocvf_lmp.analysis.phases.series import LegSeries
from ocvf_lmp.analysis.phases.windows import Part


@dataclass(frozen=True, slots=True)
class Aligned:
    """Of every frame.

    Attributes:
        lattice: a, b, c (Å), α, β, γ (degrees), (frames, 6).
        polarization: along the same axes, with the sign that makes its mean positive, C/m²,
            (frames, 3).
        means: sizes of the components of ⟨P⟩ of each window, ascending, C/m², (windows, 3).
        window: index of each frame's window, (frames,).
    """

    lattice: np.ndarray
    polarization: np.ndarray
    means: np.ndarray
    window: np.ndarray


def align(leg: LegSeries, parts: Sequence[Part]) -> Aligned:
    """Turns the axes of every window.

    Args:
        leg: of a sweep.
        parts: its windows, by polarization.
    """
    lattice, polarization = np.empty_like(leg.lattice), np.empty_like(leg.polarization)
    means = np.empty((len(parts), 3))
    for k, part in enumerate(parts):
        mean = leg.polarization[part.frames].mean(axis=0)
        order = np.argsort(np.abs(mean), kind="stable")
        signs = np.where(mean < 0, -1.0, 1.0)[order]
        lattice[part.frames, :3] = leg.lattice[part.frames, :3][:, order]
        folded = leg.lattice[part.frames, 3:][:, order] - 90.0
        lattice[part.frames, 3:] = 90.0 + folded * signs.prod() * signs
        polarization[part.frames] = leg.polarization[part.frames][:, order] * signs
        means[k] = np.abs(mean)[order]
    index = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    return Aligned(lattice, polarization, means, index)


def symmetric_parameters(phase: str, lattice: np.ndarray) -> dict[str, np.ndarray]:
    """What the symmetry of a phase leaves free of its pseudocubic cell, of every frame.

    Args:
        phase: R, O, T or C.
        lattice: aligned, (frames, 6).

    Returns:
        Lengths in Å and angles in degrees by name, (frames,).
    """
    a, b, c, alpha, _, _ = lattice.T
    if phase == "R":
        return {"a": lattice[:, :3].mean(axis=1), "alpha": lattice[:, 3:].mean(axis=1)}
    if phase == "O":
        return {"a": a, "b=c": 0.5 * (b + c), "alpha": alpha}
    if phase == "T":
        return {"a=b": 0.5 * (a + b), "c": c, "c/a": 2.0 * c / (a + b)}
    return {"a": lattice[:, :3].mean(axis=1)}
