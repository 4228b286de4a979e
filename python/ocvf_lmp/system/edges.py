"""Directed pairs of atoms: all that a potential sees of a configuration."""

from dataclasses import dataclass

from ocvf_lmp.arrays import EdgeIndex, EdgeVectors


@dataclass(frozen=True, slots=True)
class Edges:
    """Directed pairs (centre i, neighbour j), each pair in both directions.

    Attributes:
        center: index i of the atom at the centre, (edges,).
        neighbor: index j of the neighbour, (edges,).
        vector: r_j - r_i through the right periodic image, Å, (edges, 3); carries gradients.
        reverse: index of the edge (j, i) with the opposite vector, (edges,); None where the host
            (LAMMPS) does not list the edges of ghost atoms.
    """

    center: EdgeIndex
    neighbor: EdgeIndex
    vector: EdgeVectors
    reverse: EdgeIndex | None = None
