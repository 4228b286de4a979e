"""Argon twice: as a calculator of ASE and as the same potential in torch."""

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator
from ase.calculators.lj import LennardJones
from torch import nn

from ocvf_lmp.potential.blocks import DimeNetSize
from ocvf_lmp.potential.dimenet import DimeNet
from ocvf_lmp.seeding import stream

EPSILON, SIGMA, OUTER, INNER = 0.01032, 3.405, 7.5, 6.0
ARGUMENTS = {"epsilon": EPSILON, "sigma": SIGMA, "rc": OUTER, "ro": INNER, "smooth": True}
FACTORY = "ase.calculators.lj:LennardJones"


class Argon(nn.Module):
    """Lennard-Jones times ASE's switching function, from its formula in r²."""

    cutoff, n_hops, symbols = OUTER, 1, ("Ar",)

    def atom_energies(self, edges, species, exchange=None):
        r2 = edges.vector.square().sum(dim=1)
        sixth = (SIGMA**2 / r2) ** 3
        rc, ro = OUTER**2, INNER**2
        taper = (rc - r2) ** 2 * (rc + 2 * r2 - 3 * ro) / (rc - ro) ** 3
        taper = torch.where(r2 < ro, torch.ones_like(r2), taper)
        pair = 2.0 * EPSILON * (sixth * sixth - sixth) * taper
        return torch.zeros(len(species), dtype=r2.dtype).index_add(0, edges.center, pair)

    def energy(self, edges, species):
        return self.atom_energies(edges, species).sum()


def crystal(repeat=2) -> Atoms:
    """Displaced atoms in a tilted cell."""
    atoms = bulk("Ar", "fcc", a=5.3, cubic=True).repeat(repeat)
    atoms.rattle(0.1, seed=1)
    tilt = np.eye(3) + 0.03 * np.random.default_rng(0).normal(size=(3, 3))
    atoms.set_cell(atoms.cell.array @ tilt, scale_atoms=True)
    return atoms


def correction(zero_start=False) -> DimeNet:
    """A small network whose forces are a tenth of those of argon."""
    size = DimeNetSize(cutoff=5.0, n_features=6, n_angular=4, n_radial=4, l_max=2)
    network = DimeNet(("Ar",), size, stream(1, "correction"), zero_start)
    network.scale.fill_(0.5)
    return network


class Counting(LennardJones):
    """Counts how often it computes."""

    calls = 0

    def calculate(self, *args, **kwargs):
        Counting.calls += 1
        super().calculate(*args, **kwargs)


class WithoutStress(Calculator):
    """Says what it has."""

    implemented_properties = ("energy", "forces")


class SilentWithoutStress(LennardJones):
    """Says that it has a stress, and has none."""

    def calculate(self, *args, **kwargs):
        super().calculate(*args, **kwargs)
        del self.results["stress"]


class Failing(LennardJones):
    """Does not converge."""

    def calculate(self, *args, **kwargs):
        raise RuntimeError("no convergence")


class Loud:
    """Leaves a trace when it is made."""

    made = 0

    def __init__(self, **arguments):
        Loud.made += 1


class Smeared(Calculator):
    """Two energies; the forces belong to the free one."""

    implemented_properties = ("energy", "free_energy", "forces", "stress")

    def calculate(self, atoms=None, properties=None, system_changes=None):
        super().calculate(atoms, properties or ["energy"], system_changes or [])
        zero = np.zeros((len(atoms), 3))
        self.results = {"energy": 1.0, "free_energy": 0.5, "forces": zero, "stress": np.zeros(6)}
