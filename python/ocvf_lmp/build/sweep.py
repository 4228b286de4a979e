"""A temperature sweep from its configuration."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from ocvf_lmp import __version__
from ocvf_lmp.build.prior import build_prior
from ocvf_lmp.build.states import build_structure
from ocvf_lmp.config.file import dump_config
from ocvf_lmp.config.sweep import Branch, SweepConfig
from ocvf_lmp.errors import InputError
from ocvf_lmp.files import write_text_atomically
from ocvf_lmp.lammps.dynamics import Host
from ocvf_lmp.lammps.model_header import ModelHeader, read_header
from ocvf_lmp.lammps.run import Lammps
from ocvf_lmp.lammps.sweep import Chain, LegPlan, Sampling, leg_file
from ocvf_lmp.md.parameters import NptParameters
from ocvf_lmp.system.structure import Structure
from ocvf_lmp.system.sweep_file import SweepHeader

CONFIG = "sweep.yaml"
GROWING = ("temperatures", "branches")


@dataclass(frozen=True)
class Sweep:
    """All that is needed to run it.

    Attributes:
        host: LAMMPS with its prior.
        model: what is laid over it, or is the whole; or None.
        chains: series of legs; each may run beside the others.
        sampling: how each leg is run.
        header: what the results say about it.
    """

    host: Host
    model: tuple[Path, ModelHeader] | None
    chains: list[Chain]
    sampling: Sampling
    header: SweepHeader


def build_sweep(config: SweepConfig, lammps: Lammps, ranks: int) -> Sweep:
    """The sweep that a configuration describes.

    Args:
        config: what to run; paths are absolute.
        lammps: how to start LAMMPS.
        ranks: of each run.

    Raises:
        ModelFileError: the model's file is wrong.
        InputError: model and prior do not fit together, or the structure does not fit them.
        LammpsError: this LAMMPS does not start.
    """
    prior = () if config.prior is None else build_prior(config.prior).in_lammps
    recorded = config.for_the_record()
    model, source = None, {"lammps": recorded["lammps"]} if config.lammps else {}
    if config.model is not None:
        header = read_header(config.model)
        _check_whole(config, header)
        model = config.model, header
        source |= _described(config.model, header)
    symbols = config.symbols if model is None else model[1].symbols
    polar = build_structure(config.sample, symbols)
    cubic = build_structure(config.sample.model_copy(update={"off_centering": (0, 0, 0)}), symbols)
    starts: dict[Branch, Structure] = {"heating": polar, "cooling": cubic}
    params = NptParameters(
        pressure=config.pressure,
        timestep=config.timestep,
        t_damp=config.t_damp,
        p_damp=config.p_damp,
    )
    reference = cubic.positions @ torch.linalg.inv(cubic.cell)
    return Sweep(
        Host(lammps, prior, ranks),
        model,
        [c for b in dict.fromkeys(config.branches) for c in _chains(config, b, starts[b])],
        Sampling(params, config.equilibration, config.steps, config.every, config.seed),
        SweepHeader(
            config.name,
            symbols,
            cubic.species.numpy(),
            reference.numpy(),
            config.sample.repeat,
            config.pressure,
            config.timestep,
            source | {"ocvf_lmp": __version__, "settings": recorded},
        ),
    )


def claim_sweep(config: SweepConfig, chains: Sequence[Chain], folder: Path) -> None:
    """Writes the configuration, or checks that the folder's sweep is the same, to go on with it.

    Temperatures and branches may be added: a series goes on beyond its last temperature.

    Args:
        config: what to run.
        chains: its series.
        folder: of the sweep.

    Raises:
        InputError: the folder holds another sweep, or temperatures are to be put between those that
            are there.
    """
    path, text = folder / CONFIG, dump_config(config)
    if config.model is not None:
        text += f"# sha256 of the model: {hashlib.sha256(config.model.read_bytes()).hexdigest()}\n"
    kept = path.read_text() if path.is_file() else text
    if kept != text:
        _check_grown(kept, text, path)
        _check_order(chains, folder)
    write_text_atomically(path, text)


def _check_grown(kept: str, text: str, path: Path) -> None:
    """The settings of before, but for temperatures and branches that are new."""
    before, now = _settings(kept), _settings(text)
    grown = all(set(before.pop(k, ())) <= set(now.pop(k, ())) for k in GROWING)
    same_model = kept.partition("# sha256")[2] == text.partition("# sha256")[2]
    if before != now or not same_model or not grown:
        raise InputError(
            f"expected the folder {path.parent} to be new or of the same sweep (to which"
            " temperatures and branches may be added), found another one, or another model file,"
            f" in {path}; name a new folder with --folder, or delete this one"
        )


def _settings(text: str) -> dict[str, Any]:
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError:
        found = None
    return found if isinstance(found, dict) else {}


def _check_order(chains: Sequence[Chain], folder: Path) -> None:
    """A leg starts where the one before it ended: none can be put before those that are there."""
    for chain in chains:
        there = [leg_file(folder, leg).is_file() for leg in chain.legs]
        if False in there and any(there[there.index(False) :]):
            first = chain.legs[there.index(False)]
            raise InputError(
                f"expected temperatures that come after those of {folder}, found"
                f" {first.temperature:g} K, which {chain.name} would have to reach before some that"
                " are there; name a new folder with --folder"
            )


def _check_whole(config: SweepConfig, header: ModelHeader) -> None:
    if header.delta_only and config.lammps is None:
        raise InputError(
            f"expected a whole model in {config.model}, found a correction alone (--delta-only);"
            " name its prior's pair style or input by --lammps"
        )
    if not header.delta_only and config.lammps is not None:
        raise InputError(
            f"expected a correction alone in {config.model}, to lay it over --lammps, found a model"
            " with its own prior; export it with --delta-only, or leave out --lammps"
        )


def _described(path: Path, header: ModelHeader) -> dict[str, Any]:
    part = header.potential.get("correction", header.potential)
    gated = part.get("type") == "experts" and not part.get("frozen")
    return {
        "model": path.name,
        "kind": header.kind,
        "checksum": header.checksum,
        "precision": header.precision,
        "trained_temperatures": list(header.trained_temperatures),
        "gated": gated,
    }


def _chains(config: SweepConfig, branch: Branch, start: Structure) -> list[Chain]:
    ordered = sorted(config.temperatures, reverse=branch == "cooling")
    legs = [LegPlan(branch, t, k) for k, t in enumerate(ordered)]
    if config.independent:
        return [Chain(leg.name, (leg,), start) for leg in legs]
    return [Chain(branch, tuple(legs), start)]
