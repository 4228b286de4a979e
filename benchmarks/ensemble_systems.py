"""The four systems of `ensembles.py`: each as a potential of the twin and as commands of LAMMPS."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import lennard_jones as lj
import torch
from systems import SYMBOLS, find_prior

from ocvf_lmp.errors import SimulationError
from ocvf_lmp.lammps.cells import write_data
from ocvf_lmp.lammps.model_file import export_model
from ocvf_lmp.md.parameters import NptParameters
from ocvf_lmp.md.rollout import Limits
from ocvf_lmp.potential.weights import load_potential
from ocvf_lmp.system.neighbors import build_neighbors
from ocvf_lmp.system.structure import Structure, perovskite
from ocvf_lmp.units import BAR, KB

FCC = torch.tensor([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]).double()
STIFFNESS = 0.1
"""Of a spring of the harmonic crystal, eV/Å²."""
SPRING_LATTICE = 5.3
"""Lattice constant of the harmonic crystal at which all springs are at rest, Å."""
SPRING_REACH = 1.1 * SPRING_LATTICE
"""Farther no spring may stretch, Å: halfway to the next image of a nearest neighbour."""


@dataclass(frozen=True)
class System:
    """One Hamiltonian in one ensemble, for two programs.

    Attributes:
        name: short name.
        potential: of the twin.
        structure: the start, with the potential's species.
        params: the ensemble; LAMMPS takes all its numbers from here.
        lammps: writes what LAMMPS needs into a folder; returns its commands from the atom style to
            the pair coefficients.
        redraw: steps after which momenta are drawn anew from their distribution; 0: never.
        every: steps between samples.
        equilibration: steps before the first.
        limits: of physical ground.
    """

    name: str
    potential: torch.nn.Module
    structure: Structure
    params: NptParameters
    lammps: Callable[[Path], str]
    redraw: int = 0
    every: int = 10
    equilibration: int = 2000
    limits: Limits = field(default_factory=Limits)

    @property
    def unit_volume(self) -> float:
        """kT/P, Å³."""
        return KB * self.params.temperature / (self.params.pressure * BAR)


class NoInteraction(torch.nn.Module):
    """Atoms that do not feel each other."""

    symbols, cutoff, n_hops = ("Ar",), 0.5, 1

    def atom_energies(self, edges, species, exchange=None):  # noqa: ANN001, ANN201
        """Zero, eV."""
        return edges.vector.sum() * torch.zeros(len(species), dtype=edges.vector.dtype)

    def energy(self, edges, species):  # noqa: ANN001, ANN201
        """Zero, eV."""
        return self.atom_energies(edges, species).sum()


class Springs(torch.nn.Module):
    """½ k (r - r0)² between nearest neighbours of a crystal, which stay bonded wherever they go.

    Attributes:
        bonded: whether two atoms are, (atoms, atoms).
    """

    symbols, cutoff, n_hops = ("Ar",), SPRING_REACH, 1

    def __init__(self, structure: Structure) -> None:
        super().__init__()
        near = build_neighbors(structure.positions, structure.cell, 0.85 * SPRING_LATTICE)
        self.bonded = torch.zeros(structure.n_atoms, structure.n_atoms, dtype=torch.bool)
        self.bonded[near.center, near.neighbor] = True

    def atom_energies(self, edges, species, exchange=None):  # noqa: ANN001, ANN201
        """Energy of each atom, eV."""
        mine = self.bonded[edges.center, edges.neighbor].nonzero().squeeze(1)
        if len(mine) != 12 * len(species):
            raise SimulationError(
                f"expected 12 bonds an atom, found {len(mine) / len(species):.2f}: a spring has"
                " stretched beyond its reach; lower the temperature"
            )
        stretch = edges.vector[mine].square().sum(dim=1).sqrt() - SPRING_LATTICE / 2**0.5
        zero = torch.zeros(len(species), dtype=stretch.dtype)
        return zero.index_add(0, edges.center[mine], 0.25 * STIFFNESS * stretch.square())

    def energy(self, edges, species):  # noqa: ANN001, ANN201
        """Total energy, eV."""
        return self.atom_energies(edges, species).sum()


def ideal_gas(repeat: int = 2) -> System:
    """4 repeat³ free atoms, isotropic (nothing binds the shape of the cell of a gas).

    Free atoms never exchange energy, and a thermostat sees only their sum: nothing says that the
    chains alone make the motion ergodic. Momenta are therefore drawn anew now and then, in both
    programs, from the distribution that they should have, which leaves the ensemble as it is.
    """
    params = NptParameters(
        temperature=300.0, pressure=5000.0, timestep=4e-3, t_damp=0.04, p_damp=0.08,
        mode="isotropic",
    )  # fmt: skip
    lattice = (4.0 * KB * params.temperature / (params.pressure * BAR)) ** (1 / 3)
    structure = fcc_crystal(lattice, repeat)

    def commands(_: Path) -> str:
        pair = "pair_style zero 0.5 nocoeff\npair_coeff * *\n"
        return fcc_commands(structure, lattice, repeat) + pair

    name = "gas" if repeat == 2 else f"gas{structure.n_atoms}"
    limits = Limits(closest=0.0, volume_ratio=100.0)
    return System(
        name, NoInteraction(), structure, params, commands, redraw=25, every=5,
        equilibration=1000, limits=limits,
    )  # fmt: skip


def harmonic_crystal() -> System:
    """32 atoms on springs at 100 K and 500 bar.

    Its vibrations hardly exchange energy with one another, and a thermostat sees only their sum:
    without fresh momenta the kinetic energy's variance is nearly twice too large after thousands
    of steps, many times for stiffer springs, in both programs. What is tested here is the barostat.
    """
    params = NptParameters(temperature=100.0, pressure=500.0, timestep=0.01, t_damp=0.3, p_damp=0.6)
    structure = fcc_crystal(SPRING_LATTICE, 2)
    half, rest = 0.5 * STIFFNESS, SPRING_LATTICE / 2**0.5

    def commands(_: Path) -> str:
        box = " bond/types 1 extra/bond/per/atom 12 extra/special/per/atom 40"
        return (
            fcc_commands(structure, SPRING_LATTICE, 2, "bond", box)
            + f"pair_style zero {SPRING_REACH} nocoeff\npair_coeff * *\n"
            + f"bond_style harmonic\nbond_coeff 1 {half!r} {rest!r}\n"
            + f"create_bonds many all all 1 0.1 {0.85 * SPRING_LATTICE}\n"
        )

    return System("harmonic", Springs(structure), structure, params, commands, redraw=20)


def lennard_jones_solid(**changes: object) -> System:
    """32 atoms of argon at 40 K and 4 kbar, tapered from 2.1 to 2.5 σ.

    With the shorter taper of `lennard_jones.py` a flexible cell shears into another crystal.

    Args:
        changes: to the parameters of the ensemble.
    """
    given = {"temperature": 40.0, "pressure": 4000.0, "timestep": 0.01, "t_damp": 0.5}
    params = NptParameters(**{**given, "p_damp": 1.0, **changes})  # pyright: ignore
    structure = fcc_crystal(5.15, 2)
    inner, outer = 2.1 * lj.SIGMA, 2.5 * lj.SIGMA

    def commands(_: Path) -> str:
        pair = f"pair_style lj/mdf {inner!r} {outer!r}\npair_coeff 1 1 {lj.EPSILON} {lj.SIGMA}\n"
        return fcc_commands(structure, 5.15, 2) + pair

    return System("lj", lj.LennardJones(1.0, inner, outer), structure, params, commands)


def barium_titanate() -> System:
    """40 atoms of BaTiO3 at 500 K and 1 bar with the shipped prior; LAMMPS evaluates it in float32.

    Far above the transition, where fluctuations are short-lived and a run samples many of them.
    """
    prior = find_prior(None)
    assert prior is not None
    potential: torch.nn.Module = load_potential(prior)[0]
    params = NptParameters(temperature=500.0, pressure=1.0, timestep=2e-3, t_damp=0.1, p_damp=0.5)
    start = perovskite(SYMBOLS, (2, 2, 2), (4.01, 4.01, 4.01), (0.03, 0.04, 0.05))
    symbols: tuple[str, ...] = potential.symbols  # pyright: ignore
    species = torch.tensor([symbols.index(s) for s in SYMBOLS])[start.species]
    structure = Structure(start.positions, start.cell, species, symbols)

    def commands(folder: Path) -> str:
        export_model(folder / "model.pt", potential, precision="float32")
        write_data(folder / "start.data", structure)
        return (
            "atom_style atomic\nread_data start.data\npair_style mliap unified model.pt 0\n"
            f"pair_coeff * * {' '.join(symbols)}\n"
        )

    return System("bto", potential, structure, params, commands)


def fcc_crystal(lattice: float, repeat: int) -> Structure:
    """Argon atoms on an fcc lattice."""
    corners = torch.cartesian_prod(*(torch.arange(repeat).double(),) * 3)
    positions = lattice * (corners[:, None] + FCC).reshape(-1, 3)
    cell = torch.eye(3, dtype=torch.float64) * repeat * lattice
    return Structure(positions, cell, torch.zeros(len(positions), dtype=torch.long), ("Ar",))


def fcc_commands(
    structure: Structure, lattice: float, repeat: int, style: str = "atomic", box: str = ""
) -> str:
    """The same atoms in LAMMPS, in a box that may tilt."""
    return (
        f"atom_style {style}\nlattice fcc {lattice!r}\n"
        f"region box prism 0 {repeat} 0 {repeat} 0 {repeat} 0 0 0\ncreate_box 1 box{box}\n"
        f"create_atoms 1 box\nmass 1 {float(structure.masses[0])!r}\n"
    )


SYSTEMS: dict[str, Callable[[], System]] = {
    "gas": ideal_gas,
    "gas4": lambda: ideal_gas(1),
    "harmonic": harmonic_crystal,
    "lj": lennard_jones_solid,
    "bto": barium_titanate,
}
