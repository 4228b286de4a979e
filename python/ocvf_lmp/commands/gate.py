"""``ocvf-lmp gate``: corrections that were trained apart become one model."""

import argparse
import math
from pathlib import Path

from ocvf_lmp.build.gate import gated
from ocvf_lmp.commands.console import console
from ocvf_lmp.errors import InputError
from ocvf_lmp.potential.weights import save_potential


def gate(options: argparse.Namespace) -> int:
    """Writes the potential of several trainings' experts behind a gate."""
    potential, provenance = gated([_expert(words) for words in options.experts], options.width)
    save_potential(options.potential, potential, provenance)
    anchors = ", ".join(f"{t:g}" for t in provenance["temperatures"])
    console.print(f"wrote {options.potential}: experts for {anchors} K")
    if provenance["synthetic_targets"]:
        console.print("note: trained on SYNTHETIC targets (computed, not measured)")
    console.print(f"next: ocvf-lmp export model.pt --potential {options.potential}")
    return 0


def _expert(words: list[str]) -> tuple[Path, list[float]]:
    try:
        temperatures = [float(word) for word in words[1:]]
    except ValueError:
        temperatures = []
    if not temperatures or not all(0.0 < t < math.inf for t in temperatures):
        raise InputError(
            "expected --expert FILE and the temperatures in K at which its correction acts, found"
            f" {' '.join(words)!r}; for instance --expert runs/a/potential.pt 100 150"
        )
    return Path(words[0]), temperatures
