"""The configuration of a top-down training: what a YAML file may say, with units and ranges."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from ocvf_lmp.config.priors import PriorConfig
from ocvf_lmp.config.strict import Strict

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Triple = tuple[Positive, Positive, Positive]
RepeatTriple = tuple[Count, Count, Count]


class SampleConfig(Strict):
    """The simulated sample: a structure file, or an ABO3 supercell."""

    structure: Path | None = Field(None, description="file that ASE reads; already a supercell")
    repeat: RepeatTriple = Field((2, 2, 2), description="unit cells along a, b, c")
    symbols: tuple[str, str, str] = Field(("Ba", "Ti", "O"), description="A, B, anion")
    lattice: Triple = Field((4.0, 4.0, 4.0), description="initial a, b, c of the unit cell, Å")
    off_centering: tuple[float, float, float] = Field(
        (0.06, 0.06, 0.06), description="initial displacement of B, Å"
    )


class SamplerConfig(Strict):
    """Who runs the dynamics: the differentiable twin, or LAMMPS (for reweighting)."""

    engine: Literal["twin", "lammps"] = "twin"
    lmp: str | None = Field(None, description="executable; that of this environment if null")
    arguments: tuple[str, ...] = Field((), description="further ones, such as -k on t 1 -sf kk")
    ranks: Count = Field(1, description="MPI ranks of each run")
    precision: Literal["float64", "float32"] = "float64"


class CorrectionConfig(Strict):
    """Size of ΔH_θ."""

    cutoff: Positive = Field(5.0, description="Å")
    n_features: Count = 16
    n_angular: Count = 8
    n_radial: Count = 6
    l_max: Annotated[int, Field(ge=0, le=6)] = 2
    n_blocks: Annotated[int, Field(ge=0, le=4)] = 1
    scale: Positive = Field(0.02, description="energy unit of the network's output, eV")


class CevmConfig(Strict):
    """The rigid correction of `training.ansatz: cevm`: splines of the distance, for each PDF."""

    r_range: tuple[Positive, Positive] = Field((1.5, 6.0), description="of the splines, Å")
    n_splines: Annotated[int, Field(ge=1, le=100)] = Field(16, description="for each PDF")


class DynamicsConfig(Strict):
    """The NPT twin."""

    timestep: Annotated[float, Field(gt=0, le=0.01)] = Field(0.002, description="ps")
    t_damp: Positive = Field(0.1, description="time scale of the thermostat, ps")
    p_damp: Positive = Field(0.1, description="time scale of the barostat, ps")
    mode: Literal["flexible", "orthogonal", "isotropic", "fixed"] = "flexible"


class PdfTargetConfig(Strict):
    """A pair distribution function in a ``.gr`` file; what is null comes from its header."""

    pdf: Path = Field(description="file, relative to the configuration")
    metric: Literal["js", "kl", "density", "chi2", "r_w"] | None = None
    r_range: tuple[Positive, Positive] = Field((1.5, 10.0), description="compared range, Å")
    radiation: Literal["neutron", "xray"] | None = None
    q_max: Positive | None = Field(None, description="1/Å")
    q_damp: Annotated[float, Field(ge=0)] | None = Field(None, description="1/Å")
    q_broad: Annotated[float, Field(ge=0)] | None = Field(None, description="1/Å")
    free_scale: bool | None = None
    free_q_damp: bool | None = None
    shift_negative: bool = False
    density: Positive | None = Field(None, description="atoms per Å^3")
    weight: Positive = 1.0


class LatticeTargetConfig(Strict):
    """Lattice parameters of the pseudocubic unit cell."""

    lattice: Triple = Field(description="a, b, c, Å")
    angles: Triple = Field((90.0, 90.0, 90.0), description="degrees")
    length_error: Positive = Field(0.005, description="Å")
    angle_error: Positive = Field(0.05, description="degrees")
    weight: Positive = 1.0
    source: str = ""


class StressTargetConfig(Strict):
    """The pressure tensor of the sample, for `dynamics.mode: fixed` at a measured cell."""

    pressure_tensor: tuple[float, float, float, float, float, float] = Field(
        description="xx, yy, zz, yz, xz, xy, bar"
    )
    error: Positive = Field(500.0, description="bar")
    weight: Positive = 1.0
    source: str = ""


class StateConfig(Strict):
    """One temperature and pressure, and what the experiment says there."""

    temperature: Positive = Field(description="K")
    pressure: float = Field(1.0, description="bar")
    weight: Positive = 1.0
    held_out: bool = Field(False, description="never trained on; watched, to stop in time")
    targets: Annotated[
        list[PdfTargetConfig | LatticeTargetConfig | StressTargetConfig], Field(min_length=1)
    ]


class TrainingConfig(Strict):
    """How the correction is optimised; lengths in steps of the twin."""

    correction: Literal["shared", "separate"] = Field(
        "separate", description="one correction for each state, or one for all"
    )
    estimator: Literal["adjoint", "reweight"] = Field("reweight", description="of the gradient")
    ansatz: Literal["network", "cevm"] = Field(
        "network", description="a neural correction, or the rigid one of maximum entropy"
    )
    step: Literal["descent", "gauss-newton"] = Field(
        "descent", description="of a network; gauss-newton needs the estimator reweight"
    )
    epochs: Count = 30
    replicas: Count = Field(1, description="independent runs of each state")
    window: Count = Field(100, description="steps a gradient goes back through")
    min_window: Count = 20
    sample_every: Count = 10
    sampling: Count = Field(1000, description="steps of a run for reweighting")
    relaxation: Annotated[int, Field(ge=0)] = Field(100, description="steps before it")
    min_effective: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.9, description="share of frames that must count, else new ones are sampled"
    )
    min_signal: Annotated[float, Field(ge=0)] = Field(
        0.5, description="least size of a gradient in units of its error (reweight)"
    )
    entropy_weight: Annotated[float, Field(ge=0)] = Field(
        0.0, description="of a penalty on the relative entropy to the prior, per nat (reweight)"
    )
    closeness: Annotated[float, Field(ge=0)] = Field(
        0.0, description="of a penalty on the correction's forces on the prior's frames, (Å/eV)²"
    )
    memory: Annotated[float, Field(ge=0, lt=1)] = 0.8
    learning_rate: Positive = Field(0.04, description="length of a step in parameter space")
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.5
    equilibration: Count = 1000
    evaluation: Count = 2000
    evaluate_every: Count = 20
    anchor_every: Count = 50
    horizon: Annotated[int, Field(ge=0)] = Field(
        300, description="steps of the run that measures how fast trajectories part (adjoint)"
    )
    gate_width: Positive = Field(30.0, description="of the gate between corrections (eq. 15), K")
    validate_every: Annotated[int, Field(ge=0)] = Field(
        0, description="epochs between looks at the states that are held out; 0: none"
    )
    validation: Count = Field(1000, description="steps of such a look")
    stop_after: Count = Field(3, description="looks without improvement that end the training")
    patience: Count = 5


class ExperimentConfig(Strict):
    """A whole top-down training."""

    name: str = Field("bto", pattern=r"^[A-Za-z0-9_.-]+$")
    seed: int = 1
    workers: Annotated[int, Field(ge=0)] = Field(
        0, description="processes that share the states; 0: one for each, as far as cores go"
    )
    threads: Annotated[int, Field(ge=0)] = Field(0, description="of torch in each; 0: one")
    prior: PriorConfig = Field(
        description="file of H_o, relative to the configuration; or somebody else's (`priors`)"
    )
    sample: SampleConfig = Field(default_factory=lambda: SampleConfig.model_validate({}))
    correction: CorrectionConfig = Field(
        default_factory=lambda: CorrectionConfig.model_validate({})
    )
    sampler: SamplerConfig = Field(default_factory=lambda: SamplerConfig.model_validate({}))
    cevm: CevmConfig = Field(default_factory=lambda: CevmConfig.model_validate({}))
    dynamics: DynamicsConfig = Field(default_factory=lambda: DynamicsConfig.model_validate({}))
    training: TrainingConfig = Field(default_factory=lambda: TrainingConfig.model_validate({}))
    states: Annotated[list[StateConfig], Field(min_length=1)]
    quick: dict[str, Any] = Field(
        default_factory=dict, description="what `--quick` changes, in the form of this file"
    )

    @model_validator(mode="after")
    def _states_differ(self) -> "ExperimentConfig":
        names = [(s.temperature, s.pressure) for s in self.states]
        if len(set(names)) != len(names):
            raise ValueError("two states have the same temperature and pressure; merge them")
        if all(s.held_out for s in self.states):
            raise ValueError("every state is held out; train on at least one")
        return self
