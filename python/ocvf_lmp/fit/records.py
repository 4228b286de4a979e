"""What is logged of a gradient."""

import math
from collections.abc import Mapping

import torch

from ocvf_lmp.fit.estimate import GradientEstimate
from ocvf_lmp.fit.progress import WindowRecord
from ocvf_lmp.fit.site import Site
from ocvf_lmp.system.cell import volume

_SUM = ""
"""No target has this name."""


def window_record(site: Site, estimate: GradientEstimate, epoch: int, rate: float) -> WindowRecord:
    """The record of a state's gradient, after its averages have been pooled.

    Args:
        site: the state.
        estimate: its gradient.
        epoch: 1, 2, ...
        rate: learning rate of the epoch.
    """
    cells, runs, notes = math.prod(site.point.repeat), site.runs, estimate.notes
    with torch.no_grad():
        parts = {k: float(v) for k, v in site.objective.parts(site.pooled).items()}
    loss_error, part_errors = _errors(site, estimate)
    return WindowRecord(
        epoch=epoch,
        state=site.point.name,
        target_temperature=site.point.params.temperature,
        loss=estimate.loss,
        parts=parts,
        grad_norm=estimate.norm,
        grad_error=estimate.error if estimate.errors else None,
        effective=notes.get("effective"),
        growth_rate=notes.get("growth_rate", 0.0),
        usable_ps=notes.get("usable_ps", 1e9),
        window_ps=notes["window_ps"],
        lattice=estimate.observables["lattice"].tolist(),
        volume_fu=sum(float(volume(run.state.cell)) for run in runs) / (len(runs) * cells),
        updated=not estimate.refusal,
        reason=estimate.refusal,
        learning_rate=rate,
        seconds=estimate.seconds,
        cell_relaxation_ps=None if site.relaxation is None else site.relaxation.time,
        loss_error=loss_error,
        part_errors=part_errors,
    )


def _errors(site: Site, estimate: GradientEstimate) -> tuple[float | None, dict[str, float] | None]:
    """Standard errors of the loss and of its parts; None where the estimator cannot tell."""
    if estimate.jackknife is None:
        return None, None

    def losses(means: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        parts = site.objective.parts(means)
        return parts | {_SUM: torch.stack(list(parts.values())).sum()}

    found = estimate.jackknife.errors(losses)
    return found.pop(_SUM), found
