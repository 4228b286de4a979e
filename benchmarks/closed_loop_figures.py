"""What the models of `closed_loop.py` give, and how far that is from the truth."""

from collections.abc import Sequence
from dataclasses import dataclass

import argon
import numpy as np


@dataclass(frozen=True, slots=True)
class Found:
    """What one repetition gives for one model.

    Attributes:
        runs: by the name of the state.
        crystals: exact energies, meV an atom.
        entropy: relative to the prior, nats an atom.
    """

    runs: dict[str, argon.Sampled]
    crystals: dict[str, float]
    entropy: float | None = None


def quantities(found: Found) -> dict[str, tuple[float, float]]:
    """Volumes (Å³ an atom), energies and heating (meV an atom), with errors of sampling."""
    energy = {k: _mean(1e3 * runs.energy) for k, runs in found.runs.items()}
    first = "cold" if "cold" in energy else "trained"
    (hot, hot_error), (cold, cold_error) = energy["hot"], energy[first]
    return (
        {f"volume_{k}": _mean(runs.volume) for k, runs in found.runs.items()}
        | {"energy": energy["trained"]}
        | {"heating": (hot - cold, float(np.hypot(hot_error, cold_error)))}
        | {k: (value, 0.0) for k, value in found.crystals.items()}
    )


def _mean(values: np.ndarray) -> tuple[float, float]:
    """Mean of independent runs and its standard error."""
    return float(values.mean()), float(values.std(ddof=1) / len(values) ** 0.5)


def compare(model: str, found: Sequence[Found], truth: Found) -> None:
    """Prints what the repetitions say of a model."""
    each = [quantities(x) for x in found]
    for name, (exact, of_truth) in quantities(truth).items():
        values = np.array([x[name][0] - exact for x in each])
        sampling = float(np.sqrt(np.mean([x[name][1] ** 2 for x in each])))
        spread = float(values.std(ddof=1)) if len(values) > 1 else sampling
        se = float(np.hypot(max(spread, sampling) / len(values) ** 0.5, of_truth))
        unit = "A3" if name.startswith("volume") else "meV"
        print(f"RESULT {name}_error_{model} {values.mean():.4g} {unit}")
        if se > 0:
            print(f"RESULT {name}_error_{model}_se {se:.2g} {unit}")
            print(f"RESULT {name}_error_{model}_z {values.mean() / se:.1f} 1")
        if len(values) > 1:
            print(f"RESULT {name}_error_{model}_spread {spread:.2g} {unit}")
    for state, runs in truth.runs.items():
        exact_curve = argon.curve(runs)
        seen = [argon.curve(x.runs[state]) - exact_curve for x in found]
        scale = exact_curve.square().sum()
        r_w = np.mean([float((x.square().sum() / scale).sqrt()) for x in seen])
        print(f"RESULT rw_{state}_{model} {r_w:.4f} 1")
    entropies = [x.entropy for x in found if x.entropy is not None]
    if entropies:
        print(f"RESULT kl_per_atom_{model} {np.mean(entropies):.4g} nat", flush=True)
