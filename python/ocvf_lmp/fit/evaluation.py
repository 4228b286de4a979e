"""What measurements give: scores, and curves in the run folder."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ocvf_lmp.files import write_atomically
from ocvf_lmp.fit.entropy import relative_entropy
from ocvf_lmp.fit.jackknife import of_blocks
from ocvf_lmp.fit.objective import Objective
from ocvf_lmp.fit.plan import StatePoint
from ocvf_lmp.fit.sampling import Measurement
from ocvf_lmp.fit.targets import PdfTarget


def scores(objective: Objective, measured: Measurement, point: StatePoint) -> dict[str, Any]:
    """Loss, its parts, R_w and lattice of a measurement, with standard errors from blocks.

    The relative entropy of the ensemble with respect to the prior's is in nats, for all cells of
    the sample together.
    """
    entropy = relative_entropy(measured.delta, point.params.temperature)
    with torch.no_grad():
        blocks = torch.stack([objective.loss(block) for block in measured.blocks])
        lattice = torch.stack([block["lattice"] for block in measured.blocks])
        root = len(blocks) ** 0.5
        misfits = _misfits(objective, measured.means)
        left_out = of_blocks(measured.blocks)
        return {
            "loss": float(objective.loss(measured.means)),
            "loss_error": float(blocks.std() / root),
            "parts": {k: float(v) for k, v in objective.parts(measured.means).items()},
            "r_w": {name: float(r_w) for name, r_w in misfits.items()},
            "r_w_error": left_out.errors(lambda means: _misfits(objective, means)),
            "lattice": measured.means["lattice"].tolist(),
            "lattice_error": (lattice.std(dim=0) / root).tolist(),
            "temperature": float(measured.temperatures.mean()),
            "ps": float(measured.times.max()),
            "relative_entropy": entropy[0],
            "relative_entropy_error": entropy[1],
            "cells": math.prod(point.repeat),
            "held_out": point.held_out,
        }


def _misfits(objective: Objective, means: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """R_w of every PDF target, by its name."""
    density, found = means.get("density"), {}
    for named in objective.targets:
        if isinstance(named.target, PdfTarget) and density is not None:
            g = means["pair_density"] / density
            r_w = named.target.r_w(objective.models[named.name], g, density)
            found[named.name] = torch.as_tensor(r_w, dtype=torch.float64)
    return found


def write_curves(
    folder: Path, stage: str, point: StatePoint, objective: Objective, measured: Measurement
) -> None:
    """Writes the curves of a state's measurement, ``evaluation_STAGE_NAME.npz``."""
    curves = _curves(point, objective, measured)
    write_atomically(
        folder / f"evaluation_{stage}_{point.name}.npz",
        lambda partial: _savez(partial, curves),
    )


def _curves(point: StatePoint, objective: Objective, measured: Measurement) -> dict[str, Any]:
    curves: dict[str, Any] = {
        "time": measured.times.numpy(),
        "cell_parameters": measured.cells.numpy(),
        "temperatures": measured.temperatures.numpy(),
        "delta": measured.delta.numpy(),
    }
    if objective.grid is None:
        return curves
    density = measured.means["density"]
    symbols = point.structure.symbols
    curves |= {
        "r": objective.grid.r().numpy(),
        "partials": (measured.means["pair_density"] / density).numpy(),
        "pairs": np.array([f"{symbols[a]}-{symbols[b]}" for a, b in objective.grid.pairs]),
        "density": float(density),
    }
    simulated = objective.simulated(measured.means)
    each = [objective.simulated(block) for block in measured.blocks]
    partials = [block["pair_density"] / block["density"] for block in measured.blocks]
    curves["partials_error"] = _standard_error(partials)
    number = 0
    for named in objective.targets:
        if not isinstance(named.target, PdfTarget):
            continue
        target = named.target
        fields = {
            "name": named.name,
            "r": target.r.numpy(),
            "g": target.g.numpy(),
            "simulated": simulated[named.name].detach().numpy(),
            "simulated_error": _standard_error([found[named.name] for found in each]),
            "radiation": target.radiation,
            "synthetic": target.synthetic,
            "source": target.source,
            "temperature": target.temperature,
        }
        if target.error is not None:
            fields["error"] = target.error.numpy()
        curves |= {f"target{number}_{key}": value for key, value in fields.items()}
        number += 1
    return curves


def _standard_error(blocks: Sequence[torch.Tensor]) -> np.ndarray:
    return (torch.stack(list(blocks)).detach().std(dim=0) / len(blocks) ** 0.5).numpy()


def _savez(path: Path, curves: dict[str, Any]) -> None:
    with path.open("wb") as handle:
        np.savez_compressed(handle, **curves)
