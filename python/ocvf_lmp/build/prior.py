"""The prior H_o, whoever evaluates it."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from ocvf_lmp.config.priors import (
    CalculatorPriorConfig,
    ChgnetPriorConfig,
    LammpsPriorConfig,
    MacePriorConfig,
    PriorConfig,
)
from ocvf_lmp.errors import InputError
from ocvf_lmp.potential.elsewhere import Elsewhere
from ocvf_lmp.potential.foreign.calculator import calculator_prior
from ocvf_lmp.potential.foreign.chgnet import load_chgnet
from ocvf_lmp.potential.foreign.mace import load_mace
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


def build_prior(entry: PriorConfig) -> Prior:
    """The prior that a configuration names.

    Raises:
        ModelFileError: its file is wrong.
        InputError: a package that is missing, a calculator that cannot be made, or neither LAMMPS
            commands nor the file of an input.
    """
    match entry:
        case Path():
            potential, provenance = load_potential(entry)
            checksum = hashlib.sha256(entry.read_bytes()).hexdigest()
            return Prior(potential, provenance | {"sha256": checksum})
        case LammpsPriorConfig(input_file=Path() as path):
            return _run_by_input(path, entry.symbols)
        case LammpsPriorConfig():
            commands = tuple(line for line in entry.lammps.splitlines() if line.strip())
            return Prior(Elsewhere(entry.symbols, commands), {"lammps": list(commands)}, commands)
        case MacePriorConfig():
            mace = load_mace(entry.mace, entry.symbols, entry.head)
            return Prior(mace, {"mace": mace.source})
        case ChgnetPriorConfig():
            path = entry.weights_file
            chgnet = load_chgnet(entry.symbols, path, *(() if path else (entry.chgnet,)))
            return Prior(chgnet, {"chgnet": entry.chgnet})
        case CalculatorPriorConfig():
            made = calculator_prior(entry.calculator, entry.symbols, entry.arguments, entry.folder)
            return Prior(made, {"calculator": entry.calculator, "arguments": entry.arguments})


def _run_by_input(path: Path, symbols: tuple[str, ...]) -> Prior:
    if not path.is_file():
        raise InputError(
            "expected commands with a pair_style, or the file of a LAMMPS input, in prior.lammps,"
            f" found no such file: {path}; correct it"
        )
    text = path.read_text()
    checksum = hashlib.sha256(text.encode()).hexdigest()
    known = {"lammps": path.name, "sha256": checksum, "text": text}
    return Prior(Elsewhere(symbols, [f"lmp -in {path.name}"]), known, path)
