"""``ocvf-lmp train``: the correction of a prior by experiments."""

import argparse
import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch

from ocvf_lmp.allocator import keep_memory
from ocvf_lmp.analysis.identifiability import UNASKED, shifts
from ocvf_lmp.analysis.runfolder import read_run
from ocvf_lmp.build.runs import RUNS
from ocvf_lmp.build.trainer import build_team, build_trainer, thread_count
from ocvf_lmp.commands.console import TrainingView, console, table
from ocvf_lmp.config.file import load_config
from ocvf_lmp.config.priors import CalculatorPriorConfig, ChgnetPriorConfig, LammpsPriorConfig
from ocvf_lmp.config.schema import ExperimentConfig
from ocvf_lmp.errors import OcvfError
from ocvf_lmp.fit.logbook import forget_run
from ocvf_lmp.fit.ranks import Ranks
from ocvf_lmp.fit.train import Trainer
from ocvf_lmp.lock import alone_in
from ocvf_lmp.mpi import abort, communicator

DELTA_ONLY = (LammpsPriorConfig, ChgnetPriorConfig, CalculatorPriorConfig)
"""Priors that a model file cannot hold."""


def train(options: argparse.Namespace) -> int:
    """Trains, or resumes an interrupted training, and prints what it achieved."""
    config = load_config(options.config, options.quick, _changes(options))
    folder: Path = options.folder or RUNS / (config.name + ("-quick" if options.quick else ""))
    torch.set_num_threads(thread_count(config))
    keep_memory()
    world = communicator()
    if world is None:
        _run(config, folder, options.fresh, None)
    else:
        console.quiet = world.Get_rank() > 0
        ranks = Ranks(world)
        try:
            _run(config, folder, options.fresh, ranks)
        except OcvfError as error:
            if not ranks.failed:  # the other ranks know nothing of it, and would wait for this one
                abort(f"ocvf-lmp train: error: {error}")
            raise
    if not console.quiet:
        improved = _print_gains(folder)
        alone = " --delta-only" if isinstance(config.prior, DELTA_ONLY) else ""
        console.print(f"run folder: {folder}   next: ocvf-lmp export model.pt{alone}")
        if not improved:
            console.print("warning: the loss did not fall at every state; train longer (--epochs)")
    return 0


def _changes(options: argparse.Namespace) -> dict[str, Any]:
    """What the command line says instead of the configuration."""
    training = {
        "epochs": options.epochs or None,
        "start": options.start and options.start.resolve(),
    }
    changes: dict[str, Any] = {"training": {k: v for k, v in training.items() if v is not None}}
    if options.prior:
        changes["prior"] = options.prior.resolve()
    return changes


def _run(config: ExperimentConfig, folder: Path, fresh: bool, ranks: Ranks | None) -> None:
    with ExitStack() as claims:
        _train(config, folder, _begin(config, folder, fresh, ranks, claims), ranks)


def _train(config: ExperimentConfig, folder: Path, trainer: Trainer, ranks: Ranks | None) -> None:
    resumed = f", resuming after epoch {trainer.epoch}" if trainer.epoch else ""
    console.print(
        f"training {config.training.correction} correction of {_prior_name(config)} at"
        f" {', '.join(f'{s.temperature:g} K' for s in config.states if not s.held_out)}"
        f" in {folder}{resumed}"
    )
    if config.training.start:
        known = trainer.logbook.provenance
        same = known["start"]["made_for_prior"] == known["prior"].get("sha256", "")
        other = "" if same else ", made for another prior"
        console.print(f"beginning with the corrections in {config.training.start}{other}")
    with TrainingView(_remaining(config, trainer.epoch)) as view:
        if ranks is not None:
            trainer.run(view, ranks)
            return
        with build_team(config, trainer) as team:
            trainer.run(view, team)


def _prior_name(config: ExperimentConfig) -> str:
    prior = config.prior
    if isinstance(prior, Path):
        return prior.name
    first = next(iter(prior.model_dump().values()))  # mace, chgnet, calculator or lammps
    return Path(str(first).splitlines()[0]).name


def _begin(
    config: ExperimentConfig, folder: Path, fresh: bool, ranks: Ranks | None, claims: ExitStack
) -> Trainer:
    """The trainer; of several ranks, the first alone touches what all share.

    The run folder is this run's until `claims` are given up.
    """

    def claim() -> None:
        claims.enter_context(alone_in(folder))
        if fresh:
            forget_run(folder)

    if ranks is None:
        claim()
        return build_trainer(config, folder)
    first, made = ranks.world.Get_rank() == 0, []
    ranks.together(lambda: claim() if first else None)
    ranks.together(lambda: made.append(build_trainer(config, folder, first)))
    return made[0]


def _remaining(config: ExperimentConfig, epoch: int) -> int:
    plan = config.training
    steps = plan.window * TrainingView.BACKWARD
    if plan.estimator == "reweight":  # at most: frames may serve several epochs
        steps = plan.sampling + plan.relaxation
    windows = (plan.epochs - epoch) * steps
    once = 2 * (plan.equilibration + plan.evaluation) + bool(plan.start) * plan.equilibration
    trained = sum(not state.held_out for state in config.states)
    held_out = len(config.states) - trained
    looks = plan.epochs // plan.validate_every if plan.validate_every else 0
    return plan.replicas * trained * (windows + once) + held_out * (once + looks * plan.validation)


def _print_gains(folder: Path) -> bool:
    """The table of losses before and after; whether every one fell."""
    path = folder / "evaluation.json"
    if not path.is_file():
        raise OcvfError(
            f"expected the evaluation of the finished training in {path}, found no such file;"
            " its potential is whole: export it, or measure by training again with --fresh"
        )
    results = json.loads(path.read_text())
    rows, improved = [], True
    for state, before in results["before"].items():
        after = results["after"][state]
        label = f"{state} (held out)" if after.get("held_out") else state
        for name in before["parts"]:
            old, new = before["parts"][name], after["parts"][name]
            r_w = ("", "")
            if name in before["r_w"]:
                r_w = (f"{before['r_w'][name]:.4f}", f"{after['r_w'][name]:.4f}")
            rows.append((label, name, f"{old:.5g}", f"{new:.5g}", f"{_percent(old, new)}", *r_w))
        old, new = before["loss"], after["loss"]
        improved &= new < old
        rows.append(
            (
                label,
                "total",
                f"{old:.5g} ± {before['loss_error']:.1g}",
                f"{new:.5g} ± {after['loss_error']:.1g}",
                _percent(old, new),
                "",
                "",
            )
        )
    columns = ("state", "target", "loss before", "loss after", "change", "R_w before", "R_w after")
    console.print(table("What the correction achieved", columns, rows))
    for state, after in results["after"].items():
        nats, error = after["relative_entropy"], after["relative_entropy_error"]
        console.print(
            f"{state}: relative entropy of the correction {nats:.3g} ± {error:.2g}"
            f" ({nats / after['cells']:.2g} a unit cell)"
        )
    _print_unasked(folder)
    return improved


def _print_unasked(folder: Path) -> None:
    """What the correction moved most of what its targets do not say."""
    moved = [
        row for row in shifts(read_run(folder)) if not row.constrained and row.errors > UNASKED
    ]
    for row in sorted(moved, key=lambda row: -row.errors)[:3]:
        console.print(
            f"{row.state}: moved, though no target says so: {row.observable} by {row.change:.3g}"
            f" {row.unit} ({row.errors:.0f} standard errors; all in the report)"
        )


def _percent(old: float, new: float) -> str:
    return f"{100.0 * (new / old - 1.0):+.1f} %" if old > 0 else ""
