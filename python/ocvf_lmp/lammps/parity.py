"""Does LAMMPS compute what Python computes? Energies, forces and virial of the same model file."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ocvf_lmp.errors import LammpsError
from ocvf_lmp.lammps.cells import distorted_cell, write_data
from ocvf_lmp.lammps.gate import VARIABLE
from ocvf_lmp.lammps.model_file import load_model
from ocvf_lmp.lammps.model_header import ModelHeader
from ocvf_lmp.lammps.run import Lammps, find_lammps, lammps_packages, run_lammps
from ocvf_lmp.md.mechanics import evaluate
from ocvf_lmp.potential.experts import experts_of
from ocvf_lmp.potential.fused import torch_alone
from ocvf_lmp.potential.protocol import Potential
from ocvf_lmp.system.cell import volume
from ocvf_lmp.system.neighbors import build_neighbors, edges_from
from ocvf_lmp.system.structure import Structure
from ocvf_lmp.units import NKTV2P

LIMITS = {"float64": 1e-10, "float32": 1e-4}
"""Relative difference up to which a check is passed, by the precision of the model."""

COMPONENTS = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))
"""Of tensors, in LAMMPS' order."""

SKIN = 2.0
FLOOR = 1e-6
"""Values below it (eV, eV/Å) are compared with it: an untrained correction is exactly zero."""

CELLS = (
    ("orthogonal", (2, 2, 2), False),
    ("tilted", (2, 2, 2), True),
    ("tilted", (3, 2, 2), True),
    ("tilted, one unit cell", (1, 1, 1), True),
)
"""In words, unit cells, tilted; in the last an atom is its own neighbour through several images."""

QUANTITIES = {
    "energy": "energy",
    "energies of atoms": "atom_energies",
    "forces": "forces",
    "virial": "virial",
    "virials of atoms": "atom_virials",
}
"""What is compared, with the attribute of `Values`."""

_INPUT = """\
clear
units metal
atom_style atomic
boundary p p p
box tilt large
read_data cell{k}.data
pair_style mliap unified {model} {ghosts}
pair_coeff * * {symbols}
neighbor {skin} bin
{comm_modify}
compute energies all pe/atom
compute virial all pressure NULL virial
compute stresses all stress/atom NULL pair
thermo_style custom step pe c_virial[1] c_virial[2] c_virial[3] c_virial[4] c_virial[5] c_virial[6]
thermo_modify format float %.17g
dump atoms all custom 1 atoms{k}.dump id fx fy fz c_energies c_stresses[*]
dump_modify atoms sort id format float %.17g
run 0
"""


@dataclass(frozen=True, slots=True)
class Values:
    """What is compared.

    Attributes:
        energy: eV, (1,).
        atom_energies: eV, (atoms,).
        forces: eV/Å, (atoms, 3).
        virial: xx, yy, zz, xy, xz, yz, eV, (6,).
        atom_virials: the same of each atom, which has half of every pair's, eV, (atoms, 6).
    """

    energy: np.ndarray
    atom_energies: np.ndarray
    forces: np.ndarray
    virial: np.ndarray
    atom_virials: np.ndarray


@dataclass(frozen=True, slots=True)
class ParityRow:
    """One comparison.

    Attributes:
        cell: the configuration, in words.
        ranks: MPI ranks of LAMMPS.
        quantity: one of `QUANTITIES`.
        magnitude: largest absolute value in Python, eV or eV/Å.
        relative: largest difference, divided by the magnitude.
        passed: whether it is within the limit.
    """

    cell: str
    ranks: int
    quantity: str
    magnitude: float
    relative: float
    passed: bool


@dataclass(frozen=True, slots=True)
class ParityReport:
    """All comparisons of a model file.

    Attributes:
        lammps: first line of LAMMPS' output: its version.
        lmp: the executable.
        limit: largest relative difference that passes.
        rows: the comparisons.
    """

    lammps: str
    lmp: Path
    limit: float
    rows: tuple[ParityRow, ...]

    @property
    def passed(self) -> bool:
        """Whether all comparisons are within the limit."""
        return all(row.passed for row in self.rows)


def check_model(
    path: Path,
    lmp: str | Path | None = None,
    ranks: Sequence[int] = (1, 2),
    arguments: Sequence[str] = (),
    seed: int = 1,
    timeout: float = 600.0,
) -> ParityReport:
    """Evaluates a model file in Python and in LAMMPS, on the distorted cells of `CELLS`.

    Args:
        path: model file.
        lmp: LAMMPS executable; None: that of this Python's environment.
        ranks: numbers of MPI ranks.
        arguments: further arguments of LAMMPS, such as ``-k on t 1 -sf kk``.
        seed: of the displacements.
        timeout: for each run of LAMMPS, s.

    Raises:
        ModelFileError: the model file cannot be used.
        LammpsError: LAMMPS cannot be found or ends with an error.
    """
    potential, header = load_model(path)
    environment = _between_experts(potential)
    lammps = find_lammps(lmp, arguments)
    ghosts = needs_ghosts(lammps)
    limit = LIMITS[header.precision]
    structures = [distorted_cell(header.symbols, n, seed, tilted=t) for _, n, t in CELLS]
    references = [in_python(potential, s) for s in structures]  # pyright: ignore
    rows: list[ParityRow] = []
    version = "?"
    for n in ranks:
        version, found = in_lammps(
            Path(path), header, structures, lammps, n, ghosts, timeout, environment
        )  # fmt: skip
        for (words, *_), expected, actual in zip(CELLS, references, found, strict=True):
            name = f"{len(expected.forces)} atoms, {words}"
            rows += compare(name, n, expected, actual, limit)
    return ParityReport(version, lammps.lmp, limit, tuple(rows))


def _between_experts(potential: nn.Module) -> dict[str, str]:
    """Sets a gate half way between the first two experts, and says so to LAMMPS."""
    experts = experts_of(potential)
    if experts is None or experts.frozen:
        return {}
    experts.set_temperature(sum(experts.anchors[:2]) / len(experts.anchors[:2]))
    return {VARIABLE: f"{experts.temperature!r}"}


def needs_ghosts(lammps: Lammps) -> bool:
    """Whether this LAMMPS lists the neighbours of ghosts because it cannot exchange their rows.

    That is LAMMPS' own ML-IAP (package PYTHON) without Kokkos.
    """
    kokkos = {"kk", "-kokkos", "-k"} & set(lammps.arguments)
    return not kokkos and "PYTHON" in lammps_packages(lammps)


def in_python(potential: Potential, structure: Structure) -> Values:
    """Values of the differentiable side, by torch alone: kernels are among what is checked."""
    x, h, species = structure.positions, structure.cell, structure.species
    neighbors = build_neighbors(x, h, potential.cutoff)
    with torch_alone():
        found = evaluate(potential, species, x, h, neighbors)
        edges = edges_from(neighbors, x, h)
        vectors = edges.vector.requires_grad_(True)
        energies = potential.atom_energies(edges, species)
        (slope,) = torch.autograd.grad(energies.sum(), vectors)
    pairs = torch.stack([-vectors[:, a] * slope[:, b] for a, b in COMPONENTS], dim=1).detach()
    halves = torch.zeros(len(species), len(COMPONENTS), dtype=pairs.dtype)
    halves.index_add_(0, edges.center, 0.5 * pairs).index_add_(0, edges.neighbor, 0.5 * pairs)
    return Values(
        np.array([float(found.energy)]),
        energies.detach().numpy(),
        found.forces.numpy(),
        np.array([float(found.virial[a, b]) for a, b in COMPONENTS]),
        halves.numpy(),
    )


def in_lammps(
    path: Path,
    header: ModelHeader,
    structures: Sequence[Structure],
    lammps: Lammps,
    ranks: int,
    ghosts: bool,
    timeout: float,
    environment: Mapping[str, str] | None = None,
) -> tuple[str, list[Values]]:
    """LAMMPS' version, and its values for each structure; all in one process.

    Raises:
        LammpsError: LAMMPS ended with an error, or wrote something unexpected.
    """
    wide = ghosts and header.n_hops > 1
    words = {
        "model": f'"{Path(path).absolute()}"',
        "ghosts": int(wide),
        "symbols": " ".join(header.symbols),
        "skin": SKIN,
        "comm_modify": f"comm_modify cutoff {header.reach + SKIN:.10g}" if wide else "",
    }
    with tempfile.TemporaryDirectory(prefix="ocvf-check-") as name:
        folder = Path(name)
        script = "".join(_INPUT.format(k=k, **words) for k in range(len(structures)))
        (folder / "in.check").write_text(script)
        for k, structure in enumerate(structures):
            write_data(folder / f"cell{k}.data", structure)
        finished = run_lammps(
            lammps, Path("in.check"), folder, ranks, timeout=timeout,
            environment=environment,
        )  # fmt: skip
        try:
            return _read_values(folder, structures)
        except (OSError, ValueError, IndexError) as reason:
            raise LammpsError(
                f"expected energies and forces of {lammps.lmp}, found output that cannot be read"
                f" ({reason!r}):\n{finished.text[-1000:]}\nrun LAMMPS by hand to see why"
            ) from reason


def _read_values(folder: Path, structures: Sequence[Structure]) -> tuple[str, list[Values]]:
    lines = (folder / "log.lammps").read_text().splitlines()
    headings = [k for k, line in enumerate(lines) if line.split()[:1] == ["Step"]]
    found = []
    for k, structure in enumerate(structures):
        thermo = np.array([float(word) for word in lines[headings[k] + 1].split()])
        atoms = np.loadtxt(folder / f"atoms{k}.dump", skiprows=9)
        virial = thermo[2:8] * float(volume(structure.cell)) / NKTV2P
        stresses = atoms[:, 5:11] / -NKTV2P
        found.append(Values(thermo[1:2], atoms[:, 4], atoms[:, 1:4], virial, stresses))
    return lines[0], found


def compare(
    cell: str, ranks: int, reference: Values, found: Values, limit: float
) -> list[ParityRow]:
    """One row for each quantity.

    Raises:
        LammpsError: another number of atoms.
    """
    rows = []
    for quantity, name in QUANTITIES.items():
        expected, actual = getattr(reference, name), getattr(found, name)
        if expected.shape != actual.shape:
            raise LammpsError(
                f"expected {quantity} of shape {expected.shape} from LAMMPS, found {actual.shape};"
                " it lost atoms or types: run it by hand to see why"
            )
        magnitude = float(np.abs(expected).max())
        relative = float(np.abs(actual - expected).max()) / max(magnitude, FLOOR)
        rows.append(ParityRow(cell, ranks, quantity, magnitude, relative, relative <= limit))
    return rows
