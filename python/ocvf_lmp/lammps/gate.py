"""The temperature at which LAMMPS evaluates a model with several experts.

LAMMPS tells a pair style no temperature. Our plugin reads the thermostat's target; elsewhere, or
where there is no thermostat, it is said by ``OCVF_TEMPERATURE`` or from the LAMMPS input:

    python set_temperature input 1 v_T format f here &
      "from ocvf_lmp.lammps.gate import set_temperature"
    python set_temperature invoke
"""

import logging
import math
import os

from ocvf_lmp.errors import InputError
from ocvf_lmp.mpi import is_first_rank
from ocvf_lmp.potential.experts import Experts

VARIABLE = "OCVF_TEMPERATURE"

log = logging.getLogger("ocvf_lmp")

_said: list[float] = []
"""What the LAMMPS input has said last."""


def set_temperature(temperature: float) -> None:
    """Sets the temperature of the gate, K; what LAMMPS inputs call through LAMMPS' `python`."""
    _said[:] = [float(temperature)]


def wanted_temperature(thermostat: float | None) -> float:
    """What the input has said, else the environment, else the thermostat's target, K.

    Args:
        thermostat: K; None or not a number where none is known.

    Raises:
        InputError: nothing says a temperature, or it is not a number.
    """
    if _said:
        return _said[-1]
    text = os.environ.get(VARIABLE)
    if text:
        try:
            return float(text)
        except ValueError as reason:
            raise InputError(
                f"expected a temperature in K in {VARIABLE}, found {text!r}; set a number"
            ) from reason
    if thermostat is None or math.isnan(thermostat):
        raise InputError(
            "expected a temperature for the model's gate between experts, found none: no thermostat"
            f" (or several) that can be read here; set {VARIABLE}=300 in the environment, call"
            " set_temperature of ocvf_lmp.lammps.gate from the input (python command), or export"
            " with --temperature"
        )
    return thermostat


class Gate:
    """Keeps a model's experts at the temperature of the run.

    Args:
        experts: of the model.
    """

    def __init__(self, experts: Experts) -> None:
        self.experts = experts
        self._last: float | None = None

    def follow(self, thermostat: float | None) -> None:
        """Sets the gate, if the temperature has changed; says so the first time.

        Raises:
            InputError: see `wanted_temperature`.
        """
        temperature = wanted_temperature(thermostat)
        if temperature == self._last:
            return
        self.experts.set_temperature(temperature)
        if self._last is None and is_first_rank():
            log.warning("%s", self.describe())
        self._last = temperature

    def describe(self) -> str:
        """The gate in words, with a warning where no expert was trained."""
        anchors, weights = self.experts.anchors, self.experts.weights
        shares = ", ".join(f"{t:g} K {w:.3g}" for t, w in zip(anchors, weights, strict=True))
        text = f"gate at {self.experts.temperature:g} K, weights of the experts: {shares}"
        if not anchors[0] - 1.0 <= self.experts.temperature <= anchors[-1] + 1.0:
            text += (
                f"\nWARNING: outside the trained range ({anchors[0]:g} to {anchors[-1]:g} K) the"
                " nearest expert acts alone"
            )
        return text
