"""The way back along a trajectory, carrying the cotangent of the state.

Forces appear at the end of one step and at the start of the next; both cotangents are collected
before one derivative of the force is taken. The forces themselves are those of the way forward.
"""

from collections.abc import Callable, Iterator, Mapping

import torch

from ocvf_lmp.arrays import Cell, Positions, Species
from ocvf_lmp.md.forcefield import ForceField
from ocvf_lmp.md.npt import Integrator, Push, push_of
from ocvf_lmp.md.parameters import NptParameters
from ocvf_lmp.md.reverse import undo_drift, undo_first_half, undo_second_half
from ocvf_lmp.md.state import NptState
from ocvf_lmp.potential.protocol import Potential
from ocvf_lmp.units import MVV2E

Observe = Callable[[Positions, Cell], Mapping[str, torch.Tensor]]
"""Differentiable observables of a configuration, by name."""


class Walk:
    """The way back from a final state.

    Attributes:
        gradients: derivative with respect to each parameter that requires grad, so far.
        cotangent: of the state that has been reached.
        norms: norm of the cotangent at each step, last step first (see `AdjointResult`).
        round_trip: largest deviation of a position from its anchor, Å.
    """

    def __init__(
        self,
        potential: Potential,
        species: Species,
        params: NptParameters,
        final: NptState,
        skin: float,
    ) -> None:
        self.force_field = ForceField(potential, species, skin)
        self.integrator = Integrator(params, final.n_atoms)
        self.timestep = params.timestep
        named = getattr(potential, "named_parameters", dict)
        self.parameters = {k: v for k, v in dict(named()).items() if v.requires_grad}
        self.gradients = {k: torch.zeros_like(v) for k, v in self.parameters.items()}
        self.norms: list[torch.Tensor] = []
        self.round_trip = 0.0
        self.final = final
        self.cotangent = final.map(torch.zeros_like)

    def back(
        self,
        n_steps: int,
        anchors: Mapping[int, NptState],
        pushes: Mapping[int, Push],
        observe: Observe,
        sampled: range,
        weights: Mapping[str, torch.Tensor],
    ) -> Iterator[int]:
        """Walks to the initial state, yielding the number of each step that has been reached.

        Args:
            n_steps: number of the final state.
            anchors: stored states by step.
            pushes: stored forces and virials by step; those that are missing are evaluated.
            observe: observables of a frame.
            sampled: steps of the frames.
            weights: cotangent of each observable of each frame.
        """
        integrator, dt = self.integrator, self.timestep
        final = self.final
        thermal = (final.masses * (integrator.masses.kt / MVV2E)).sqrt()[:, None]
        state = after = final
        for t in range(n_steps, -1, -1):
            anchor = anchors.get(t) if t < n_steps else None
            place = after if anchor is None else anchor
            positions, cell = place.positions, place.cell
            push = pushes.get(t) or push_of(self.force_field(positions, cell))
            of_push: list[Push] = []
            if t < n_steps:
                if anchor is not None:
                    self._compare(after, anchor)
                    with torch.no_grad():
                        after = integrator.first_half(anchor, push, dt)
                state, self.cotangent, pushed = undo_first_half(
                    integrator, after, push, dt, self.cotangent
                )
                of_push.append(pushed)
            if t in sampled:
                self._add_observables(observe, weights, state)
            self.norms.append((self.cotangent.momenta * thermal).norm())
            if t > 0:
                state, self.cotangent, pushed = undo_second_half(
                    integrator, state, push, dt, self.cotangent
                )
                of_push.append(pushed)
            self._add_forces(of_push, positions, cell)
            if t > 0:
                after, self.cotangent = undo_drift(integrator, state, dt, self.cotangent)
            yield t

    def _compare(self, walked: NptState, anchor: NptState) -> None:
        found = float((walked.positions - anchor.positions).abs().max())
        self.round_trip = max(self.round_trip, found)

    def _add_to_configuration(
        self, of_positions: torch.Tensor | None, of_cell: torch.Tensor | None
    ) -> None:
        positions, momenta, cell, *rest = self.cotangent.dynamic()
        if of_positions is not None:
            positions = positions + of_positions
        if of_cell is not None:
            cell = cell + of_cell
        self.cotangent = self.cotangent.with_dynamic((positions, momenta, cell, *rest))

    def _add_observables(
        self, observe: Observe, weights: Mapping[str, torch.Tensor], state: NptState
    ) -> None:
        with torch.enable_grad():
            positions = state.positions.detach().requires_grad_(True)
            cell = state.cell.detach().requires_grad_(True)
            found = observe(positions, cell)
            parts = [found[name] for name in weights if found[name].requires_grad]
            given = [weights[name] for name in weights if found[name].requires_grad]
        if parts:
            slopes = torch.autograd.grad(parts, (positions, cell), given, allow_unused=True)
            self._add_to_configuration(*slopes)

    def _add_forces(self, cotangents: list[Push], positions: Positions, cell: Cell) -> None:
        """Pulls back through forces and virial to configuration and parameters."""
        given = cotangents[0]
        for more in cotangents[1:]:
            given = Push(given.forces + more.forces, given.virial + more.virial)
        of_positions, of_cell, *slopes = self.force_field.pull_back(
            positions, cell, given.forces, given.virial, list(self.parameters.values())
        )
        self._add_to_configuration(of_positions, of_cell)
        for name, slope in zip(self.parameters, slopes, strict=True):
            if slope is not None:
                self.gradients[name] += slope
