"""What a top-down training consists of: states, and how the correction is optimised."""

from collections.abc import Sequence
from dataclasses import dataclass

from ocvf_lmp.errors import InputError
from ocvf_lmp.fit.objective import NamedTarget
from ocvf_lmp.fit.reweight import blocks_of_a_run
from ocvf_lmp.fit.sampling import N_BLOCKS
from ocvf_lmp.md.lyapunov import LEAST_STRETCHES, STRETCH
from ocvf_lmp.md.parameters import NptParameters
from ocvf_lmp.system.structure import Structure


@dataclass(frozen=True, slots=True)
class StatePoint:
    """A sample at one temperature and pressure, and what is known of it.

    Attributes:
        name: for instance ``300K``.
        structure: initial configuration.
        repeat: unit cells along a, b, c.
        params: ensemble of the twin.
        targets: what its averages are compared with.
        weight: factor on the state's loss.
        held_out: never trained on, only watched.
    """

    name: str
    structure: Structure
    repeat: tuple[int, int, int]
    params: NptParameters
    targets: Sequence[NamedTarget]
    weight: float = 1.0
    held_out: bool = False


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """How the correction is optimised; lengths in steps of the twin.

    Attributes:
        estimator: of the gradient: ``adjoint``, or ``reweight`` (see `fit.estimators`).
        ansatz: ``network``, improved by descent; or ``cevm``, linear in its parameters, which
            Newton's method brings to where the averages are the observed ones (`fit.newton`).
        step: of the network: ``descent`` along the gradient, or ``gauss-newton`` (by fluctuations
            only), whose length and damping the frames decide (`fit.gauss_newton`).
        epochs: updates of the parameters.
        replicas: independent runs of each state, whose averages are pooled.
        window: steps that a gradient goes back through (the adjoint's window).
        min_window: the window is never shortened below.
        sample_every: steps between frames in a window.
        sampling: steps of a run that frames for reweighting are taken from.
        relaxation: steps before such a run.
        min_effective: share of the frames that have to count, else new ones are sampled.
        min_signal: size of a gradient by fluctuations in units of its error below which it is
            refused and the next run is longer.
        entropy_weight: of a penalty on the relative entropy of the corrected ensemble with respect
            to the prior's, per nat (by fluctuations only).
        closeness: weight of a penalty on the mean square of the correction's forces on the prior's
            own frames, per (eV/Å)² (`fit.replay`).
        memory: share of what was measured before in the averages at which the loss is taken, 0 to
            < 1. A single window is too short to know an average by: its cell alone breathes by
            more than the model is wrong. The averages start with the measurement of the prior.
        learning_rate: length of an epoch's step in the space of the parameters, for a gradient of
            the largest initial size among the correction's states; a cosine takes it to a tenth
            at the end.
        momentum: of the descent.
        equilibration: steps before the first and after the last measurement of a state.
        evaluation: steps of these measurements.
        evaluate_every: steps between their frames.
        anchor_every: steps between the stored states of the adjoint.
        horizon: steps of the run that measures how fast neighbouring trajectories part, which tells
            a window its horizon; 0: the window's own norm has to do.
        gate_width: σ of the gate between the corrections of several temperatures, K (eq. 15).
        validate_every: epochs between looks at the states that are held out; 0: none.
        validation: steps of such a look.
        stop_after: looks in a row without an improvement that end the training early; the best
            parameters seen are then restored.
        average_last: epochs at the end, the mean of whose parameters is the result
            (`fit.iterate_average`); where states are held out, the best ones are it instead.
        linearizations: how many times a step of Gauss and Newton takes its slopes at most, on its
            way (`fit.following`); 1: at its beginning alone.
        patience: epochs in a row without one trusted gradient that end the training.
        seed: of momenta and initial weights.
    """

    estimator: str = "reweight"
    ansatz: str = "network"
    step: str = "descent"
    epochs: int = 30
    replicas: int = 1
    window: int = 100
    min_window: int = 20
    sample_every: int = 10
    sampling: int = 1000
    relaxation: int = 100
    min_effective: float = 0.9
    min_signal: float = 0.5
    entropy_weight: float = 0.0
    closeness: float = 0.0
    memory: float = 0.8
    learning_rate: float = 0.04
    momentum: float = 0.5
    equilibration: int = 1000
    evaluation: int = 2000
    evaluate_every: int = 20
    anchor_every: int = 50
    horizon: int = 300
    gate_width: float = 30.0
    validate_every: int = 0
    validation: int = 1000
    stop_after: int = 3
    average_last: int = 1
    linearizations: int = 1
    patience: int = 5
    seed: int = 1

    def __post_init__(self) -> None:
        adjoint = self.estimator == "adjoint"
        if adjoint and not (0 < self.sample_every <= self.min_window <= self.window):
            raise InputError(
                "expected 0 < sample_every <= min_window <= window, found"
                f" {self.sample_every}, {self.min_window}, {self.window}; lengthen the window"
            )
        self._check_words()
        if adjoint and (self.ansatz == "cevm" or self.entropy_weight):
            raise InputError(
                "expected the estimator reweight for cevm or a penalty on the entropy, found"
                " adjoint: both are made of fluctuations; set training.estimator: reweight"
            )
        if self.replicas < 1:
            raise InputError(f"expected at least one replica, found {self.replicas}")
        if not 0.0 <= self.memory < 1.0:
            raise InputError(
                f"expected a memory from 0 to below 1, found {self.memory}; 0 takes the newest"
                " window alone, 0.8 to 0.95 less noise"
            )
        _check_frames(self.evaluation, self.evaluate_every, "evaluation", N_BLOCKS)
        if not adjoint:
            needed = blocks_of_a_run(self.replicas)[1]
            _check_frames(self.sampling, self.sample_every, "sampling", needed)
        elif 0 < self.horizon < LEAST_STRETCHES * STRETCH:
            raise InputError(
                f"expected a training.horizon of at least {LEAST_STRETCHES * STRETCH} steps to see"
                f" how fast trajectories part, found {self.horizon}; lengthen it, or set it to 0"
            )

    def _check_words(self) -> None:
        if self.estimator not in ("adjoint", "reweight"):
            raise InputError(
                f"expected the estimator adjoint or reweight, found {self.estimator!r}; name one"
            )
        if self.ansatz not in ("network", "cevm"):
            raise InputError(
                f"expected the ansatz network or cevm, found {self.ansatz!r}; name one"
            )
        if self.step not in ("descent", "gauss-newton"):
            raise InputError(
                f"expected the step descent or gauss-newton, found {self.step!r}; name one"
            )
        if self.linearizations > 1 and self.step != "gauss-newton":
            raise InputError(
                f"expected step: gauss-newton beside linearizations: {self.linearizations}, found"
                f" {self.step}; set training.step, or leave training.linearizations away"
            )

    def check_validation(self) -> None:
        """Checks what only a plan with states that are held out has to fulfil.

        Raises:
            InputError: the looks at them have too few frames.
        """
        if self.validate_every:
            _check_frames(self.validation, self.evaluate_every, "validation", N_BLOCKS)


def _check_frames(steps: int, every: int, name: str, needed: int) -> None:
    """Refuses runs with fewer frames than their averages or errors are made of."""
    if steps // every >= needed:
        return
    interval = "sample_every" if name == "sampling" else "evaluate_every"
    often = f", or training.{interval} to at most {steps // needed}" if steps >= needed else ""
    raise InputError(
        f"expected at least {needed} frames in a run of training.{name}, from whose parts errors"
        f" are estimated, found {steps // every} ({steps} steps, one frame every {every}); raise"
        f" training.{name} to at least {needed * every}{often}"
    )
