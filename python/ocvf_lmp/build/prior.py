"""The prior H_o, whoever evaluates it."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from ocvf_lmp.config.schema import LammpsPriorConfig
from ocvf_lmp.potential.elsewhere import Elsewhere
from ocvf_lmp.potential.weights import load_potential


@dataclass(frozen=True)
class Prior:
    """H_o and what is known of it.

    Attributes:
        potential: H_o.
        provenance: plain JSON.
        commands: of LAMMPS, where it is one of LAMMPS' pair styles.
    """

    potential: nn.Module
    provenance: dict[str, Any] = field(default_factory=dict)
    commands: tuple[str, ...] = ()

    @property
    def symbols(self) -> tuple[str, ...]:
        """Chemical symbols in the order of the species indices."""
        return tuple(self.potential.symbols)  # pyright: ignore


def build_prior(entry: Path | LammpsPriorConfig) -> Prior:
    """The prior that a configuration names.

    Raises:
        ModelFileError: its file is wrong.
    """
    if isinstance(entry, LammpsPriorConfig):
        commands = tuple(line for line in entry.lammps.splitlines() if line.strip())
        return Prior(Elsewhere(entry.symbols, commands), {"lammps": list(commands)}, commands)
    potential, provenance = load_potential(entry)
    checksum = hashlib.sha256(entry.read_bytes()).hexdigest()
    return Prior(potential, provenance | {"sha256": checksum})
