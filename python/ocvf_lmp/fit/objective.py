"""What is compared at one state: observables of a frame, and the loss of their averages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ocvf_lmp.arrays import Cell, Positions
from ocvf_lmp.errors import InputError
from ocvf_lmp.fit.stress import PRESSURE, StressTarget, pressure_of
from ocvf_lmp.fit.targets import LatticeTarget, PdfTarget
from ocvf_lmp.md.engine import Frame
from ocvf_lmp.observables.lattice import lattice_parameters
from ocvf_lmp.observables.pdf import PdfModel, input_reach
from ocvf_lmp.observables.rdf import PartialGrid, number_density, partials
from ocvf_lmp.system.structure import Structure


@dataclass(frozen=True, slots=True)
class NamedTarget:
    """A target with the name under which its part of the loss is logged."""

    name: str
    target: PdfTarget | LatticeTarget | StressTarget


class Objective:
    """Observables and loss of one state.

    The observables are averaged as pair densities ρ g_ab(r), density ρ and lattice parameters, so
    that the loss is that of the averaged diffraction experiment, never a mean of frames' losses.

    Args:
        structure: the simulated sample.
        repeat: unit cells along a, b, c in it.
        targets: what its averages are compared with.
        dr: spacing of the partials, Å.
        sigma: smearing of the partials, Å.

    Raises:
        InputError: there is no target, or a metric cannot be used with its data.
    """

    def __init__(
        self,
        structure: Structure,
        repeat: Sequence[int],
        targets: Sequence[NamedTarget],
        dr: float = 0.02,
        sigma: float = 0.02,
    ) -> None:
        if not targets:
            raise InputError("expected at least one target for a state, found none; add a target")
        self.species, self.repeat, self.targets = structure.species, tuple(repeat), tuple(targets)
        self.n_atoms = structure.n_atoms
        counts = torch.bincount(structure.species, minlength=len(structure.symbols))
        fractions = (counts / counts.sum()).tolist()
        pdf = [t.target for t in targets if isinstance(t.target, PdfTarget)]
        self.grid: PartialGrid | None = None
        self.models: dict[str, PdfModel] = {}
        if pdf:
            reach = max(input_reach(float(t.r[-1]), t.q_max) for t in pdf) + dr
            self.grid = PartialGrid(len(structure.symbols), reach, dr, sigma)
        for named in targets:
            if isinstance(named.target, PdfTarget) and self.grid is not None:
                self.models[named.name] = named.target.model(
                    self.grid, structure.symbols, fractions
                )
        self.with_pressure = any(isinstance(t.target, StressTarget) for t in targets)
        self._rehearse(structure.cell)

    def observe(self, positions: Positions, cell: Cell) -> dict[str, Tensor]:
        """Observables of a frame, differentiable in positions and cell."""
        found = {"lattice": lattice_parameters(cell, self.repeat)}
        if self.grid is not None:
            density = number_density(cell, self.n_atoms)
            found["density"] = density
            g = partials(positions, cell, self.species, self.grid)
            found["pair_density"] = density * g
        return found

    def of_frame(self, frame: Frame) -> dict[str, Tensor]:
        """Observables of what an engine knows of a frame: its pressure, where a target needs it."""
        return {PRESSURE: pressure_of(frame)} if self.with_pressure else {}

    def parts(self, means: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Loss of each target for averaged observables, by the target's name."""
        parts = {}
        for named in self.targets:
            if isinstance(named.target, LatticeTarget):
                parts[named.name] = named.target.loss(means["lattice"])
            elif isinstance(named.target, StressTarget):
                parts[named.name] = named.target.loss(means[PRESSURE])
            else:
                g = means["pair_density"] / means["density"]
                parts[named.name] = named.target.loss(self.models[named.name], g, means["density"])
        return parts

    def loss(self, means: Mapping[str, Tensor]) -> Tensor:
        """Sum of the parts."""
        return torch.stack(list(self.parts(means).values())).sum()

    def simulated(self, means: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """G(r) at the points of every PDF target, Å^-2."""
        return {
            named.name: named.target.simulate(
                self.models[named.name],
                means["pair_density"] / means["density"],
                means["density"],
            ).g
            for named in self.targets
            if isinstance(named.target, PdfTarget)
        }

    def _rehearse(self, cell: Cell) -> None:
        """Computes the loss of made-up partials: a metric refuses its data before any run."""
        means = {"lattice": lattice_parameters(cell, self.repeat), PRESSURE: torch.zeros_like(cell)}
        if self.grid is not None:
            means["density"] = number_density(cell, self.n_atoms)
            waves = 1.0 + 0.1 * torch.cos(3.0 * self.grid.r(cell.dtype))
            means["pair_density"] = means["density"] * waves.expand(self.grid.n_pairs, -1)
        self.loss(means)
