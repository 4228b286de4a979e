r"""Stress as an observable that depends on the parameters itself.

At a fixed cell (the measured one) the mean pressure tensor must be the external pressure: the same
condition as the measured lattice at constant pressure, at a fraction of its noise. The pressure of
a frame contains θ explicitly,

    d<P>/dθ = <∂P/∂θ> - β Cov(P, ∂U/∂θ),

and only the correction's part of it does. Tensors are in the frame in which the cell is lower
triangular (a along x, b in the xy plane).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from ocvf_lmp.arrays import Cell, Matrix3, Positions, Scalar, Species
from ocvf_lmp.errors import InputError
from ocvf_lmp.fit.ensemble import Ensemble
from ocvf_lmp.fit.fluctuations import Fluctuations
from ocvf_lmp.md.engine import Frame
from ocvf_lmp.md.forcefield import ForceField
from ocvf_lmp.system.cell import lower_triangular, volume
from ocvf_lmp.units import NKTV2P

PRESSURE = "pressure"
"""Name of the observable: the pressure tensor, bar, (3, 3)."""

EXPLICIT_FRAMES = 16
"""Frames over which <∂P/∂θ> is averaged: it hardly fluctuates."""


@dataclass(frozen=True, slots=True)
class StressTarget:
    """The pressure tensor that a state's cell is under.

    Attributes:
        tensor: xx, yy, zz, yz, xz, xy, bar.
        error: standard error that the misfit is measured in, bar.
        weight: factor on the loss.
        source: where the numbers come from.
    """

    tensor: tuple[float, float, float, float, float, float]
    error: float = 500.0
    weight: float = 1.0
    source: str = ""

    def __post_init__(self) -> None:
        if not self.error > 0:
            raise InputError(f"expected a positive error of the stress, found {self.error} bar")

    def loss(self, mean: Matrix3) -> Scalar:
        """Weight times the mean squared deviation in units of the error; differentiable.

        Args:
            mean: mean pressure tensor, bar, (3, 3).
        """
        found = torch.stack(
            [mean[0, 0], mean[1, 1], mean[2, 2], mean[1, 2], mean[0, 2], mean[0, 1]]
        )
        wanted = torch.tensor(self.tensor, dtype=mean.dtype, device=mean.device)
        return self.weight * ((found - wanted) / self.error).square().mean()


def pressure_of(frame: Frame) -> Matrix3:
    """Pressure tensor of a frame with its cell turned to lower triangular form, bar."""
    rotation = lower_triangular(frame.cell)[1]
    return rotation.T @ frame.pressure @ rotation


def virial_pressure(
    field: ForceField, positions: Positions, cell: Cell, create_graph: bool = False
) -> Matrix3:
    """The potential's part of the pressure tensor, turned likewise, bar, (3, 3)."""
    rotation = lower_triangular(cell)[1]
    virial = field(positions, cell, create_graph=create_graph).virial
    return rotation.T @ virial @ rotation / volume(cell) * NKTV2P


def without_part(part: nn.Module, species: Species, ensemble: Ensemble) -> Ensemble:
    """The ensemble with the part's pressure taken out of the frames': what θ does not enter."""
    rest = ensemble.observables[PRESSURE] - _pressures(part, species, ensemble)
    return replace(ensemble, observables=ensemble.observables | {PRESSURE: rest})


def with_part(
    part: nn.Module, species: Species, ensemble: Ensemble, found: Fluctuations
) -> Fluctuations:
    """The opposite at the part's present parameters, with <∂P/∂θ>."""
    whole = ensemble.observables[PRESSURE] + _pressures(part, species, ensemble)
    rows = explicit_slopes(part, species, ensemble, found.weights)
    return replace(
        found, observables=found.observables | {PRESSURE: whole}, explicit={PRESSURE: rows}
    )


def _pressures(part: nn.Module, species: Species, ensemble: Ensemble) -> Tensor:
    field = ForceField(part, species)  # pyright: ignore
    pairs = zip(ensemble.positions, ensemble.cells, strict=True)
    return torch.stack([virial_pressure(field, x, h) for x, h in pairs])


def explicit_slopes(
    part: nn.Module, species: Species, ensemble: Ensemble, weights: Tensor
) -> dict[str, Tensor]:
    """<∂P/∂θ> by the name of the parameter, bar, (9, its size).

    Args:
        part: the potential with the parameters.
        species: (atoms,).
        ensemble: frames.
        weights: of the frames, (frames,).
    """
    field = ForceField(part, species)  # pyright: ignore
    parameters = {k: p for k, p in part.named_parameters() if p.requires_grad}
    rows = {k: torch.zeros(9, p.numel(), dtype=p.dtype) for k, p in parameters.items()}
    chosen = range(0, ensemble.n_frames, -(-ensemble.n_frames // EXPLICIT_FRAMES))
    share = weights[list(chosen)] / weights[list(chosen)].sum()
    for weight, k in zip(share.tolist(), chosen, strict=True):
        pressure = virial_pressure(
            field, ensemble.positions[k], ensemble.cells[k], create_graph=True
        )
        for place, slopes in _upper(pressure, list(parameters.values())):
            for name, slope in zip(parameters, slopes, strict=True):
                if slope is not None:
                    rows[name][place] += weight * slope.flatten()
    return rows


def _upper(
    pressure: Matrix3, parameters: Sequence[Tensor]
) -> list[tuple[list[int], Sequence[Tensor | None]]]:
    """Derivatives of the six components, with their places among the nine."""
    found = []
    for a in range(3):
        for b in range(a, 3):
            value = pressure[a, b]
            if not value.requires_grad:
                continue
            slopes = torch.autograd.grad(value, parameters, retain_graph=True, allow_unused=True)
            found.append((sorted({3 * a + b, 3 * b + a}), slopes))
    return found
