"""Lattice parameters of the (pseudocubic) unit cell that a supercell repeats."""

from collections.abc import Sequence

import torch
from jaxtyping import Float

from ocvf_lmp.arrays import Cell
from ocvf_lmp.errors import InputError
from ocvf_lmp.system.cell import lengths_angles

Parameters = Float[torch.Tensor, " six"]
"""a, b, c in Å and α, β, γ in degrees, (6,)."""


def unit_cell(cell: Cell, repeat: Sequence[int] | Sequence[Sequence[int]]) -> Cell:
    """The cell that, repeated, makes the supercell: rows, Å, (3, 3).

    Args:
        cell: supercell, rows, Å.
        repeat: numbers of unit cells along a, b, c; or the integer matrix M of a supercell that
            is cut along other axes, ``cell = M @ unit``.

    Raises:
        InputError: `repeat` is neither three positive numbers nor a regular 3 × 3 matrix.
    """
    matrix = torch.tensor(repeat, dtype=cell.dtype, device=cell.device)
    if matrix.shape == (3,):
        matrix = torch.diag(matrix)
    if matrix.shape != (3, 3) or float(torch.linalg.det(matrix)) < 0.5:
        raise InputError(
            "expected three positive repetitions or a 3 × 3 integer matrix with a positive"
            f" determinant, found {repeat}; give for example (4, 4, 4)"
        )
    return torch.linalg.solve(matrix, cell)


def lattice_parameters(
    cell: Cell, repeat: Sequence[int] | Sequence[Sequence[int]] = (1, 1, 1)
) -> Parameters:
    """Lengths and angles of the unit cell of a supercell; differentiable in the cell."""
    return lengths_angles(unit_cell(cell, repeat))


def sorted_parameters(parameters: Parameters) -> Parameters:
    """Parameters in an order that does not depend on the axis that a domain has chosen.

    The lengths ascend and each angle stays with the axis it faces, so that a tetragonal cell reads
    a = b < c and a pseudocubic orthorhombic one a < b = c with α ≠ 90°. Angles are folded to at
    most 90°, since reversing an axis turns α into 180° - α. Differentiable wherever no two lengths
    are equal and no angle is 90°; there a one-sided derivative is returned.

    Apply it to the mean parameters of an ensemble. Sorting and folding every frame instead would
    count thermal fluctuations of a cubic cell as a distortion, more so the smaller the cell.
    """
    lengths, order = torch.sort(parameters[:3])
    angles = parameters[3:][order]
    return torch.cat([lengths, 90.0 - (angles - 90.0).abs()])


def mean_parameters(
    cells: Float[torch.Tensor, "frames 3 3"],
    repeat: Sequence[int] | Sequence[Sequence[int]] = (1, 1, 1),
    weights: Float[torch.Tensor, " frames"] | None = None,
) -> Parameters:
    """Mean lengths and angles of the unit cell over frames, with statistical weights if given."""
    table = torch.stack([lattice_parameters(cell, repeat) for cell in cells])
    if weights is None:
        return table.mean(dim=0)
    return (weights / weights.sum()) @ table
