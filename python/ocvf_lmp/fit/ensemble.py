"""Frames of an equilibrium run, kept so that averages under other parameters can be had of them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch

from ocvf_lmp.arrays import Species
from ocvf_lmp.errors import InputError
from ocvf_lmp.fit.stacked import energies_of_stack
from ocvf_lmp.md.engine import Engine, Frame, OnFrame
from ocvf_lmp.md.parameters import NptParameters
from ocvf_lmp.md.state import NptState
from ocvf_lmp.md.walk import Observe
from ocvf_lmp.potential.protocol import Potential
from ocvf_lmp.system.stack import stack_frames
from ocvf_lmp.units import KB


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Frames in the order in which they were sampled.

    Attributes:
        positions: Å, (frames, atoms, 3).
        cells: rows, Å, (frames, 3, 3).
        energies: of the part of the potential that has parameters, at those that sampled the
            frames, eV, (frames,).
        observables: by name, (frames, ...).
    """

    positions: torch.Tensor
    cells: torch.Tensor
    energies: torch.Tensor
    observables: dict[str, torch.Tensor]

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self.energies)

    def as_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {
            "positions": self.positions,
            "cells": self.cells,
            "energies": self.energies,
            "observables": self.observables,
        }


def energies_of(
    potential: Potential, species: Species, positions: torch.Tensor, cells: torch.Tensor
) -> torch.Tensor:
    """Energy of every frame, eV, (frames,), from positions (frames, atoms, 3) and cells."""
    stack = stack_frames(positions, cells, species, potential.cutoff)
    return energies_of_stack(potential, stack)


def weights_of(
    ensemble: Ensemble, energies: torch.Tensor, temperature: float
) -> tuple[torch.Tensor, float]:
    """Normalised weights of the frames at other energies, and the share of frames that count.

    Args:
        ensemble: the frames.
        energies: at the new parameters, eV, (frames,).
        temperature: K.

    Returns:
        Weights (frames,) in float64, and `share_that_counts`.
    """
    exponent = -(energies - ensemble.energies).double() / (KB * temperature)
    weights = torch.softmax(exponent, dim=0)
    return weights, share_that_counts(weights)


def share_that_counts(weights: torch.Tensor) -> float:
    """Kish's effective sample size 1/Σw² of normalised weights, over the number of frames."""
    return float(1.0 / weights.square().sum() / len(weights))


def ensemble_of(
    positions: torch.Tensor, cells: torch.Tensor, energies: torch.Tensor, observe: Observe
) -> Ensemble:
    """An ensemble from frames that somebody sampled; the observables are computed here.

    Args:
        positions: Å, (frames, atoms, 3).
        cells: rows, Å, (frames, 3, 3).
        energies: as of `Ensemble`.
        observe: observables of a frame.

    Raises:
        InputError: no frame, or numbers of frames that differ.
    """
    sizes = {len(positions), len(cells), len(energies)}
    if len(sizes) != 1 or 0 in sizes:
        raise InputError(
            "expected the same number of positions, cells and energies, at least one, found"
            f" {len(positions)}, {len(cells)} and {len(energies)}; lengthen the run"
        )
    with torch.no_grad():
        found = [observe(x, h) for x, h in zip(positions, cells, strict=True)]
    observables = {name: torch.stack([f[name] for f in found]) for name in found[0]}
    return Ensemble(positions, cells, energies, observables)


def sample(
    engine: Engine,
    potential: Potential,
    part: Potential,
    species: Species,
    state: NptState,
    params: NptParameters,
    n_steps: int,
    every: int,
    observe: Observe,
    on_frame: OnFrame = lambda frame: None,
    of_frame: Callable[[Frame], dict[str, torch.Tensor]] = lambda frame: {},
) -> tuple[Ensemble, NptState]:
    """Samples an ensemble.

    Args:
        engine: who runs the dynamics.
        potential: the whole energy.
        part: the part of it that has parameters; the ensemble's energies are of this part.
        species: (atoms,).
        state: initial state, equilibrated.
        params: the ensemble.
        n_steps: length of the run.
        every: steps between frames.
        observe: observables of a frame.
        on_frame: told of every frame.
        of_frame: further observables of a frame, of what the engine knows of it.

    Returns:
        The ensemble and the final state.

    Raises:
        InputError: the run has no frame.
        SimulationError: the run left physical ground.
    """
    positions: list[torch.Tensor] = []
    cells: list[torch.Tensor] = []
    further: list[dict[str, torch.Tensor]] = []

    def keep(frame: Frame) -> None:
        positions.append(frame.positions)
        cells.append(frame.cell)
        further.append(of_frame(frame))
        on_frame(frame)

    end = engine.run(potential, species, state, params, n_steps, every, keep)
    if not positions:
        raise InputError(
            f"expected at least one frame, found none ({n_steps} steps, one frame every {every});"
            " lengthen the run"
        )
    x, h = torch.stack(positions), torch.stack(cells)
    found = ensemble_of(x, h, energies_of(part, species, x, h), observe)
    more = {name: torch.stack([f[name] for f in further]) for name in further[0]}
    return replace(found, observables=found.observables | more), end
