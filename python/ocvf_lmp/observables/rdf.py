"""Partial pair distribution functions g_ab(r) by a Gaussian-smeared histogram.

The smearing acts on r·g(r): every pair at distance d adds K_σ(r - d)/d, with K_σ a normalised
Gaussian. This is a plain convolution of the function whose sine transform the scattering
experiment sees, so that in Q it is the known factor exp(-½σ²Q²), which
`ocvf_lmp.observables.pdf` divides out exactly. It also leaves coordination integrals untouched.
"""

import itertools
import math
from dataclasses import dataclass, field

import torch
from jaxtyping import Float

from ocvf_lmp.arrays import Cell, EdgeIndex, Positions, Scalar, Species
from ocvf_lmp.errors import InputError
from ocvf_lmp.observables.smearing import spread
from ocvf_lmp.system.cell import volume
from ocvf_lmp.system.edges import Edges
from ocvf_lmp.system.neighbors import NeighborList, edges_from, find_pairs
from ocvf_lmp.system.stack import Stack

WINDOW = 6.0
"""Half-width of the smearing window in units of sigma (the Gaussian has fallen to 1.5e-8)."""


def species_pairs(n_species: int) -> tuple[tuple[int, int], ...]:
    """Unordered pairs of species in the order (0,0), (0,1), ..., (1,1), (1,2), ..."""
    return tuple(itertools.combinations_with_replacement(range(n_species), 2))


@dataclass(frozen=True, slots=True)
class PartialGrid:
    """Distances and species pairs on which partials are tabulated.

    The points are r = dr, 2 dr, ..., r_max.

    Attributes:
        n_species: number of chemical species.
        r_max: last distance, Å (rounded to a multiple of `dr`).
        dr: spacing, Å.
        sigma: standard deviation of the smearing, Å; at least `dr`, so that the sampled Gaussian
            is exact to 1e-8.
        pairs: pairs of species, in the order of the rows of a table of partials.
    """

    n_species: int
    r_max: float = 10.0
    dr: float = 0.02
    sigma: float = 0.02
    pairs: tuple[tuple[int, int], ...] = field(init=False)

    def __post_init__(self) -> None:
        if not (self.n_species >= 1 and self.dr > 0 and self.r_max > 10 * self.dr):
            raise InputError(
                "expected at least one species, dr > 0 and r_max > 10 dr for a grid of distances,"
                f" found n_species = {self.n_species}, dr = {self.dr} Å, r_max = {self.r_max} Å;"
                " usual values are dr = 0.02 Å and r_max = 10 to 20 Å"
            )
        if self.sigma < self.dr * (1 - 1e-9):
            raise InputError(
                f"expected a smearing of at least one grid step, found sigma = {self.sigma} Å with"
                f" dr = {self.dr} Å; raise sigma or refine dr"
            )
        object.__setattr__(self, "r_max", self.n_bins * self.dr)
        object.__setattr__(self, "pairs", species_pairs(self.n_species))

    @property
    def n_bins(self) -> int:
        """Number of distances."""
        return round(self.r_max / self.dr)

    @property
    def n_pairs(self) -> int:
        """Number of unordered pairs of species."""
        return len(self.pairs)

    @property
    def half_window(self) -> int:
        """Number of bins on either side of a distance that its Gaussian reaches."""
        return math.ceil(WINDOW * self.sigma / self.dr)

    @property
    def cutoff(self) -> float:
        """Distance up to which pairs contribute to the table, Å."""
        return self.r_max + self.half_window * self.dr

    def r(
        self, dtype: torch.dtype = torch.float64, device: torch.device | None = None
    ) -> Float[torch.Tensor, " bins"]:
        """The distances, Å, (bins,)."""
        return self.dr * torch.arange(1, self.n_bins + 1, dtype=dtype, device=device)


def partials_from_edges(
    edges: Edges, species: Species, cell: Cell, grid: PartialGrid
) -> Float[torch.Tensor, "pairs bins"]:
    """Partial g_ab(r) of one configuration, normalised by its own density.

    g_ab(r) = V / (4π r N_a N_b) Σ_{i in a, j in b} K_σ(r - d_ij)/d_ij over all periodic images, so
    that 4π r² (N_b/V) g_ab integrates to the number of b around an a.

    Args:
        edges: directed pairs, complete up to `grid.cutoff`, with `reverse` set.
        species: (atoms,).
        cell: rows, Å, (3, 3).
        grid: distances and pairs.

    Returns:
        (pairs, bins), differentiable in the edges' vectors and in the cell. Rows of species that
        the configuration does not hold are zero.

    Raises:
        InputError: the edges come without `reverse`.
    """
    if edges.reverse is None:
        raise InputError(
            "expected edges that list every pair in both directions, found edges without `reverse`"
            " (as LAMMPS hands them out); build them with edges_from"
        )
    half = _one_of_two(edges.reverse)
    return _table(edges.vector[half], edges.center[half], edges.neighbor[half], species, cell, grid)


def partials(
    positions: Positions,
    cell: Cell,
    species: Species,
    grid: PartialGrid,
    neighbors: NeighborList | None = None,
) -> Float[torch.Tensor, "pairs bins"]:
    """Partial g_ab(r) of one configuration, also for distances beyond half the cell.

    Args:
        positions: Å, (atoms, 3).
        cell: rows, Å, (3, 3).
        species: (atoms,).
        grid: distances and pairs.
        neighbors: a list with a cutoff of at least `grid.cutoff` that is still valid for the
            configuration; None finds the pairs.

    Returns:
        (pairs, bins), differentiable in positions and cell.

    Raises:
        InputError: the list's cutoff is shorter than `grid.cutoff`.
    """
    if neighbors is not None:
        if neighbors.cutoff < grid.cutoff - 1e-9:
            raise InputError(
                f"expected neighbours up to {grid.cutoff:.3f} Å for partials up to r_max ="
                f" {grid.r_max:.3f} Å, found a list with cutoff {neighbors.cutoff:.3f} Å;"
                " build the list with grid.cutoff"
            )
        return partials_from_edges(edges_from(neighbors, positions, cell), species, cell, grid)
    pairs = find_pairs(positions, cell, grid.cutoff)
    vector = positions[pairs.second] - positions[pairs.first] + pairs.shift @ cell
    return _table(vector, pairs.first, pairs.second, species, cell, grid)


def partials_of_stack(
    stack: Stack, cells: Float[torch.Tensor, "frames 3 3"], grid: PartialGrid
) -> Float[torch.Tensor, "frames pairs bins"]:
    """Partial g_ab(r) of every frame of a stack, in one histogram.

    Args:
        stack: edges of the frames, up to `grid.cutoff` at least.
        cells: rows, Å, (frames, 3, 3).
        grid: distances and pairs.

    Returns:
        (frames, pairs, bins), without gradients.

    Raises:
        InputError: the stack's cutoff is shorter than `grid.cutoff`.
    """
    if stack.cutoff < grid.cutoff - 1e-9:
        raise InputError(
            f"expected edges up to {grid.cutoff:.3f} Å for partials up to r_max ="
            f" {grid.r_max:.3f} Å, found a stack with cutoff {stack.cutoff:.3f} Å;"
            " stack the frames with grid.cutoff"
        )
    edges, species = stack.edges, stack.species
    assert edges.reverse is not None
    half = _one_of_two(edges.reverse)
    distance = torch.linalg.vector_norm(edges.vector[half], dim=1)
    half, distance = half[distance < grid.cutoff], distance[distance < grid.cutoff]
    center = edges.center[half]
    row = _pair_rows(grid.n_species, species.device)[species[center], species[edges.neighbor[half]]]
    row = row + grid.n_pairs * (center // stack.n_atoms)
    shape = (stack.n_frames * grid.n_pairs, grid.n_bins)
    table = spread(distance, row, shape, grid.dr, grid.sigma, grid.half_window)
    norms = torch.stack([_norm(species[: stack.n_atoms], h, grid) for h in cells])
    return table.view(stack.n_frames, grid.n_pairs, grid.n_bins) * norms


def number_density(cell: Cell, n_atoms: int) -> Scalar:
    """Atoms per volume, Å^-3; differentiable in the cell."""
    return n_atoms / volume(cell)


def average(
    frames: Float[torch.Tensor, "frames pairs bins"],
    densities: Float[torch.Tensor, " frames"],
    weights: Float[torch.Tensor, " frames"] | None = None,
) -> tuple[Float[torch.Tensor, "pairs bins"], Scalar]:
    """Mean partials and mean density of an ensemble.

    The partials are averaged as pair densities, ⟨ρ g⟩/⟨ρ⟩, so that 4π r ⟨ρ⟩ (g - 1) of the result
    is exactly the mean of the frames' 4π r ρ (g - 1), as in a diffraction experiment.

    Args:
        frames: partials of each frame.
        densities: number density of each frame, Å^-3.
        weights: statistical weights of the frames (need not be normalised); None: equal ones.

    Returns:
        The mean partials, and the mean density in Å^-3.
    """
    if weights is None:
        weights = torch.ones_like(densities)
    share = weights / weights.sum()
    density = share @ densities
    return torch.einsum("f,fpb->pb", share * densities, frames) / density, density


def _one_of_two(reverse: EdgeIndex) -> torch.Tensor:
    """Indices that pick one of the two directions of every pair."""
    return (reverse > torch.arange(len(reverse), device=reverse.device)).nonzero().squeeze(1)


def _table(
    vector: torch.Tensor,
    center: torch.Tensor,
    neighbor: torch.Tensor,
    species: Species,
    cell: Cell,
    grid: PartialGrid,
) -> torch.Tensor:
    """Partials from the vectors of undirected pairs, (pairs, bins)."""
    distance = torch.linalg.vector_norm(vector, dim=1)
    near = (distance.detach() < grid.cutoff).nonzero().squeeze(1)
    if len(near) < len(distance):
        distance, center, neighbor = distance[near], center[near], neighbor[near]
    row = _pair_rows(grid.n_species, species.device)[species[center], species[neighbor]]
    table = spread(
        distance, row, (grid.n_pairs, grid.n_bins), grid.dr, grid.sigma, grid.half_window
    )
    return table * _norm(species, cell, grid)


def _pair_rows(n_species: int, device: torch.device) -> torch.Tensor:
    rows = torch.empty(n_species, n_species, dtype=torch.long)
    for k, (a, b) in enumerate(species_pairs(n_species)):
        rows[a, b] = rows[b, a] = k
    return rows.to(device)


def _norm(species: Species, cell: Cell, grid: PartialGrid) -> torch.Tensor:
    """V/(4π r N_a N_b) times the number of directed pairs per undirected one, (pairs, bins)."""
    counts = torch.bincount(species, minlength=grid.n_species).clamp(min=1).to(cell.dtype)
    first, second = torch.tensor(grid.pairs, device=species.device).unbind(dim=1)
    multiplicity = torch.where(first == second, 2.0, 1.0).to(cell.dtype)
    per_pair = multiplicity / (counts[first] * counts[second])
    r = grid.r(cell.dtype, cell.device)
    return volume(cell) * per_pair[:, None] / (4.0 * math.pi * r)
