"""What a training begins with: corrections, and samples, of an earlier one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from ocvf_lmp.errors import InputError
from ocvf_lmp.fit.logbook import CHECKPOINT
from ocvf_lmp.fit.plan import StatePoint
from ocvf_lmp.potential.composite import Corrected
from ocvf_lmp.potential.experts import Experts
from ocvf_lmp.potential.weights import load_potential
from ocvf_lmp.system.structure import Structure


@dataclass(frozen=True)
class Start:
    """What corrections and runs begin with.

    Attributes:
        weights: of every trained state's correction.
        prior: sha256 of the prior that they were made for; empty where that is not known.
        samples: what runs begin with instead of the state's sample, by the state's name and the
            run's number.
    """

    weights: dict[str, dict[str, Tensor]]
    prior: str
    samples: Mapping[tuple[str, int], Structure] = field(default_factory=dict)


def read_start(
    path: Path,
    corrections: Mapping[str, nn.Module],
    states: Sequence[StatePoint],
    chosen: Mapping[str, float] = MappingProxyType({}),
) -> Start:
    """Weights for the correction of every trained state.

    Args:
        path: a ``potential.pt`` that a training has written. Of experts behind a gate each state
            takes that of its temperature, or of the one that is chosen for it; a single correction
            serves all states. They may have been made for another prior: they are where a training
            begins, not where it ends.
        corrections: of this training, by the state's name.
        states: of this training.
        chosen: temperatures of experts in the file, K, by the name of the state that begins with
            them.

    Raises:
        InputError: no correction in the file, one of another size, none for a state's
            temperature, or several where all states share one.
        ModelFileError: the file is missing or damaged.
    """
    potential, provenance = read_corrected(path)
    trained = [state for state in states if not state.held_out]
    ours = {id(corrections[state.name]) for state in trained}
    correction = potential.correction
    wanted = {state.name: chosen.get(state.name, state.params.temperature) for state in trained}
    one = wanted.keys() <= chosen.keys() and len(set(wanted.values())) == 1
    if isinstance(correction, Experts) and len(ours) < len(trained) and not one:
        raise InputError(
            f"expected one correction in {path} for a shared one to start from, found experts for"
            f" {_anchors(correction)} K; say by training.start_temperature from which of"
            " them, or set training.correction: separate"
        )
    found = {}
    for state in trained:
        weights = expert_of(correction, wanted[state.name], path).state_dict()
        _compare(weights, corrections[state.name].state_dict(), path)
        found[state.name] = weights
    return Start(found, made_for(provenance))


def read_samples(
    path: Path, states: Sequence[StatePoint], replicas: int
) -> dict[tuple[str, int], Structure]:
    """Where the runs of an earlier training stand, for those of the same states.

    A state or a run that it did not have is left out.

    Args:
        path: the ``potential.pt`` that it has written; its checkpoint lies beside it.
        states: of this training.
        replicas: number of runs of each state.

    Returns:
        Structures by the state's name and the run's number.

    Raises:
        InputError: no checkpoint, one without any of these states, or of another sample.
    """
    checkpoint = path.parent / CHECKPOINT
    try:
        sites = torch.load(checkpoint, weights_only=True)["sites"]
        runs = {name: [run["state"] for run in site["runs"]] for name, site in sites.items()}
    except Exception as reason:
        raise InputError(
            f"expected the checkpoint of the training that wrote {path} in {checkpoint}, to begin"
            f" with its samples, found none that can be read ({type(reason).__name__}); name the"
            " potential.pt in a run folder, or leave training.start_samples away"
        ) from reason
    found = {}
    for state in states:
        for number, run in enumerate(runs.get(state.name, ())[:replicas], start=1):
            if not torch.equal(run["masses"], state.structure.masses):
                raise InputError(
                    f"expected samples of {state.structure.n_atoms} atoms in the order of this"
                    f" training's in {checkpoint}, found {len(run['masses'])} atoms or another"
                    " order; set `sample` to that of the training that wrote it, or leave"
                    " training.start_samples away"
                )
            found[state.name, number] = replace(
                state.structure, positions=run["positions"], cell=run["cell"]
            )
    if not found:
        raise InputError(
            f"expected samples of {', '.join(s.name for s in states)} in {checkpoint}, found those"
            f" of {', '.join(runs)}; leave training.start_samples away"
        )
    return found


def read_corrected(path: Path) -> tuple[Corrected, dict[str, Any]]:
    """What a training has written, and its provenance.

    Raises:
        InputError: another potential.
        ModelFileError: the file is missing or damaged.
    """
    potential, provenance = load_potential(path)
    if not isinstance(potential, Corrected):
        raise InputError(
            f"expected a corrected potential in {path} (potential.pt of a run folder), found a"
            f" {type(potential).__name__}; name another file"
        )
    return potential, provenance


def made_for(provenance: Mapping[str, Any]) -> str:
    """Sha256 of the prior that corrections were made for; empty where that is not known."""
    return (provenance.get("prior") or {}).get("sha256", "")


def expert_of(correction: nn.Module, temperature: float, path: Path) -> nn.Module:
    """The correction for a temperature: that expert, or the only one that there is.

    Args:
        correction: of the file.
        temperature: K.
        path: of the file, for the message.

    Raises:
        InputError: there are experts, but none for this temperature.
    """
    if not isinstance(correction, Experts):
        return correction
    if temperature not in correction.anchors:
        raise InputError(
            f"expected a correction for {temperature:g} K in {path} to start from, found those for"
            f" {_anchors(correction)} K; train at these temperatures, say by"
            " start_temperature which of them a state begins with (in `training`: all), or start"
            " from none"
        )
    return correction.experts[correction.anchors.index(temperature)]


def _anchors(correction: Experts) -> str:
    return ", ".join(f"{t:g}" for t in correction.anchors)


def _compare(theirs: Mapping[str, Tensor], ours: Mapping[str, Tensor], path: Path) -> None:
    shapes = [{name: tuple(w.shape) for name, w in weights.items()} for weights in (theirs, ours)]
    if shapes[0] != shapes[1]:
        differ = sorted(
            name for name in {*shapes[0], *shapes[1]} if shapes[0].get(name) != shapes[1].get(name)
        )
        raise InputError(
            f"expected corrections of this training's size in {path}, found others (they differ in"
            f" {', '.join(differ[:3])}); set the entries of `correction` to those of the training"
            " that wrote it"
        )
