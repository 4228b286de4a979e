"""From a configuration to objects: the only place that knows both."""

import hashlib
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import torch
from torch import nn

from ocvf_lmp import __version__
from ocvf_lmp.config import (
    ExperimentConfig,
    LatticeTargetConfig,
    PdfTargetConfig,
    StateConfig,
    dump_config,
)
from ocvf_lmp.errors import DataError, InputError
from ocvf_lmp.files import write_text_atomically
from ocvf_lmp.fit.load_targets import load_pdf_target
from ocvf_lmp.fit.logbook import Logbook
from ocvf_lmp.fit.objective import NamedTarget
from ocvf_lmp.fit.plan import StatePoint, TrainingPlan
from ocvf_lmp.fit.targets import LatticeTarget
from ocvf_lmp.fit.team import Alone, Processes, Team
from ocvf_lmp.fit.train import Trainer
from ocvf_lmp.md.parameters import NptParameters
from ocvf_lmp.potential.blocks import DimeNetSize
from ocvf_lmp.potential.dimenet import DimeNet
from ocvf_lmp.potential.weights import load_potential
from ocvf_lmp.seeding import stream
from ocvf_lmp.system.cell import heights
from ocvf_lmp.system.structure import Structure, from_ase, perovskite

logger = logging.getLogger(__name__)

IMAGE_MARGIN = 0.75
"""Å; how far below the cell's height PDFs are still compared."""


def build_trainer(config: ExperimentConfig, folder: Path, writes: bool = True) -> Trainer:
    """Everything that a training needs, with the resolved configuration in the run folder.

    Args:
        config: what to train.
        folder: of the run.
        writes: whether this process writes what all processes of the run share.

    Raises:
        InputError: the run folder belongs to another configuration, or the configuration asks for
            the impossible.
        DataError: a target's file is wrong.
        ModelFileError: the prior's file is wrong.
    """
    prior, prior_provenance = load_potential(config.prior)
    structure = _structure(config, prior.symbols)  # pyright: ignore
    states = [_state_point(config, state, structure) for state in config.states]
    corrections = _corrections(config, prior, [s.name for s in states])
    if writes:
        _claim_folder(config, folder)
    provenance = {
        "ocvf_lmp": __version__,
        "torch": torch.__version__,
        "configuration": json.loads(config.model_dump_json()),
        "prior_sha256": hashlib.sha256(config.prior.read_bytes()).hexdigest(),
        "prior": prior_provenance,
        "temperatures": [s.params.temperature for s in states],
        "synthetic_targets": any(
            getattr(t.target, "synthetic", False) for s in states for t in s.targets
        ),
    }
    shared = config.training.correction == "shared"
    logbook = Logbook(folder, provenance, shared, writes)
    return Trainer(prior, corrections, states, _plan(config), logbook)


def thread_count(config: ExperimentConfig) -> int:
    """Threads of torch: one unless the configuration asks for more.

    The operations on a cell of the twin's size are too small to share, and threads that wait for
    each other slow a machine with other work on it down by an order of magnitude.
    """
    return config.threads or 1


@contextmanager
def build_team(config: ExperimentConfig, trainer: Trainer) -> Iterator[Team]:
    """Who works on the states, until the block is left: several processes where cores allow."""
    cores = len(os.sched_getaffinity(0))
    workers = min(config.workers or cores, len(trainer.states))
    if workers == 1:
        yield Alone()
        return
    with Processes(
        workers, thread_count(config), trainer.prior, trainer.corrections, trainer.states,
        trainer.plan, trainer.logbook,
    ) as team:  # fmt: skip
        yield team


def _plan(config: ExperimentConfig) -> TrainingPlan:
    options = config.training.model_dump()
    del options["correction"]  # decides which networks there are: `_corrections`
    return TrainingPlan(**options, seed=config.seed)


def _structure(config: ExperimentConfig, symbols: tuple[str, ...]) -> Structure:
    sample = config.sample
    if sample.structure is None:
        made = perovskite(sample.symbols, sample.repeat, sample.lattice, sample.off_centering)
        return from_ase(made.to_ase(), symbols)
    from ase.io import read  # noqa: PLC0415 (slow import)

    try:
        atoms = read(sample.structure)
    except Exception as reason:
        raise DataError(
            f"expected a structure that ASE can read in {sample.structure}, found: {reason};"
            " check sample.structure"
        ) from reason
    return from_ase(atoms, symbols)  # pyright: ignore


def _state_point(config: ExperimentConfig, state: StateConfig, structure: Structure) -> StatePoint:
    name = f"{state.temperature:g}K"
    if state.pressure != 1.0:
        name += f"_{state.pressure:g}bar"
    targets = [_target(state, k, t, structure) for k, t in enumerate(state.targets)]
    params = NptParameters(
        temperature=state.temperature,
        pressure=state.pressure,
        **config.dynamics.model_dump(),
    )
    return StatePoint(name, structure, config.sample.repeat, params, targets, state.weight)


def _target(
    state: StateConfig,
    number: int,
    entry: PdfTargetConfig | LatticeTargetConfig,
    structure: Structure,
) -> NamedTarget:
    if isinstance(entry, LatticeTargetConfig):
        target = LatticeTarget(
            state.temperature,
            state.pressure,
            entry.lattice,
            entry.angles,
            entry.length_error,
            entry.angle_error,
            weight=entry.weight,
            source=entry.source,
        )
        return NamedTarget(f"lattice{number}" if number else "lattice", target)
    composition = {
        s: float((structure.species == k).sum()) for k, s in enumerate(structure.symbols)
    }
    options = entry.model_dump(exclude={"pdf"})
    options["r_range"] = _visible_range(entry.r_range, structure)
    found = load_pdf_target(
        entry.pdf,
        temperature=state.temperature,
        pressure=state.pressure,
        composition=composition,
        **options,
    )
    return NamedTarget(entry.pdf.stem, found)


def _visible_range(wanted: tuple[float, float], structure: Structure) -> tuple[float, float]:
    """The part of a range of distances that a periodic sample can show.

    An atom and its own image keep one distance, without thermal motion between them: at the
    shortest height of the cell a simulated PDF has sharp peaks that no experiment has.
    """
    limit = float(heights(structure.cell).min()) - IMAGE_MARGIN
    if wanted[1] <= limit:
        return wanted
    if limit <= wanted[0] + 1.0:
        raise InputError(
            f"expected a sample wider than {wanted[0] + 1.0 + IMAGE_MARGIN:.1f} Å to compare PDFs"
            f" from {wanted[0]:g} Å on, found {limit + IMAGE_MARGIN:.1f} Å; raise sample.repeat"
        )
    _note_range(round(limit, 2), wanted[1])
    return (wanted[0], limit)


@cache
def _note_range(limit: float, wanted: float) -> None:
    """Said once, however many targets it concerns."""
    logger.warning(
        "PDFs are compared up to %.2f Å instead of %g Å: beyond, atoms meet their own images in"
        " this sample (raise sample.repeat to see more)",
        limit,
        wanted,
    )


def _corrections(
    config: ExperimentConfig, prior: nn.Module, names: list[str]
) -> dict[str, nn.Module]:
    options = config.correction.model_dump()
    scale = options.pop("scale")

    def make(name: str) -> DimeNet:
        generator = stream(config.seed, f"correction/{name}")
        network = DimeNet(
            prior.symbols,  # pyright: ignore
            DimeNetSize(**options),
            generator,
            zero_start=True,
        )
        network.scale.fill_(scale)
        return network

    if config.training.correction == "separate":
        return {name: make(name) for name in names}
    one = make("shared")
    return dict.fromkeys(names, one)


def _claim_folder(config: ExperimentConfig, folder: Path) -> None:
    """Writes the configuration, or checks that the folder's is the same (to resume)."""
    path, text = folder / "config.yaml", dump_config(config)
    if path.is_file() and path.read_text() != text:
        raise InputError(
            f"expected the run folder {folder} to be new or of the same configuration, found"
            f" another one in {path}; name a new folder with --run, or start anew with --fresh"
        )
    write_text_atomically(path, text)


def newest_run(root: Path) -> Path:
    """The run folder under `root` that was written to last.

    Raises:
        InputError: there is none.
    """
    runs = [p.parent for p in root.glob("*/config.yaml")]
    if not runs:
        raise InputError(
            f"expected a training run under {root}, found none; run `ocvf-lmp train` first, or name"
            " the folder with --run"
        )
    return max(runs, key=lambda p: max(f.stat().st_mtime for f in p.iterdir()))


def trained_potential(run: Path, temperature: float | None) -> tuple[Path, float | None]:
    """The file of the potential that a run made.

    Args:
        run: run folder.
        temperature: K; chooses where there are several and no gate between them: by default the
            one nearest to 300 K.

    Returns:
        The file, and the temperature that its correction belongs to (None: to all).

    Raises:
        InputError: the training is not finished, or has no such temperature.
    """
    whole = run / "potential.pt"
    if whole.is_file():
        return whole, None
    several = {
        float(p.stem.removeprefix("potential_").split("K")[0]): p
        for p in run.glob("potential_*K*.pt")
    }
    if not several:
        raise InputError(
            f"expected a finished training in {run}, found no potential there; run `ocvf-lmp train`"
            " to its end (it resumes)"
        )
    if temperature is None:
        temperature = min(several, key=lambda t: abs(t - 300.0))
    if temperature not in several:
        known = ", ".join(f"{t:g}" for t in sorted(several))
        raise InputError(
            f"expected one of the trained temperatures ({known} K), found {temperature:g} K;"
            " choose one of them"
        )
    return several[temperature], temperature
