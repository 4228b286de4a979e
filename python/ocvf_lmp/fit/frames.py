"""Reference frames (energies, forces, stresses) for the bottom-up training of H_o."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ocvf_lmp.errors import DataError
from ocvf_lmp.seeding import stream
from ocvf_lmp.system.edges import Edges
from ocvf_lmp.system.neighbors import build_neighbors, edges_from
from ocvf_lmp.system.structure import from_ase


@dataclass(frozen=True, slots=True)
class Frame:
    """One reference configuration with its edges.

    Attributes:
        source: name of the file it came from.
        edges: edges within the cutoff.
        species: (atoms,).
        energy: eV, still with the source's own zero.
        forces: eV/Å, (atoms, 3).
        stress: eV/Å³, (3, 3), tension positive (ASE's sign); None where the file has none.
        volume: Å³.
    """

    source: str
    edges: Edges
    species: Tensor
    energy: float
    forces: Tensor
    stress: Tensor | None
    volume: float

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return len(self.species)


@dataclass(frozen=True, slots=True)
class Batch:
    """Several frames as one graph.

    Attributes:
        edges: edges of all frames, atoms numbered through.
        species: (atoms,).
        frame: frame of each atom, (atoms,).
        edge_frame: frame of each edge, (edges,).
        energy: eV, references subtracted, (frames,).
        forces: eV/Å, (atoms, 3).
        stress: eV/Å³, (frames, 3, 3); NaN where unknown.
        volume: Å³, (frames,).
        n_atoms: atoms of each frame, (frames,).
    """

    edges: Edges
    species: Tensor
    frame: Tensor
    edge_frame: Tensor
    energy: Tensor
    forces: Tensor
    stress: Tensor
    volume: Tensor
    n_atoms: Tensor


def read_frames(files: Sequence[Path], symbols: tuple[str, ...], cutoff: float) -> list[Frame]:
    """Frames of extxyz (or any ASE-readable) files; each file is a source of its own.

    Raises:
        DataError: a file is missing or malformed, or a frame has no energy or forces.
    """
    from ase.io import read  # noqa: PLC0415 (slow import)

    frames: list[Frame] = []
    for path in files:
        if not path.is_file():
            raise DataError(
                f"expected reference data in {path}, found no such file; check the path"
            )
        try:
            images = read(path, index=":")
        except Exception as reason:
            raise DataError(
                f"expected frames that ASE can read (extxyz) in {path}, found: {reason};"
                " repair or convert the file"
            ) from reason
        frames += [_frame(atoms, path, k, symbols, cutoff) for k, atoms in enumerate(images)]
    return frames


def split_frames(
    frames: Sequence[Frame], seed: int, fractions: tuple[float, float] = (0.1, 0.1)
) -> tuple[list[Frame], list[Frame], list[Frame]]:
    """Training, validation and test frames: the same fractions of every source, by seed."""
    parts: tuple[list[Frame], list[Frame], list[Frame]] = ([], [], [])
    for source in sorted({f.source for f in frames}):
        mine = [f for f in frames if f.source == source]
        order = torch.randperm(len(mine), generator=stream(seed, f"split/{source}")).tolist()
        n_valid, n_test = (max(1, round(x * len(mine))) for x in fractions)
        bounds = (len(mine) - n_valid - n_test, len(mine) - n_test)
        for rank, index in enumerate(order):
            parts[(rank >= bounds[0]) + (rank >= bounds[1])].append(mine[index])
    return parts


def reference_energies(frames: Sequence[Frame], n_species: int) -> dict[str, Tensor]:
    """Energies per atom of each species, eV, for each source, by least squares on composition.

    Where compositions do not tell species apart (all frames BaTiO3), the least-norm solution is
    taken: only the sum over a formula unit then has a meaning. Codes and pseudopotentials differ
    in their zero, so each source has its own reference (in the order of the frames).
    """
    references = {}
    for source in dict.fromkeys(f.source for f in frames):
        mine = [f for f in frames if f.source == source]
        counts = np.array([np.bincount(f.species.numpy(), minlength=n_species) for f in mine])
        energies = np.array([f.energy for f in mine])
        solution = np.linalg.lstsq(counts.astype(float), energies, rcond=None)[0]
        references[source] = torch.from_numpy(solution)
    return references


def collate(frames: Sequence[Frame], references: dict[str, Tensor], dtype: torch.dtype) -> Batch:
    """One graph of several frames, in the precision of the training."""
    start = np.cumsum([0] + [f.n_atoms for f in frames])
    edge_start = np.cumsum([0] + [len(f.edges.center) for f in frames])
    pieces = [
        (f.edges.center + int(a), f.edges.neighbor + int(a), f.edges.reverse + int(e))
        for f, a, e in zip(frames, start[:-1], edge_start[:-1], strict=True)
        if f.edges.reverse is not None
    ]
    center, neighbor, reverse = (torch.cat(x) for x in zip(*pieces, strict=True))
    unknown = torch.full((3, 3), torch.nan, dtype=torch.float64)
    energy = [f.energy - float(references[f.source][f.species].sum()) for f in frames]
    atoms = torch.tensor([f.n_atoms for f in frames])
    edge_counts = torch.tensor([len(f.edges.center) for f in frames])
    numbers = torch.arange(len(frames))
    return Batch(
        Edges(center, neighbor, torch.cat([f.edges.vector for f in frames]).to(dtype), reverse),
        torch.cat([f.species for f in frames]),
        numbers.repeat_interleave(atoms),
        numbers.repeat_interleave(edge_counts),
        torch.tensor(energy, dtype=dtype),
        torch.cat([f.forces for f in frames]).to(dtype),
        torch.stack([unknown if f.stress is None else f.stress for f in frames]).to(dtype),
        torch.tensor([f.volume for f in frames], dtype=dtype),
        atoms,
    )


def shortest_distances(frames: Sequence[Frame], n_species: int) -> Tensor:
    """Shortest distance between each pair of species over all frames, Å, (species, species)."""
    shortest = torch.full((n_species, n_species), torch.inf, dtype=torch.float64)
    for f in frames:
        pair = f.species[f.edges.center] * n_species + f.species[f.edges.neighbor]
        distance = torch.linalg.vector_norm(f.edges.vector, dim=1)
        shortest.view(-1).scatter_reduce_(0, pair, distance, "amin")
    return shortest


def _frame(atoms, path: Path, number: int, symbols: tuple[str, ...], cutoff: float) -> Frame:  # noqa: ANN001 (ase.Atoms, imported late)
    try:
        energy, forces = atoms.get_potential_energy(), atoms.get_forces()
    except Exception as reason:
        raise DataError(
            f"expected energy and forces in every frame of {path}, frame {number} has none;"
            " write them into the extxyz file (energy=..., a forces column)"
        ) from reason
    if not (np.isfinite(energy) and np.isfinite(forces).all()):
        raise DataError(
            f"expected finite energies and forces in {path}, frame {number} has NaN or infinite"
            " values; remove the frame"
        )
    structure = from_ase(atoms, symbols)
    neighbors = build_neighbors(structure.positions, structure.cell, cutoff)
    stress = None
    if "stress" in atoms.calc.results:
        stress = torch.from_numpy(np.array(atoms.get_stress(voigt=False)))
    return Frame(
        path.stem,
        edges_from(neighbors, structure.positions, structure.cell),
        structure.species,
        float(energy),
        torch.from_numpy(np.array(forces)),
        stress,
        float(atoms.get_volume()),
    )
