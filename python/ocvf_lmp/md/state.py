"""The state of the extended system: atoms, cell, barostat and thermostats."""

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch

from ocvf_lmp.arrays import Cell, Matrix3, Positions
from ocvf_lmp.errors import InputError
from ocvf_lmp.md.exponential import identity_like
from ocvf_lmp.md.parameters import NptParameters, masses_of
from ocvf_lmp.units import MVV2E


@dataclass(frozen=True, slots=True)
class NptState:
    """Everything that the NPT step advances, and the masses of the atoms.

    Attributes:
        positions: Cartesian, not wrapped, Å, (atoms, 3).
        momenta: amu Å/ps, (atoms, 3).
        cell: vectors as rows, Å, (3, 3).
        cell_momentum: p_g, symmetric, eV ps, (3, 3); p_g/W is the strain rate.
        eta: positions of the particles' thermostats, (chain,).
        p_eta: their momenta, eV ps, (chain,).
        xi: positions of the cell's thermostats, (cell_chain,).
        p_xi: their momenta, eV ps, (cell_chain,).
        masses: amu, (atoms,); constant.
    """

    positions: Positions
    momenta: Positions
    cell: Cell
    cell_momentum: Matrix3
    eta: torch.Tensor
    p_eta: torch.Tensor
    xi: torch.Tensor
    p_xi: torch.Tensor
    masses: torch.Tensor

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return len(self.masses)

    def dynamic(self) -> tuple[torch.Tensor, ...]:
        """The eight tensors that change, in the order of the attributes."""
        return tuple(getattr(self, name) for name in DYNAMIC)

    def with_dynamic(self, tensors: tuple[torch.Tensor, ...]) -> "NptState":
        """The state with these eight tensors and the same masses."""
        return NptState(*tensors, masses=self.masses)

    def map(self, function: Callable[[torch.Tensor], torch.Tensor]) -> "NptState":
        """The state with the function applied to each of the eight tensors that change."""
        return self.with_dynamic(tuple(function(t) for t in self.dynamic()))

    def as_dict(self) -> dict[str, torch.Tensor]:
        """All tensors by name, for a checkpoint; ``NptState(**d)`` restores the state."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


DYNAMIC = tuple(f.name for f in fields(NptState) if f.name != "masses")
"""Names of the tensors that change."""


def initial_state(
    positions: Positions,
    cell: Cell,
    masses: torch.Tensor,
    params: NptParameters,
    noise: torch.Tensor,
    cell_noise: torch.Tensor | None = None,
) -> NptState:
    """A state with thermal momenta of zero sum, and thermostats at rest.

    Args:
        positions: Å, (atoms, 3).
        cell: rows, Å, (3, 3).
        masses: amu, (atoms,).
        params: the ensemble.
        noise: standard normal numbers, (atoms, 3).
        cell_noise: standard normal numbers, (3, 3), for a thermal momentum of the cell; None
            leaves the cell at rest.

    Raises:
        InputError: shapes that do not fit together.
    """
    n = len(positions)
    expected = {"positions": (n, 3), "cell": (3, 3), "masses": (n,), "noise": (n, 3)}
    given = {"positions": positions, "cell": cell, "masses": masses, "noise": noise}
    for name, shape in expected.items():
        if tuple(given[name].shape) != shape:
            raise InputError(
                f"expected {name} of shape {shape} for {n} atoms, found"
                f" {tuple(given[name].shape)}; check how the state was put together"
            )
    like = {"dtype": positions.dtype, "device": positions.device}
    constants = masses_of(params, n)
    mass = masses.to(**like)
    momenta = noise.to(**like) * torch.sqrt(mass * constants.kt / MVV2E)[:, None]
    momenta = momenta - mass[:, None] * (momenta.sum(dim=0) / mass.sum())
    cell_momentum = torch.zeros(3, 3, **like)
    if cell_noise is not None:
        symmetric = 0.5 * (cell_noise + cell_noise.T).to(**like)
        size = (constants.cell_mass * constants.kt) ** 0.5
        cell_momentum = size * allowed_strain(symmetric, params.mode)
    chain, cell_chain = torch.zeros(params.chain, **like), torch.zeros(params.cell_chain, **like)
    return NptState(
        positions, momenta, cell, cell_momentum, chain, chain, cell_chain, cell_chain, mass
    )


def allowed_strain(tensor: Matrix3, mode: str) -> Matrix3:
    """The part of a symmetric tensor that drives the cell in the given mode."""
    if mode == "flexible":
        return tensor
    eye = identity_like(tensor)
    if mode == "orthogonal":
        return tensor * eye
    if mode == "isotropic":
        return eye * (torch.trace(tensor) / 3.0)
    return torch.zeros_like(tensor)
