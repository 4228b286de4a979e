"""Algebra of periodic cells (vectors as rows)."""

import torch

from ocvf_lmp.arrays import Cell, Matrix3, Positions, Scalar
from ocvf_lmp.errors import InputError


def volume(cell: Cell) -> Scalar:
    """Volume of the cell, Å³."""
    return torch.linalg.det(cell).abs()


def lengths_angles(cell: Cell) -> torch.Tensor:
    """Lengths a, b, c in Å and angles α, β, γ in degrees, shape (6,); differentiable."""
    lengths = torch.linalg.vector_norm(cell, dim=1)
    unit = cell / lengths[:, None]
    cosines = torch.stack([unit[1] @ unit[2], unit[0] @ unit[2], unit[0] @ unit[1]])
    return torch.cat([lengths, torch.rad2deg(torch.acos(cosines))])


def heights(cell: Cell) -> torch.Tensor:
    """Distances between opposite faces of the cell, Å, shape (3,)."""
    return 1.0 / torch.linalg.vector_norm(torch.linalg.inv(cell), dim=0)


def wrap(positions: Positions, cell: Cell) -> Positions:
    """Positions moved into the cell by whole cell vectors."""
    fractional = positions @ torch.linalg.inv(cell)
    return positions - torch.floor(fractional) @ cell


def strained(positions: Positions, cell: Cell, strain: Matrix3) -> tuple[Positions, Cell]:
    """Positions and cell after the homogeneous deformation r -> r (1 + strain)."""
    deformation = torch.eye(3, dtype=cell.dtype, device=cell.device) + strain
    return positions @ deformation, cell @ deformation


def lower_triangular(cell: Cell) -> tuple[Cell, Matrix3]:
    """The cell rotated so that a lies along x and b in the xy plane, as LAMMPS wants it.

    Returns:
        The rotated cell (lower triangular rows) and the rotation R with ``rotated = cell @ R``;
        positions, forces and tensors rotate with the same R.

    Raises:
        InputError: the cell is left-handed.
    """
    if torch.linalg.det(cell) <= 0:
        raise InputError(
            "expected a right-handed cell (positive determinant), found a left-handed or flat one;"
            " exchange two cell vectors"
        )
    q, r = torch.linalg.qr(cell.T)
    signs = torch.sign(torch.diagonal(r))
    rotation = q * signs
    return torch.tril(cell @ rotation), rotation
