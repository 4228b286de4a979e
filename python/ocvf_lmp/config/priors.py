"""Priors that are not a file of this package."""

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from ocvf_lmp.config.strict import Strict

Symbols = Annotated[tuple[str, ...], Field(min_length=1)]
OF_BTO = ("Ba", "Ti", "O")


class LammpsPriorConfig(Strict):
    """A prior that only LAMMPS knows, which has to sample then."""

    lammps: str = Field(
        min_length=1, description="pair_style and pair_coeff, one a line; or the file of an input"
    )
    symbols: Symbols = Field(OF_BTO, description="of the atom types, in their order")

    @property
    def input_file(self) -> Path | None:
        """The input, where it is one."""
        commands = re.search(r"^\s*pair_style\s", self.lammps, re.MULTILINE)
        return None if commands else Path(self.lammps.strip())


class MacePriorConfig(Strict):
    """A MACE model (`pip install 'ocvf-lmp[mace]'`). Its file is a pickle: reading it runs code."""

    mace: Path = Field(description="file that mace wrote, relative to the configuration")
    symbols: Symbols = Field(OF_BTO, description="in the order of the species indices")
    head: str | None = Field(None, description="of a model with several")


class ChgnetPriorConfig(Strict):
    """CHGNet (`pip install 'ocvf-lmp[chgnet]'`)."""

    chgnet: str = Field(description="version of the shipped weights, such as 0.3.0; or a file")
    symbols: Symbols = Field(OF_BTO, description="in the order of the species indices")

    @property
    def weights_file(self) -> Path | None:
        """The file, where it is one."""
        return None if re.fullmatch(r"[\d.]+", self.chgnet) else Path(self.chgnet)


class CalculatorPriorConfig(Strict):
    """Any calculator of ASE with energy, forces and stress; trains by `reweight`."""

    calculator: str = Field(
        description="module:name of its class, or of a function that makes one; it is imported"
    )
    arguments: dict[str, Any] = Field(default_factory=dict, description="of that call")
    symbols: Symbols = Field(OF_BTO, description="in the order of the species indices")
    folder: Path = Field(Path(), description="where modules are looked for, too")


PriorConfig = Path | LammpsPriorConfig | MacePriorConfig | ChgnetPriorConfig | CalculatorPriorConfig
