"""What was sampled at one temperature of one branch of a sweep."""

from dataclasses import dataclass

import numpy as np


def leg_name(branch: str, temperature: float) -> str:
    """A leg's name, unique in a sweep and fit for a file; temperature in K."""
    return f"{branch}_{temperature:08.3f}K"


@dataclass(frozen=True, slots=True)
class Leg:
    """What was sampled at one temperature of one branch.

    Attributes:
        branch: "heating", "cooling", or another name.
        temperature: of the thermostat, K.
        order: place in the branch, from 0.
        equilibration: steps before the part that averages are taken from.
        step: of each frame, counted from the start of the leg, (frames,).
        cell: rows, Å, (frames, 3, 3).
        positions: Å, not wrapped, float32, (frames, atoms, 3).
        kinetic_temperature: K, (frames,).
        potential_energy: eV, (frames,).
        pressure: tensor, bar, (frames, 3, 3).
        last_positions: Å, after the last step, (atoms, 3).
        last_velocities: Å/ps, (atoms, 3).
        last_cell: rows, Å, (3, 3).
    """

    branch: str
    temperature: float
    order: int
    equilibration: int
    step: np.ndarray
    cell: np.ndarray
    positions: np.ndarray
    kinetic_temperature: np.ndarray
    potential_energy: np.ndarray
    pressure: np.ndarray
    last_positions: np.ndarray
    last_velocities: np.ndarray
    last_cell: np.ndarray

    @property
    def name(self) -> str:
        """Unique in a sweep, and fit for a file."""
        return leg_name(self.branch, self.temperature)


@dataclass(frozen=True, slots=True)
class LostLeg:
    """A leg that is in a sweep, but cannot be read.

    Attributes:
        branch: as of a `Leg`.
        temperature: of the thermostat, K.
        reason: why, in words.
    """

    branch: str
    temperature: float
    reason: str


def check_leg(leg: Leg, n_atoms: int) -> None:
    """Refuses a leg whose arrays do not belong together.

    Args:
        leg: as it was read.
        n_atoms: of the sweep.

    Raises:
        ValueError: an array is not of numbers, of the leg's frames and of all atoms.
    """
    frames = len(leg.step)
    if not frames:
        raise ValueError("it has no frames")
    tensor, atoms = (3, 3), (n_atoms, 3)
    shapes = {
        "step": (frames,), "cell": (frames, *tensor), "positions": (frames, *atoms),
        "kinetic_temperature": (frames,), "potential_energy": (frames,),
        "pressure": (frames, *tensor),
        "last_positions": atoms, "last_velocities": atoms, "last_cell": tensor,
    }  # fmt: skip
    for name, shape in shapes.items():
        values = getattr(leg, name)
        if values.shape != shape or values.dtype.kind not in "iuf":
            raise ValueError(
                f"{name} is of {values.dtype} {values.shape}, expected numbers of the shape {shape}"
            )
