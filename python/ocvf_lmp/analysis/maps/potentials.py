"""Corrected potentials in files, with their experts at the temperature of a state."""

from functools import cache
from pathlib import Path
from typing import Any

from ocvf_lmp.analysis.runfolder import RunState
from ocvf_lmp.errors import InputError
from ocvf_lmp.potential.composite import Corrected
from ocvf_lmp.potential.experts import experts_of
from ocvf_lmp.potential.weights import load_potential


def load_corrected(path: Path) -> tuple[Corrected, dict[str, Any]]:
    """A potential with a correction, and its provenance.

    Raises:
        InputError: it has no correction.
        ModelFileError: the file is missing, damaged or of another kind.
    """
    found, provenance = load_potential(path)
    if not isinstance(found, Corrected):
        raise InputError(
            f"expected a corrected potential in {path}, found {type(found).__name__}; it has no ΔH"
        )
    return found, provenance


def at_temperature(model: Corrected, temperature: float | None) -> Corrected:
    """The same potential, its experts set to a temperature (K) unless it is None or theirs."""
    gate = experts_of(model)
    if gate is not None and not gate.frozen and temperature is not None:
        gate.set_temperature(temperature)
    return model


class Potentials:
    """Those of a run folder: each state's own, or the one for all at the state's temperature.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shared = not any(folder.glob("potential_*.pt"))
        self._load = cache(lambda path: load_corrected(path)[0])

    def of(self, state: RunState) -> Corrected:
        """The potential of a state.

        Raises:
            InputError: it has no correction.
            ModelFileError: its file is missing or damaged.
        """
        own = self.folder / f"potential_{state.name}.pt"
        found = self._load(own if own.is_file() else self.folder / "potential.pt")
        return at_temperature(found, state.temperature)
