"""Ghost atoms as centres: for a LAMMPS that cannot exchange rows of ghost atoms.

An atom's energy reaches several cutoffs, so the neighbours of its neighbours are needed, of ghosts
too. ML-IAP lists them on request (third argument of `pair_style`), and completely so only if LAMMPS
keeps ghosts out to that reach (`comm_modify cutoff`). What is missing would not fail: it would give
wrong forces, so it is looked for here.
"""

import torch
from torch import Tensor

from ocvf_lmp.errors import InputError
from ocvf_lmp.lammps.step import Step, choose

TOLERANCE = 1e-9
"""Difference between two sums over the same neighbourhood that is round-off."""


def needed_centers(step: Step, n_hops: int) -> Step:
    """The step without the edges of ghosts too far away to matter for owned atoms."""
    reached = torch.zeros(step.n_total, dtype=torch.bool, device=step.center.device)
    reached[: step.n_local] = True
    for _ in range(n_hops - 1):
        reached[step.neighbor[reached[step.center]]] = True
    return choose(step, reached[step.center].nonzero().squeeze(1))


def owned_centers(step: Step) -> Step:
    """The step without the edges of ghosts, where rows are exchanged instead."""
    owned = step.center < step.n_local
    return step if bool(owned.all()) else choose(step, owned.nonzero().squeeze(1))


def check_listed(step: Step, file: str, reach: float) -> None:
    """Checks that ghosts are centres.

    Args:
        step: all edges of the host.
        file: name of the model file for the message.
        reach: of the model, Å.

    Raises:
        InputError: owned atoms have ghosts as neighbours, but no ghost has neighbours.
    """
    has_ghosts = bool((step.neighbor >= step.n_local).any())
    if has_ghosts and not bool((step.center >= step.n_local).any()):
        raise InputError(
            f"expected the neighbours of ghost atoms, which a model that reaches {reach:g} Å needs"
            " in this LAMMPS (ML-IAP without Kokkos), found none; write\n"
            f"  pair_style mliap unified {file} 1\n{_comm_modify(reach)}"
        )


def fingerprints(step: Step, cutoff: float) -> tuple[Tensor, Tensor]:
    """A number for the neighbourhood of each owned atom, and of each ghost that is a centre.

    Args:
        step: the edges that are needed.
        cutoff: Å.

    Returns:
        Those of owned atoms that are the model's; those of ghosts.
    """
    vector = step.vector if step.chosen is None else step.vector[step.chosen]
    fall = (1.0 - vector.detach().square().sum(dim=1) / cutoff**2).clamp(min=0.0) ** 3
    weight = fall * (1.0 + 0.37 * step.species[step.neighbor])
    start = 10.0 * step.species.to(weight.dtype)
    sums = start.index_add(0, step.center, weight)
    centers = torch.zeros(step.n_total, dtype=torch.bool, device=sums.device)
    centers[step.center] = True
    ghost = centers.clone()
    ghost[: step.n_local] = False
    centers[step.n_local :] = False
    return sums[centers], sums[ghost]


def check_complete(owned: Tensor, ghosts: Tensor, reach: float) -> None:
    """Checks that every ghost that is needed has the neighbourhood of some owned atom.

    Args:
        owned: fingerprints of the owned atoms of all ranks.
        ghosts: fingerprints of this rank's ghosts.
        reach: of the model, Å.

    Raises:
        InputError: a neighbourhood is truncated.
    """
    if len(ghosts) == 0:
        return
    table = torch.sort(owned).values
    if len(table) == 0:
        table = ghosts.new_tensor([float("inf")])
    place = torch.searchsorted(table, ghosts).clamp(max=len(table) - 1)
    nearest = torch.minimum(
        (table[place] - ghosts).abs(), (table[(place - 1).clamp(min=0)] - ghosts).abs()
    )
    strange = int((nearest > TOLERANCE * (1.0 + ghosts.abs())).sum())
    if strange:
        raise InputError(
            f"expected ghost atoms out to the reach of the model, {reach:g} Å, and the skin,"
            f" found {strange} of {len(ghosts)} ghosts with neighbours missing; write\n"
            f"{_comm_modify(reach)}"
        )


def _comm_modify(reach: float) -> str:
    return f"  comm_modify cutoff {reach + 2.0:g}     # {reach:g} Å and the skin, here 2 Å"
