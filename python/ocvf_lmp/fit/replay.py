r"""Staying near the prior where the experiment says nothing.

A penalty κ <|ΔF|²> on the forces of the correction, averaged over configurations of the prior's own
ensemble, which are replayed every epoch: what the prior learned from electronic structure is given
up only as far as the experiment asks for it. Its gradient is exact: the configurations are fixed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ocvf_lmp.fit.estimate import GradientEstimate
from ocvf_lmp.fit.experiment import Experiment
from ocvf_lmp.fit.site import Site
from ocvf_lmp.md.forcefield import ForceField

KEPT = 8
"""Configurations a state."""


class Replay:
    """Configurations of the prior, and the penalty on them.

    The first configurations that a state's run passes in training are kept: before the first step
    the corrected model is the prior, or what its corrections were taken over from.

    Args:
        experiment: its plan has the weight.
        sites: states that are trained on.
    """

    def __init__(self, experiment: Experiment, sites: Sequence[Site]) -> None:
        self.weight = experiment.plan.closeness
        self.frames: dict[str, list[tuple[Tensor, Tensor]]] = {s.point.name: [] for s in sites}

    def added(self, site: Site, estimate: GradientEstimate) -> GradientEstimate:
        """A state's estimate with the penalty's gradient added."""
        if not self.weight:
            return estimate
        kept = self.frames[site.point.name]
        if not kept:
            kept += _spread(site)
        value, gradients = mean_square_force(site, kept)
        total = {k: v + self.weight * gradients[k] for k, v in estimate.gradients.items()}
        notes = estimate.notes | {"replay": value}
        return replace(estimate, gradients=total, notes=notes)

    def as_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {
            name: [[positions, cell] for positions, cell in kept]
            for name, kept in self.frames.items()
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """The opposite of `as_dict`."""
        self.frames = {name: [(x, h) for x, h in kept] for name, kept in saved.items()}


def _spread(site: Site) -> list[tuple[Tensor, Tensor]]:
    """Some configurations of a state's runs, spread over the frames at hand."""
    found = []
    for run in site.runs:
        if run.ensemble is None:
            found.append((run.state.positions, run.state.cell))
            continue
        number = run.ensemble.n_frames
        chosen = range(0, number, max(1, number * len(site.runs) // KEPT))
        found += [(run.ensemble.positions[k], run.ensemble.cells[k]) for k in chosen]
    return found[:KEPT]


def mean_square_force(
    site: Site, frames: Sequence[tuple[Tensor, Tensor]]
) -> tuple[float, dict[str, Tensor]]:
    """<|ΔF|²> of an atom over configurations, (eV/Å)², and its gradient by parameter."""
    correction = site.model.correction
    field = ForceField(correction, site.objective.species)  # pyright: ignore
    named = dict(correction.named_parameters())
    total = 0.0
    gradients = {name: torch.zeros_like(p) for name, p in named.items()}
    for positions, cell in frames:
        forces = field(positions, cell, create_graph=True).forces
        value = forces.square().sum() / (len(forces) * len(frames))
        total += float(value.detach())
        if value.requires_grad:
            slopes = torch.autograd.grad(value, list(named.values()), allow_unused=True)
            for name, slope in zip(named, slopes, strict=True):
                if slope is not None:
                    gradients[name] += slope
    return total, gradients
