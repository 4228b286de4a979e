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
Vector = tuple[float, float, float]


class SampleConfig(Strict):
    """The simulated sample: a structure file, or an ABO3 supercell."""

    structure: Path | None = Field(None, description="file that ASE reads; already a supercell")
    repeat: RepeatTriple = Field((2, 2, 2), description="unit cells along a, b, c")
    symbols: tuple[str, str, str] = Field(("Ba", "Ti", "O"), description="A, B, anion")
    lattice: Triple = Field((4.0, 4.0, 4.0), description="initial a, b, c of the unit cell, Å")
    off_centering: Vector = Field((0.06, 0.06, 0.06), description="initial displacement of B, Å")


class SamplerConfig(Strict):
    """Who runs the dynamics: the differentiable twin, or LAMMPS (for reweighting)."""

    engine: Literal["twin", "lammps"] = Field(
        "twin", description="the twin in this package, or `fix npt` of LAMMPS"
    )
    lmp: str | None = Field(None, description="executable; that of this environment if null")
    arguments: tuple[str, ...] = Field((), description="further ones, such as -k on t 1 -sf kk")
    ranks: Count = Field(1, description="MPI ranks of each run")
    precision: Literal["float64", "float32"] = Field(
        "float64", description="of the model in LAMMPS"
    )


class CorrectionConfig(Strict):
    """Size of ΔH_θ."""

    cutoff: Positive = Field(5.0, description="of the network's edges, Å")
    n_features: Count = Field(16, description="width of a message")
    n_angular: Count = Field(8, description="width of a message in the sum over angles")
    n_radial: Count = Field(6, description="Bessel functions of the distance")
    l_max: Annotated[int, Field(ge=0, le=6)] = Field(2, description="highest order of the angles")
    n_blocks: Annotated[int, Field(ge=0, le=4)] = Field(
        1, description="rounds of messages; an atom's energy reaches one cutoff more than that"
    )
    scale: Positive = Field(0.02, description="energy unit of the network's output, eV")


class CevmConfig(Strict):
    """The rigid correction of `training.ansatz: cevm`: splines of the distance, for each PDF."""

    r_range: tuple[Positive, Positive] = Field((1.5, 6.0), description="of the splines, Å")
    n_splines: Annotated[int, Field(ge=1, le=100)] = Field(16, description="for each PDF")


class DynamicsConfig(Strict):
    """The NPT twin."""

    timestep: Annotated[float, Field(gt=0, le=0.01)] = Field(
        0.002, description="of the integrator, ps"
    )
    t_damp: Positive = Field(0.1, description="time scale of the thermostat, ps")
    p_damp: Positive = Field(0.1, description="time scale of the barostat, ps")
    mode: Literal["flexible", "orthogonal", "isotropic", "fixed"] = Field(
        "flexible", description="what moves of the cell: six strains, three, the volume, nothing"
    )


class PdfTargetConfig(Strict):
    """A pair distribution function in a ``.gr`` file; what is null comes from its header."""

    pdf: Path = Field(description="file, relative to the configuration")
    metric: Literal["js", "kl", "density", "chi2", "r_w"] | None = Field(
        None, description="eq. 9, eq. 8, eq. 11, χ² or R_w; null: chi2 with error bars, else r_w"
    )
    r_range: tuple[Positive, Positive] = Field((1.5, 10.0), description="compared range, Å")
    radiation: Literal["neutron", "xray"] | None = Field(None, description="of the experiment")
    q_max: Positive | None = Field(None, description="end of the transform, 1/Å")
    q_damp: Annotated[float, Field(ge=0)] | None = Field(
        None, description="damping of G by the resolution, 1/Å"
    )
    q_broad: Annotated[float, Field(ge=0)] | None = Field(
        None, description="broadening of peaks with r, as PDFgui's, 1/Å"
    )
    free_scale: bool | None = Field(
        None, description="fit the scale to every simulated curve; null: where data are measured"
    )
    free_q_damp: bool | None = Field(
        None, description="likewise q_damp; null: where data are measured and do not state it"
    )
    shift_negative: bool = Field(
        False, description="lift a g(r) that is negative at some peaks above zero, for js and kl"
    )
    density: Positive | None = Field(
        None, description="for js, kl and density; null: the header's, atoms per Å^3"
    )
    stretch: Positive = Field(
        1.0,
        description="factor on all distances of the data: a known error of the wavelength, or data"
        " of a sample at another density",
    )
    weight: Positive = Field(1.0, description="factor on this part of the loss")


class LatticeTargetConfig(Strict):
    """Lattice parameters of the pseudocubic unit cell."""

    lattice: Triple = Field(description="a, b, c, in any order, Å")
    angles: Triple = Field((90.0, 90.0, 90.0), description="α, β, γ, degrees")
    length_error: Positive = Field(0.005, description="what a misfit of lengths is measured in, Å")
    angle_error: Positive = Field(0.05, description="the same of angles, degrees")
    weight: Positive = Field(1.0, description="factor on this part of the loss")
    source: str = Field("", description="where the numbers come from, for the record")


class StressTargetConfig(Strict):
    """The pressure tensor of the sample, for `dynamics.mode: fixed` at a measured cell."""

    pressure_tensor: tuple[float, float, float, float, float, float] = Field(
        description="xx, yy, zz, yz, xz, xy, bar"
    )
    error: Positive = Field(500.0, description="what a misfit is measured in, bar")
    weight: Positive = Field(1.0, description="factor on this part of the loss")
    source: str = Field("", description="where the numbers come from, for the record")


class StateConfig(Strict):
    """One temperature and pressure, and what the experiment says there."""

    temperature: Positive = Field(description="of the thermostat, K")
    pressure: float = Field(1.0, description="outside, bar")
    weight: Positive = Field(1.0, description="factor on the state's loss")
    held_out: bool = Field(False, description="never trained on; watched, to stop in time")
    start_temperature: Positive | None = Field(
        None,
        description="of the expert in `training.start` that it begins with, K; null: its own",
    )
    off_centering: Vector | None = Field(
        None,
        description="initial displacement of B, Å, for a state in another phase than the sample;"
        " null: the sample's",
    )
    targets: Annotated[
        list[PdfTargetConfig | LatticeTargetConfig | StressTargetConfig],
        Field(min_length=1, description="each a PDF, lattice parameters or a pressure tensor"),
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
    start: Path | None = Field(
        None, description="potential.pt of another run, whose corrections this one begins with"
    )
    start_temperature: Positive | None = Field(
        None,
        description="of the one expert in it that all states begin with, K; null: as states say",
    )
    start_samples: bool = Field(
        False,
        description="begin where the runs of the training that wrote `start` ended, not anew",
    )
    epochs: Count = Field(30, description="updates of the parameters")
    average_last: Count = Field(
        1, description="epochs at the end, the mean of whose parameters is the result"
    )
    linearizations: Count = Field(
        1,
        description="times at most that a step of gauss-newton takes its slopes; 8 for long steps",
    )
    replicas: Count = Field(1, description="independent runs of each state")
    window: Count = Field(100, description="steps a gradient goes back through")
    min_window: Count = Field(20, description="steps below which the window is never shortened")
    sample_every: Count = Field(10, description="steps between frames")
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
    memory: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.8, description="share of earlier windows in the averages (adjoint)"
    )
    learning_rate: Positive = Field(0.04, description="length of a step in parameter space")
    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(0.5, description="of the descent")
    equilibration: Count = Field(
        1000, description="steps before the measurements of the prior and of the result"
    )
    evaluation: Count = Field(2000, description="steps of these measurements")
    evaluate_every: Count = Field(20, description="steps between their frames")
    anchor_every: Count = Field(
        50, description="steps between the states that the way back is pinned to (adjoint)"
    )
    horizon: Annotated[int, Field(ge=0)] = Field(
        300, description="steps of the run that measures how fast trajectories part (adjoint)"
    )
    gate_width: Positive = Field(30.0, description="of the gate between corrections (eq. 15), K")
    validate_every: Annotated[int, Field(ge=0)] = Field(
        0, description="epochs between looks at the states that are held out; 0: none"
    )
    validation: Count = Field(1000, description="steps of such a look")
    stop_after: Count = Field(3, description="looks without improvement that end the training")
    patience: Count = Field(
        5, description="epochs in a row without a gradient to be trusted that end the training"
    )


class ExperimentConfig(Strict):
    """A whole top-down training."""

    name: str = Field(
        "bto", pattern=r"^[A-Za-z0-9_.-]+$", description="of the run folder, runs/NAME"
    )
    seed: int = Field(1, description="of momenta, initial weights and all else that is random")
    workers: Annotated[int, Field(ge=0)] = Field(
        0, description="processes that share the states; 0: one for each, as far as cores go"
    )
    threads: Annotated[int, Field(ge=0)] = Field(0, description="of torch in each; 0: one")
    prior: PriorConfig = Field(
        description="file of H_o, relative to the configuration; or somebody else's"
    )
    sample: SampleConfig = Field(default_factory=lambda: SampleConfig.model_validate({}))
    correction: CorrectionConfig = Field(
        default_factory=lambda: CorrectionConfig.model_validate({})
    )
    sampler: SamplerConfig = Field(default_factory=lambda: SamplerConfig.model_validate({}))
    cevm: CevmConfig = Field(default_factory=lambda: CevmConfig.model_validate({}))
    dynamics: DynamicsConfig = Field(default_factory=lambda: DynamicsConfig.model_validate({}))
    training: TrainingConfig = Field(default_factory=lambda: TrainingConfig.model_validate({}))
    states: Annotated[
        list[StateConfig], Field(min_length=1, description="temperatures, with their data")
    ]
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
