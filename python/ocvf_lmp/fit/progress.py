"""What a training tells while it runs; the command line draws it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class WindowRecord:
    """One gradient at one state.

    Attributes:
        epoch: 1, 2, ...
        state: name of the state.
        target_temperature: K.
        loss: at the pooled averages.
        parts: of the loss, by target.
        grad_norm: of the gradient with respect to the correction's parameters.
        grad_error: norm of its standard error, or None where the estimator cannot tell.
        effective: share of the frames that count (reweighting), or None.
        growth_rate: of the adjoint, 1/ps.
        usable_ps: estimate of the longest usable window, ps (1e9 where no limit was seen).
        window_ps: length of the dynamics that were run for it, ps.
        lattice: mean lengths (Å) and angles (degrees) of the unit cell in the window.
        volume_fu: Å³ a formula unit at the window's end.
        updated: whether the gradient was used.
        reason: why it was not.
        learning_rate: of this epoch.
        seconds: that the gradient took.
        cell_relaxation_ps: how long the cell remembers, from the measurement of the prior (a lower
            bound where that was short); a shorter window sees only the beginning of the response.
        loss_error: standard error of the loss, or None where the estimator cannot tell.
        part_errors: of the parts, by target, or None.
    """

    epoch: int
    state: str
    target_temperature: float
    loss: float
    parts: Mapping[str, float]
    grad_norm: float
    grad_error: float | None
    effective: float | None
    growth_rate: float
    usable_ps: float
    window_ps: float
    lattice: list[float]
    volume_fu: float
    updated: bool
    reason: str
    learning_rate: float
    seconds: float
    cell_relaxation_ps: float | None = None
    loss_error: float | None = None
    part_errors: Mapping[str, float] | None = None


class Progress(Protocol):
    """Told of everything that takes time or is worth showing."""

    def task(self, name: str, n_steps: int) -> AbstractContextManager[Callable[[int], None]]:
        """A piece of work of so many steps; the handle is called as it advances."""
        ...

    def measured(self, state: str, stage: str, scores: Mapping[str, Any]) -> None:
        """A state was measured before or after training."""
        ...

    def window(self, record: WindowRecord) -> None:
        """A window was run."""
        ...

    def remark(self, state: str, text: str) -> None:
        """What is worth saying once of a state's gradients."""
        ...


class Silent:
    """Progress that nobody watches."""

    @contextmanager
    def task(self, name: str, n_steps: int) -> Iterator[Callable[[int], None]]:
        """Does nothing."""
        del name, n_steps
        yield lambda steps: None

    def measured(self, state: str, stage: str, scores: Mapping[str, Any]) -> None:
        """Does nothing."""

    def window(self, record: WindowRecord) -> None:
        """Does nothing."""

    def remark(self, state: str, text: str) -> None:
        """Does nothing."""
