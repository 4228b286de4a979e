"""Scales and colours that the maps share."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ocvf_lmp.analysis.maps.survey import Energies

ENERGY, CHANGE = "viridis", "RdBu_r"
"""Colour maps of energies and of corrections; both are told apart by colour-blind readers."""

MEV = 1e3
SHORT = {"correction": "ΔH", "prior": "prior Hₒ", "corrected": "Hₒ + ΔH"}
"""What the parts are called in titles."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Colours of a quantity, meV a formula unit.

    Attributes:
        low: the first level.
        high: the last one; higher values are drawn in its colour.
        colours: name of the map.
    """

    low: float
    high: float
    colours: str

    def levels(self, n: int) -> np.ndarray:
        """Limits of the colours, ascending."""
        return np.linspace(self.low, self.high, n)

    @property
    def options(self) -> dict[str, Any]:
        """For mappables that take limits and a colour map."""
        return {"vmin": self.low, "vmax": self.high, "cmap": self.colours}


def energy_scale(found: Sequence[Energies], rise: float = 2.0) -> Scale:
    """One for priors and corrected models, whose wells are not lost beside the walls.

    Args:
        found: of all panels that share it.
        rise: how far it goes above zero, in depths of the deepest well.
    """
    pairs = [e for one in found for e in (one.prior, one.corrected) if e is not None]
    values = MEV * np.concatenate([e.ravel() for e in pairs])
    low, top = float(values.min()), float(values.max())
    high = min(top, max(-rise * low, float(np.quantile(values, 0.3))))
    return Scale(low, high if high > low + 1e-6 else low + 1.0, ENERGY)


def change_scale(found: Sequence[Energies]) -> Scale:
    """One for corrections, symmetric about zero."""
    size = MEV * max(float(np.abs(e.correction).max()) for e in found)
    size = size if size > 1e-6 else 1.0
    return Scale(-size, size, CHANGE)


def parts(found: Energies) -> dict[str, np.ndarray]:
    """Correction, prior and corrected model, meV a formula unit, as far as there are some."""
    named = {"correction": found.correction, "prior": found.prior, "corrected": found.corrected}
    return {name: MEV * values for name, values in named.items() if values is not None}


def scale_of(name: str, energy: Scale | None, change: Scale) -> Scale:
    """The one of a part."""
    return change if name == "correction" or energy is None else energy
