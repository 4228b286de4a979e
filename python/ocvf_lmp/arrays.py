"""Names of array axes used in public signatures (jaxtyping).

``atoms``: all atoms of a configuration; ``edges``: directed pairs; ``bins``: points of a distance
grid; ``pairs``: unordered pairs of species. Cell vectors are rows: ``cell[0]`` is the vector a.
"""

from jaxtyping import Float, Int
from torch import Tensor

Positions = Float[Tensor, "atoms 3"]
"""Cartesian positions, Å."""

Forces = Float[Tensor, "atoms 3"]
"""Forces, eV/Å."""

Cell = Float[Tensor, "3 3"]
"""Cell vectors as rows, Å."""

Matrix3 = Float[Tensor, "3 3"]
"""A 3 × 3 tensor in Cartesian axes."""

Species = Int[Tensor, " atoms"]
"""Index of each atom's species in a tuple of chemical symbols."""

AtomEnergies = Float[Tensor, " atoms"]
"""Energy of each atom, eV."""

EdgeVectors = Float[Tensor, "edges 3"]
"""Vector from the centre to the neighbour of each edge, Å."""

EdgeIndex = Int[Tensor, " edges"]
"""Index of an atom (or of an edge) for each edge."""

Scalar = Float[Tensor, ""]
"""A number held by a tensor, so that it can carry a gradient."""
