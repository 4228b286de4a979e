"""A whole training from a configuration."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from ocvf_lmp import __version__
from ocvf_lmp.build.corrections import build_corrections
from ocvf_lmp.build.engine import build_engine
from ocvf_lmp.build.prior import build_prior
from ocvf_lmp.build.start import Start, read_samples, read_start
from ocvf_lmp.build.states import build_state
from ocvf_lmp.config.file import differing_entries, dump_config, load_config
from ocvf_lmp.config.schema import ExperimentConfig
from ocvf_lmp.errors import InputError
from ocvf_lmp.files import write_text_atomically
from ocvf_lmp.fit.experiment import Experiment
from ocvf_lmp.fit.logbook import Logbook
from ocvf_lmp.fit.plan import StatePoint, TrainingPlan
from ocvf_lmp.fit.team import Alone, Processes, Team
from ocvf_lmp.fit.train import Trainer


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
        LammpsError: LAMMPS is to sample, and there is none.
    """
    plan = _plan(config)
    prior = build_prior(config.prior)
    states = [build_state(config, state, prior.symbols) for state in config.states]
    corrections = build_corrections(config, prior.symbols, states)
    start = _start(config, corrections, states, plan)
    engine = build_engine(config, prior)
    provenance = {
        "ocvf_lmp": __version__,
        "torch": torch.__version__,
        "configuration": config.for_the_record(),
        "prior": prior.provenance,
        "start": {"made_for_prior": start.prior} if config.training.start else None,
        "temperatures": [s.params.temperature for s in states if not s.held_out],
        "synthetic_targets": any(
            getattr(t.target, "synthetic", False) for s in states for t in s.targets
        ),
    }
    shared = config.training.correction == "shared"
    logbook = Logbook(folder, provenance, shared, writes)
    experiment = Experiment(
        prior.potential, corrections, states, plan, logbook, engine, start.weights, start.samples
    )
    if writes:
        _claim_folder(config, folder)
    return Trainer(experiment)


def _start(
    config: ExperimentConfig,
    corrections: Mapping[str, nn.Module],
    states: Sequence[StatePoint],
    plan: TrainingPlan,
) -> Start:
    training = config.training
    pairs = zip(config.states, states, strict=True)
    wanted = {p.name: training.start_temperature or s.start_temperature for s, p in pairs}
    chosen = {name: temperature for name, temperature in wanted.items() if temperature}
    if training.start is None:
        beside = "start_samples" if training.start_samples else ""
        if chosen:
            beside = f"start_temperature ({next(iter(chosen.values())):g} K)"
        if beside:
            raise InputError(
                f"expected a file to start from beside {beside}, found none; name one by"
                " training.start or --start, or leave this option away"
            )
        return Start({}, "")
    found = read_start(training.start, corrections, states, chosen)
    if training.start_samples:
        return replace(found, samples=read_samples(training.start, states, plan.replicas))
    return found


def thread_count(config: ExperimentConfig) -> int:
    """Threads of torch: one unless the configuration asks for more.

    The operations on a cell of the twin's size are too small to share, and threads that wait for
    each other slow a machine with other work on it down by an order of magnitude.
    """
    return config.threads or 1


@contextmanager
def build_team(config: ExperimentConfig, trainer: Trainer) -> Iterator[Team]:
    """Who works on the runs, until the block is left: several processes where cores allow."""
    cores = len(os.sched_getaffinity(0))
    workers = min(config.workers or cores, sum(len(site.runs) for site in trainer.sites))
    if workers == 1:
        yield Alone()
        return
    with Processes(workers, thread_count(config), trainer.experiment) as team:
        yield team


def _plan(config: ExperimentConfig) -> TrainingPlan:
    options = config.training.model_dump()
    for name in (
        "correction",
        "start",
        "start_temperature",
        "start_samples",
    ):  # what is trained, not how
        del options[name]
    return TrainingPlan(**options, seed=config.seed)


def _claim_folder(config: ExperimentConfig, folder: Path) -> None:
    """Writes the configuration, or checks that the folder's is the same (to resume).

    The number of epochs may be another one: that is how a training goes on.
    """
    path = folder / "config.yaml"
    if path.is_file() and (how := _how_it_differs(path, config)):
        raise InputError(
            f"expected the run folder {folder} to be new or of the same configuration (the number"
            f" of epochs aside), found another one in {path} ({how}); name a new folder with"
            " --run, or start anew with --fresh"
        )
    write_text_atomically(path, dump_config(config))


def _how_it_differs(path: Path, config: ExperimentConfig) -> str:
    """In words; empty if it is the same, entries that the file's version did not know aside."""
    try:
        there = load_config(path)
    except InputError:
        return "not one of this version"
    differ = sorted(differing_entries(there, config) - {"training.epochs"})
    if not differ:
        return ""
    return f"differing in {', '.join(differ[:3])}" + (" and more" if len(differ) > 3 else "")
