"""Experts that were trained apart, behind one gate (OCVF eq. 14-15)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ocvf_lmp import __version__
from ocvf_lmp.build.start import expert_of, made_for, read_corrected
from ocvf_lmp.errors import InputError
from ocvf_lmp.potential.composite import Corrected
from ocvf_lmp.potential.experts import Experts
from ocvf_lmp.potential.weights import describe


def gated(
    wanted: Sequence[tuple[Path, Sequence[float]]], width: float
) -> tuple[Corrected, dict[str, Any]]:
    """The corrections of several trainings of one prior as a single potential.

    Args:
        wanted: ``potential.pt`` of each training, and the temperatures (K) at which its correction
            is to act: that of the same temperature where it holds several, or its only one.
        width: σ of the gate, K.

    Returns:
        The potential, and its provenance.

    Raises:
        InputError: no corrected potential, another prior than in the first file, no correction for
            a temperature, or two.
        ModelFileError: a file is missing or damaged.
    """
    experts: dict[float, nn.Module] = {}
    read = [read_corrected(path) for path, _ in wanted]
    provenances = [provenance for _, provenance in read]
    prior, sums = read[0][0].prior, set[str]()
    for (path, temperatures), (potential, provenance) in zip(wanted, read, strict=True):
        sums |= {made_for(provenance)} - {""}
        if not _alike(prior, potential.prior) or len(sums) > 1:
            raise InputError(
                f"expected corrections of one prior, found another one in {path} than in"
                f" {wanted[0][0]}; train both on the same"
            )
        for temperature in temperatures:
            if temperature in experts:
                raise InputError(f"expected one correction for {temperature:g} K, found two")
            experts[temperature] = expert_of(potential.correction, temperature, path)
    anchors = sorted(experts)
    mixed = Experts([experts[t] for t in anchors], anchors, width)
    provenance = {
        "ocvf_lmp": __version__,
        "torch": torch.__version__,
        "prior": provenances[0].get("prior"),
        "temperatures": anchors,
        "synthetic_targets": any(p.get("synthetic_targets") for p in provenances),
        "experts": [
            {"temperatures": list(temperatures), "provenance": provenance}
            for (_, temperatures), provenance in zip(wanted, provenances, strict=True)
        ],
    }
    return Corrected(prior, mixed), provenance


def _alike(one: nn.Module, other: nn.Module) -> bool:
    a, b = one.state_dict(), other.state_dict()
    if describe(one) != describe(other) or a.keys() != b.keys():
        return False
    return all(torch.equal(a[k], b[k]) for k in a)
