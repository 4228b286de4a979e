"""The configuration of a temperature sweep."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from ocvf_lmp.config.priors import OF_BTO, LammpsPriorConfig, Symbols
from ocvf_lmp.config.schema import Count, Positive, SampleConfig
from ocvf_lmp.config.strict import Strict

Branch = Literal["heating", "cooling"]


class SweepConfig(Strict):
    """A temperature series: what is run, where it starts, how long."""

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]+$", description="of the folder, sweeps/NAME")
    model: Path | None = Field(None, description="file made by `ocvf-lmp export`")
    lammps: str | None = Field(
        None, description="pair_style and pair_coeff, one a line; or the file of an input"
    )
    symbols: Symbols = Field(OF_BTO, description="of the atom types, in their order")
    sample: SampleConfig = Field(
        default_factory=lambda: SampleConfig.model_validate({"repeat": (4, 4, 4)})
    )
    temperatures: Annotated[tuple[Positive, ...], Field(min_length=1)] = Field(
        description="each once, K"
    )
    branches: Annotated[tuple[Branch, ...], Field(min_length=1)] = Field(
        ("heating", "cooling"), description="heating starts off-centre, cooling from the cubic cell"
    )
    independent: bool = Field(
        False, description="every temperature from the start of its branch, not from the one before"
    )
    equilibration: Count = Field(2500, description="steps at each temperature before what counts")
    steps: Count = Field(7500, description="steps that count")
    every: Count = Field(50, description="steps between frames")
    timestep: Annotated[float, Field(gt=0, le=0.01)] = Field(0.002, description="of LAMMPS, ps")
    t_damp: Positive = Field(0.1, description="time scale of the thermostat, ps")
    p_damp: Positive = Field(1.0, description="time scale of the barostat, ps")
    pressure: float = Field(1.0, description="outside, bar")
    seed: int = Field(1, description="of the velocities")

    @property
    def prior(self) -> LammpsPriorConfig | None:
        """What LAMMPS itself knows."""
        if self.lammps is None:
            return None
        return LammpsPriorConfig(lammps=self.lammps, symbols=self.symbols)

    @model_validator(mode="after")
    def _is_whole(self) -> "SweepConfig":
        if self.model is None and self.lammps is None:
            raise ValueError("neither a model nor LAMMPS commands are named; give one of them")
        if len(set(self.temperatures)) != len(self.temperatures):
            raise ValueError("a temperature comes twice; name each once")
        return self
