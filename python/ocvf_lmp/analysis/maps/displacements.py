"""Polar displacements of the cubic ABO3 cell, along lines, over planes and over discs.

Every displacement is the same in all unit cells (wave vector Γ), so that one cell of five atoms
holds it exactly. Its size is the off-centring u: how far B has moved from the centre of its cage of
anions. In the pattern `B_ALONE` only B moves; along a soft mode A and the anions move as well.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float

from ocvf_lmp.errors import InputError
from ocvf_lmp.system.structure import PEROVSKITE_SITES

DIRECTIONS = {"[100]": (1, 0, 0), "[110]": (1, 1, 0), "[111]": (1, 1, 1)}
"""Of the curves and of the table, in the axes of the cubic cell."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """How far each ion moves along a cubic axis for an off-centring of 1 Å along that axis.

    Attributes:
        a: of A.
        b: of B.
        parallel: of the anion whose chain B–O–B lies along the displacement.
        perpendicular: of the other two anions.
    """

    a: float
    b: float
    parallel: float
    perpendicular: float

    @property
    def off_centring(self) -> float:
        """Displacement of B from the centre of its cage; 1 where `scaled`."""
        return self.b - (self.parallel + 2.0 * self.perpendicular) / 3.0

    def scaled(self) -> "Pattern":
        """The same pattern for an off-centring of 1.

        Raises:
            InputError: B stays in the centre of its cage.
        """
        size = self.off_centring
        if not np.isfinite(size) or abs(size) < 1e-9:
            raise InputError(
                "expected displacements that move B out of the centre of its cage of anions, found"
                f" A {self.a:g}, B {self.b:g}, O∥ {self.parallel:g}, O⊥ {self.perpendicular:g};"
                " give other ratios"
            )
        parts = (self.a, self.b, self.parallel, self.perpendicular)
        return Pattern(*(part / size for part in parts))

    def of_sites(self) -> Float[torch.Tensor, "5 3"]:
        """Factors of u_x, u_y, u_z for A, B and the three anions, in the order of the sites."""
        table = torch.empty(5, 3, dtype=torch.float64)
        table[0], table[1] = self.a, self.b
        sites = torch.tensor(PEROVSKITE_SITES, dtype=torch.float64)
        along = sites[2:] == 0.0  # an anion at (1/2, 1/2, 0) is in a chain along z
        table[2:] = torch.where(along, self.parallel, self.perpendicular)
        return table


B_ALONE = Pattern(0.0, 1.0, 0.0, 0.0)

Displacement = Pattern | Literal["soft-mode"]
"""A pattern, or the eigenvector of the prior's own soft mode in each state's cell."""


def named_displacement(text: str) -> Displacement:
    """A displacement from ``B``, ``soft-mode`` or four numbers for A, B, O∥, O⊥.

    Raises:
        InputError: none of these, or numbers that leave B in the centre of its cage.
    """
    if text in ("B", "b"):
        return B_ALONE
    if text == "soft-mode":
        return "soft-mode"
    try:
        a, b, parallel, perpendicular = (float(part) for part in text.split(","))
    except ValueError:
        raise InputError(
            "expected B, soft-mode or four numbers with commas between them (A,B,O∥,O⊥) as the"
            f" displacement, found {text!r}; write for example 0.1,0.7,-0.5,-0.15"
        ) from None
    return Pattern(a, b, parallel, perpendicular).scaled()


@dataclass(frozen=True, slots=True)
class Plane:
    """A plane of displacements through the undisplaced cell, symmetric about both of its axes.

    Attributes:
        name: Miller indices, for readers.
        key: the same for names of files.
        x: unit vector of the horizontal axis.
        y: unit vector of the vertical axis.
        x_name: of that direction.
        y_name: of that direction.
    """

    name: str
    key: str
    x: tuple[float, float, float]
    y: tuple[float, float, float]
    x_name: str
    y_name: str

    def points(self, along: np.ndarray, across: np.ndarray) -> np.ndarray:
        """Displacements with these components along x and y, Å, (points, 3)."""
        return np.multiply.outer(along, self.x) + np.multiply.outer(across, self.y)


_HALF = float(np.sqrt(0.5))
PLANES = (
    Plane("(001)", "001", (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), "[100]", "[010]"),
    Plane("(11\u03050)", "1-10", (_HALF, _HALF, 0.0), (0.0, 0.0, 1.0), "[110]", "[001]"),
)
"""Their axes are mirrors of the cubic cell: a quarter of a plane says everything."""


def line(direction: tuple[int, int, int], sizes: np.ndarray) -> np.ndarray:
    """Displacements of these sizes (Å) along a direction, (points, 3)."""
    unit = np.array(direction, dtype=float) / np.linalg.norm(direction)
    return np.multiply.outer(sizes, unit)


def displaced(
    lattice: float, pattern: Pattern, u: Float[torch.Tensor, "frames 3"]
) -> Float[torch.Tensor, "frames 5 3"]:
    """Positions of A, B, O, O, O in the cubic cell, Å.

    Args:
        lattice: constant of the cell, Å.
        pattern: who moves.
        u: off-centrings, Å.
    """
    sites = lattice * torch.tensor(PEROVSKITE_SITES, dtype=torch.float64)
    return sites + pattern.of_sites() * u[:, None, :]
