"""The prior H_o, whoever evaluates it."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from ocvf_lmp.config.schema import LammpsPriorConfig
from ocvf_lmp.errors import InputError
from ocvf_lmp.potential.elsewhere import Elsewhere
from ocvf_lmp.potential.weights import load_potential


@dataclass(frozen=True)
class Prior:
    """H_o and what is known of it.

    Attributes:
        potential: H_o.
        provenance: plain JSON.
        in_lammps: where LAMMPS alone knows it, its commands ``pair_style`` and ``pair_coeff``, or
            the input that runs it.
    """

    potential: nn.Module
    provenance: dict[str, Any] = field(default_factory=dict)
    in_lammps: tuple[str, ...] | Path = ()

    @property
    def symbols(self) -> tuple[str, ...]:
        """Chemical symbols in the order of the species indices."""
        return tuple(self.potential.symbols)  # pyright: ignore


def build_prior(entry: Path | LammpsPriorConfig) -> Prior:
    """The prior that a configuration names.

    Raises:
        ModelFileError: its file is wrong.
        InputError: neither commands nor the file of an input.
    """
    if isinstance(entry, LammpsPriorConfig):
        if entry.input_file is not None:
            return _run_by_input(entry.input_file, entry.symbols)
        commands = tuple(line for line in entry.lammps.splitlines() if line.strip())
        return Prior(Elsewhere(entry.symbols, commands), {"lammps": list(commands)}, commands)
    potential, provenance = load_potential(entry)
    checksum = hashlib.sha256(entry.read_bytes()).hexdigest()
    return Prior(potential, provenance | {"sha256": checksum})


def _run_by_input(path: Path, symbols: tuple[str, ...]) -> Prior:
    if not path.is_file():
        raise InputError(
            "expected commands with a pair_style, or the file of a LAMMPS input, in prior.lammps,"
            f" found no such file: {path}; correct it"
        )
    text = path.read_text()
    checksum = hashlib.sha256(text.encode()).hexdigest()
    known = {"lammps": str(path), "sha256": checksum, "text": text}
    return Prior(Elsewhere(symbols, [f"lmp -in {path.name}"]), known, path)
