"""All that a training consists of, in one object for trainers, workers and jobs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor, nn

from ocvf_lmp.errors import InputError
from ocvf_lmp.fit.logbook import Logbook
from ocvf_lmp.fit.plan import StatePoint, TrainingPlan
from ocvf_lmp.fit.stress import StressTarget
from ocvf_lmp.md.engine import Engine, Twin
from ocvf_lmp.potential.composite import split
from ocvf_lmp.system.structure import Structure


@dataclass(frozen=True)
class Experiment:
    """What is trained, on what, how, and where the files go.

    Attributes:
        prior: H_o.
        corrections: ΔH_θ of each state by the state's name; the same module for several states
            makes one correction for all of them. That of a state that is held out is made of the
            others' (`potential.experts`) or is one of theirs.
        states: what is trained on, and what is held out.
        plan: how.
        logbook: files of the run.
        engine: who runs the dynamics.
        start: weights that corrections begin with, by the state's name; where there are none, and
            while the prior is measured, a correction is zero.
        samples: what runs begin with once they have these weights, by the state's name and the
            run's number; others begin with the state's sample again.

    Raises:
        InputError: a state without a correction, two of the same name, nothing to train on, a
            target that the estimator cannot see, or too short looks at states that are held out.
    """

    prior: nn.Module
    corrections: Mapping[str, nn.Module]
    states: Sequence[StatePoint]
    plan: TrainingPlan
    logbook: Logbook
    engine: Engine = field(default_factory=Twin)
    start: Mapping[str, Mapping[str, Tensor]] = field(default_factory=dict)
    samples: Mapping[tuple[str, int], Structure] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [point.name for point in self.states]
        if sorted(names) != sorted(self.corrections):
            raise InputError(
                f"expected one correction for each state ({', '.join(names)}), found"
                f" {', '.join(self.corrections)}; give every state a name of its own"
            )
        if all(point.held_out for point in self.states):
            raise InputError(
                "expected at least one state to train on, found every one held out; train on one"
            )
        if any(point.held_out for point in self.states):
            self.plan.check_validation()
        if self.plan.estimator == "adjoint":
            self._check_for_adjoint()

    @property
    def trained(self) -> dict[str, nn.Module]:
        """Corrections of the states that are trained on, by the state's name."""
        return {p.name: self.corrections[p.name] for p in self.states if not p.held_out}

    def _check_for_adjoint(self) -> None:
        targets = [t.target for point in self.states for t in point.targets]
        if any(isinstance(t, StressTarget) for t in targets):
            raise InputError(
                "expected targets that are functions of the configuration for the estimator"
                " adjoint, found a stress; set training.estimator: reweight"
            )
        boxes = split(self.prior)[1]  # pyright: ignore
        if boxes:
            raise InputError(
                "expected a prior that can be differentiated twice for training.estimator: adjoint,"
                f" found {boxes[0].name}; set training.estimator: reweight"
            )
