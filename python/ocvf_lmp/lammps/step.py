"""One time step as tensors, whichever LAMMPS it comes from.

ML-IAP's data object exists in three forms that differ in detail: that of our plugin, that of
LAMMPS built with ML-IAP and PYTHON, and that of the same with Kokkos (on CPU or GPU).
"""

import sys
from dataclasses import dataclass
from enum import Enum
from typing import Any

import torch
from torch import Tensor

from ocvf_lmp.lammps.host_data import PluginData


class Host(Enum):
    """Who calls the model."""

    PLUGIN = "the ocvf plugin"
    PLAIN = "ML-IAP of LAMMPS"
    KOKKOS = "ML-IAP of LAMMPS with Kokkos"


def identify(data: Any) -> Host:
    """The host of a data object; only Kokkos and the plugin exchange rows of ghost atoms."""
    if isinstance(data, PluginData):
        return Host.PLUGIN
    return Host.KOKKOS if hasattr(data, "forward_exchange") else Host.PLAIN


def likely_device(host: Host) -> torch.device:
    """Where a host's arrays are, as far as can be said before any is seen.

    A rank without atoms has none, and has to exchange rows as the others do. Kokkos on a GPU hands
    its arrays over by CuPy; on a CPU, where CuPy happens to be loaded too, this guess is wrong.
    """
    on_gpu = host is Host.KOKKOS and "cupy" in sys.modules and torch.cuda.is_available()
    return torch.device("cuda", torch.cuda.current_device()) if on_gpu else torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Step:
    """What the model needs of a time step.

    Attributes:
        n_local: owned atoms, which come first in all arrays of atoms.
        n_total: owned and ghost atoms.
        vector: x_j - x_i of *all* pairs, Å, (pairs, 3); shares LAMMPS' memory where it can.
        center: atom i of the pairs that count, (edges,).
        neighbor: atom j of the pairs that count, (edges,).
        chosen: which pairs count, (edges,); None: all of them.
        species: element of each atom, (atoms,); 0 where it is not the model's.
        listed: atoms whose energy is wanted, (listed,).
        known: whether the listed atoms are the model's, (listed,); None: all of them.
    """

    n_local: int
    n_total: int
    vector: Tensor
    center: Tensor
    neighbor: Tensor
    chosen: Tensor | None
    species: Tensor
    listed: Tensor
    known: Tensor | None


def read_step(data: Any, device: torch.device) -> Step:
    """The step of a data object; pairs of atoms that are not the model's (NULL) are left out.

    Args:
        data: the data object.
        device: of a step without any atom; others are where the host's arrays are.
    """
    n_local, n_total = int(data.nlocal), int(data.ntotal)
    n_listed, n_pairs = int(data.nlistatoms), int(data.npairs)
    species = _tensor(data, "elems", n_total, device).long()
    device = species.device
    vector = _tensor(data, "rij", n_pairs, device).reshape(n_pairs, 3)
    center = _tensor(data, "pair_i", n_pairs, device).long()
    neighbor = _tensor(data, "pair_j", n_pairs, device).long()
    listed = _tensor(data, "iatoms", n_listed, device).long()
    chosen = known = None
    if n_total and int(species.min()) < 0:
        chosen = ((species[center] >= 0) & (species[neighbor] >= 0)).nonzero().squeeze(1)
        known = species[listed] >= 0
        species = species.clamp(min=0)
    step = Step(n_local, n_total, vector, center, neighbor, None, species, listed, known)
    return step if chosen is None else choose(step, chosen)


def choose(step: Step, chosen: Tensor) -> Step:
    """The step with some of its edges only, given by their places among the present ones."""
    return Step(
        step.n_local,
        step.n_total,
        step.vector,
        step.center[chosen],
        step.neighbor[chosen],
        chosen if step.chosen is None else step.chosen[chosen],
        step.species,
        step.listed,
        step.known,
    )


def write_results(data: Any, host: Host, energies: Tensor, slope: Tensor) -> None:
    """Hands energies and forces to LAMMPS.

    Args:
        data: the data object.
        host: its kind.
        energies: of the listed atoms, eV, (listed,), float64.
        slope: dE/d(vector) of all pairs, eV/Å, (pairs, 3), float64.
    """
    data.energy = float(energies.sum())  # never left alone: ML-IAP does not set it to zero
    if len(energies):
        if host is Host.KOKKOS:
            torch.as_tensor(data.eatoms)[: len(energies)].copy_(energies)
        else:
            data.eatoms = energies.numpy()
    if len(slope):
        slope = slope.contiguous()
        data.update_pair_forces(slope if slope.is_cuda else slope.numpy())


def _tensor(data: Any, name: str, length: int, device: torch.device) -> Tensor:
    """An array of the host; without pairs or atoms some hosts offer none."""
    if length == 0:
        return torch.zeros(0, dtype=torch.float64 if name == "rij" else torch.int32, device=device)
    return torch.as_tensor(getattr(data, name)[:length])
