"""What a window of the adjoint is worth: longer than the cell's relaxation, within the horizon?

A window's gradient is that of an average shortly after the potential changed. A window shorter than
the relaxation of the cell carries only the beginning of the response; one beyond the horizon of
chaos is noise. Where the cell relaxes more slowly than the horizon allows, no window is good.
"""

from dataclasses import dataclass
from typing import Literal

from ocvf_lmp.md.horizon import Horizon
from ocvf_lmp.md.relaxation import Relaxation

Verdict = Literal["good", "too short", "beyond the horizon"]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A window against both limits.

    Attributes:
        horizon: of the window, with its length.
        relaxation: of the cell's slowest part; None if nobody has measured it.
    """

    horizon: Horizon
    relaxation: Relaxation | None = None

    @property
    def verdict(self) -> Verdict:
        """Good, or what is wrong with the window; noise is worse than part of a response."""
        if not self.horizon.trusted:
            return "beyond the horizon"
        if self.relaxation is not None and self.horizon.length < self.relaxation.time:
            return "too short"
        return "good"

    @property
    def empty(self) -> bool:
        """Whether no window is longer than the relaxation and within the horizon."""
        return self.relaxation is not None and self.relaxation.time > self.horizon.usable

    @property
    def refusal(self) -> str:
        """Why the window's gradient must not be used; empty if it may."""
        return "" if self.verdict != "beyond the horizon" else str(self)

    def __str__(self) -> str:
        length = f"window of {self.horizon.length:.3g} ps"
        if self.verdict == "beyond the horizon":
            text = f"{length} beyond the horizon: its gradient is noise ({self.horizon})"
        elif self.verdict == "too short":
            text = f"{length} too short: its gradient is the beginning of the response"
        else:
            text = f"{length} good ({self.horizon})"
        known = self.relaxation
        if known is not None and (self.verdict != "good" or not known.resolved):
            # a lower bound cannot tell that a window is long enough
            text += f"; {known}"
        if self.empty:
            text += (
                f"; the usable window is empty, for the horizon is {self.horizon.usable:.2g} ps:"
                " prefer estimator: reweight"
            )
        return text
