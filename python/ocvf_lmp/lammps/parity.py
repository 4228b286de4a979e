"""Does LAMMPS compute what Python computes? Energies, forces and virial of the same model file."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ocvf_lmp.errors import LammpsError
from ocvf_lmp.lammps.model_file import load_model
from ocvf_lmp.lammps.model_header import ModelHeader
from ocvf_lmp.lammps.run import Lammps, find_lammps, lammps_packages, run_lammps
from ocvf_lmp.md.mechanics import evaluate
from ocvf_lmp.potential.protocol import Potential
from ocvf_lmp.system.cell import volume
from ocvf_lmp.system.neighbors import build_neighbors, edges_from
from ocvf_lmp.system.structure import PEROVSKITE_SITES, Structure
from ocvf_lmp.units import NKTV2P

LIMITS = {"float64": 1e-9, "float32": 1e-4}
"""Relative difference up to which a check is passed, by the precision of the model."""

SKIN = 2.0
FLOOR = 1e-6
"""Values below it (eV, eV/Å) are compared with it: an untrained correction is exactly zero."""

_INPUT = """\
units metal
atom_style atomic
boundary p p p
box tilt large
read_data cell.data
pair_style mliap unified {model} {ghosts}
pair_coeff * * {symbols}
neighbor {skin} bin
{comm_modify}
compute energies all pe/atom
compute virial all pressure NULL virial
thermo_style custom step pe c_virial[1] c_virial[2] c_virial[3] c_virial[4] c_virial[5] c_virial[6]
thermo_modify format float %.17g
dump atoms all custom 1 atoms.dump id fx fy fz c_energies
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
    """

    energy: np.ndarray
    atom_energies: np.ndarray
    forces: np.ndarray
    virial: np.ndarray


@dataclass(frozen=True, slots=True)
class ParityRow:
    """One comparison.

    Attributes:
        cell: the configuration, in words.
        ranks: MPI ranks of LAMMPS.
        quantity: "energy", "energies of atoms", "forces" or "virial".
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
    """Evaluates a model file in Python and in LAMMPS, on tilted and distorted cells.

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
    lammps = find_lammps(lmp, arguments)
    ghosts = needs_ghosts(lammps)
    limit = LIMITS[header.precision]
    rows: list[ParityRow] = []
    version = "?"
    for repeat in ((2, 2, 2), (3, 2, 2)):
        structure = distorted_cell(header.symbols, repeat, seed)
        reference = in_python(potential, structure)  # pyright: ignore[reportArgumentType]
        name = "x".join(map(str, repeat)) + f", {structure.n_atoms} atoms, tilted"
        for n in ranks:
            version, found = in_lammps(Path(path), header, structure, lammps, n, ghosts, timeout)
            rows += _compare(name, n, reference, found, limit)
    return ParityReport(version, lammps.lmp, limit, tuple(rows))


def needs_ghosts(lammps: Lammps) -> bool:
    """Whether this LAMMPS lists the neighbours of ghosts because it cannot exchange their rows.

    That is LAMMPS' own ML-IAP (package PYTHON) without Kokkos.
    """
    kokkos = {"kk", "-kokkos", "-k"} & set(lammps.arguments)
    return not kokkos and "PYTHON" in lammps_packages(lammps)


def distorted_cell(symbols: Sequence[str], repeat: tuple[int, int, int], seed: int) -> Structure:
    """A perovskite supercell, tilted, strained and displaced at random by up to 0.15 Å.

    Args:
        symbols: species; with three, A, B and the anion.
        repeat: unit cells along a, b, c.
        seed: of the displacements.
    """
    generator = torch.Generator().manual_seed(seed)
    corners = torch.cartesian_prod(*(torch.arange(n, dtype=torch.float64) for n in repeat))
    sites = torch.tensor(PEROVSKITE_SITES, dtype=torch.float64)
    fractional = (corners[:, None] + sites[None]).reshape(-1, 3)
    unit = torch.tensor([[3.98, 0.0, 0.0], [0.21, 4.03, 0.0], [-0.17, 0.26, 4.08]])
    unit = unit.to(torch.float64)
    shifts = 0.3 * (torch.rand(fractional.shape, generator=generator, dtype=torch.float64) - 0.5)
    species = torch.tensor([0, 1, 2, 2, 2]).clamp(max=len(symbols) - 1).repeat(len(corners))
    cell = torch.tensor(repeat, dtype=torch.float64)[:, None] * unit
    return Structure(fractional @ unit + shifts, cell, species, tuple(symbols))


def in_python(potential: Potential, structure: Structure) -> Values:
    """Values of the differentiable side."""
    neighbors = build_neighbors(structure.positions, structure.cell, potential.cutoff)
    found = evaluate(
        potential, structure.species, structure.positions, structure.cell, neighbors
    )
    edges = edges_from(neighbors, structure.positions, structure.cell)
    with torch.no_grad():
        energies = potential.atom_energies(edges, structure.species)
    w = found.virial.numpy()
    virial = np.array([w[0, 0], w[1, 1], w[2, 2], w[0, 1], w[0, 2], w[1, 2]])
    return Values(
        np.array([float(found.energy)]), energies.numpy(), found.forces.numpy(), virial
    )


def in_lammps(
    path: Path,
    header: ModelHeader,
    structure: Structure,
    lammps: Lammps,
    ranks: int,
    ghosts: bool,
    timeout: float,
) -> tuple[str, Values]:
    """LAMMPS' version and its values.

    Raises:
        LammpsError: LAMMPS ended with an error, or wrote something unexpected.
    """
    wide = ghosts and header.n_hops > 1
    script = _INPUT.format(
        model=f'"{path.absolute()}"',
        ghosts=int(wide),
        symbols=" ".join(header.symbols),
        skin=SKIN,
        comm_modify=f"comm_modify cutoff {header.reach + SKIN:.10g}" if wide else "",
    )
    with tempfile.TemporaryDirectory(prefix="ocvf-check-") as name:
        folder = Path(name)
        (folder / "in.check").write_text(script)
        write_data(folder / "cell.data", structure)
        finished = run_lammps(lammps, Path("in.check"), folder, ranks, timeout=timeout)
        try:
            lines = (folder / "log.lammps").read_text().splitlines()
            row = next(k for k, line in enumerate(lines) if line.split()[:1] == ["Step"]) + 1
            thermo = np.array([float(word) for word in lines[row].split()])
            atoms = np.loadtxt(folder / "atoms.dump", skiprows=9)
        except (OSError, StopIteration, ValueError, IndexError) as reason:
            raise LammpsError(
                f"expected energies and forces of {lammps.lmp}, found output that cannot be read"
                f" ({reason!r}):\n{finished.text[-1000:]}\nrun LAMMPS by hand to see why"
            ) from reason
    virial = thermo[2:8] * float(volume(structure.cell)) / NKTV2P
    return lines[0], Values(thermo[1:2], atoms[:, 4], atoms[:, 1:4], virial)


def write_data(path: Path, structure: Structure) -> None:
    """A LAMMPS data file (`atom_style atomic`) of a cell that is lower triangular, to all digits."""
    a, b, c = structure.cell.tolist()
    lines = [
        "written by ocvf-lmp\n",
        f"{structure.n_atoms} atoms\n{len(structure.symbols)} atom types\n",
        f"0 {a[0]!r} xlo xhi\n0 {b[1]!r} ylo yhi\n0 {c[2]!r} zlo zhi",
        f"{b[0]!r} {c[0]!r} {c[1]!r} xy xz yz\n\nMasses\n",
    ]
    masses = dict(zip(structure.species.tolist(), structure.masses.tolist(), strict=True))
    lines += [f"{k + 1} {masses.get(k, 1.0)!r}" for k in range(len(structure.symbols))]
    lines.append("\nAtoms # atomic\n")
    for k, (kind, r) in enumerate(
        zip(structure.species.tolist(), structure.positions.tolist(), strict=True), start=1
    ):
        lines.append(f"{k} {kind + 1} {r[0]!r} {r[1]!r} {r[2]!r}")
    path.write_text("\n".join(lines) + "\n")


def _compare(
    cell: str, ranks: int, reference: Values, found: Values, limit: float
) -> list[ParityRow]:
    rows = []
    for quantity, name in (
        ("energy", "energy"),
        ("energies of atoms", "atom_energies"),
        ("forces", "forces"),
        ("virial", "virial"),
    ):
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
