"""``ocvf-lmp pretrain``: the prior from energies, forces and stresses."""

import argparse
from pathlib import Path
from typing import Any

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ocvf_lmp.commands.console import console, table
from ocvf_lmp.errors import DataError
from ocvf_lmp.fit.frames import (
    Frame,
    read_frames,
    reference_energies,
    shortest_distances,
    split_frames,
)
from ocvf_lmp.fit.matching import Errors, Tolerances, errors
from ocvf_lmp.fit.pretrain import EpochRecord, Pretrainer, Schedule, absorb_references
from ocvf_lmp.lock import alone_in
from ocvf_lmp.potential.blocks import DimeNetSize
from ocvf_lmp.potential.composite import Sum
from ocvf_lmp.potential.dimenet import DimeNet
from ocvf_lmp.potential.repulsion import Repulsion
from ocvf_lmp.potential.weights import save_potential
from ocvf_lmp.seeding import stream


def pretrain(options: argparse.Namespace) -> int:
    """Trains a prior, prints and plots its errors, and writes ``potential.pt``."""
    torch.set_num_threads(1)
    with alone_in(options.out):
        return _pretrain(options)


def _pretrain(options: argparse.Namespace) -> int:
    symbols = tuple(options.symbols or _species_of(options.data[0]))
    size = DimeNetSize(cutoff=options.cutoff, n_features=options.features)
    frames = read_frames(options.data, symbols, size.cutoff)
    parts = split_frames(frames, options.seed)
    schedule = Schedule(
        epochs=options.epochs,
        batch_size=options.batch,
        learning_rate=options.learning_rate,
        seed=options.seed,
        dtype=getattr(torch, options.precision),
    )
    trainer = Pretrainer(
        DimeNet(symbols, size, stream(options.seed, "weights")),
        parts[0],
        parts[1],
        reference_energies(parts[0], len(symbols)),
        schedule,
        Tolerances(),
        options.out / "checkpoint.pt",
    )
    network = _fit(trainer, schedule.epochs)
    references = trainer.fitted_references
    scores = _scores(network, parts, references)
    first = next(iter(references))
    absorb_references(network, references[first])
    closest = shortest_distances(parts[0], len(symbols)).clamp(max=size.cutoff)
    provenance = {
        "kind": "prior H_o",
        "data": [path.name for path in options.data],
        "frames": {name: len(p) for name, p in zip(("train", "valid", "test"), parts, strict=True)},
        "seed": options.seed,
        "epochs": schedule.epochs,
        "energy_zero": first,
        "energy_zeros": {k: (v - references[first]).tolist() for k, v in references.items()},
        "errors": scores,
    }
    target = options.out / "potential.pt"
    save_potential(target, Sum([network, Repulsion(symbols, closest)]), provenance)
    shifted = {k: v - references[first] for k, v in references.items()}
    _plot(options.out / "parity.png", network, parts[2], shifted)
    console.print(f"wrote {target} and {options.out / 'parity.png'}")
    return 0


def _species_of(path: Path) -> list[str]:
    from ase.io import read  # noqa: PLC0415 (slow import)

    if not path.is_file():
        raise DataError(f"expected reference data in {path}, found no such file; check the path")
    return list(dict.fromkeys(read(path, index=0).get_chemical_symbols()))  # pyright: ignore


def _fit(trainer: Pretrainer, epochs: int) -> DimeNet:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal
    ) as bars:
        bar = bars.add_task("epochs", total=epochs, completed=trainer.epoch)

        def report(record: EpochRecord) -> None:
            v = record.validation
            mark = " *" if record.best else ""
            console.print(
                f"epoch {record.epoch:4d}  loss {record.loss:<8.4g} validation: {v.energy:.3f}"
                f" meV/atom  {v.forces:.2f} meV/Å  {v.stress:.4f} GPa{mark}"
            )
            bars.advance(bar)

        return trainer.fit(report)


def _scores(
    network: DimeNet,
    parts: tuple[list[Frame], list[Frame], list[Frame]],
    references: dict[str, torch.Tensor],
) -> dict[str, Any]:
    """Errors of every part, whole and by source; printed, and returned as JSON."""
    rows, found = [], {}
    for name, part in zip(("train", "validation", "test"), parts, strict=True):
        sources = list(dict.fromkeys(f.source for f in part))
        for source in ["all", *sources]:
            chosen = [f for f in part if source in ("all", f.source)]
            e: Errors = errors(network, chosen, references)
            rows.append(
                (f"{name}: {source}", str(len(chosen)), f"{e.energy:.3f}", f"{e.forces:.2f}",
                 f"{e.stress:.4f}")
            )  # fmt: skip
            found[f"{name}/{source}"] = {
                "energy_mev_atom": e.energy,
                "force_mev_A": e.forces,
                "stress_gpa": e.stress,
            }
    columns = ("frames", "number", "energy, meV/atom", "force, meV/Å", "stress, GPa")
    console.print(table("Root-mean-square errors in float64", columns, rows))
    return found


def _plot(
    path: Path, network: DimeNet, frames: list[Frame], references: dict[str, torch.Tensor]
) -> None:
    from ocvf_lmp.analysis.parity_plot import parity_plot  # noqa: PLC0415 (matplotlib is slow)
    from ocvf_lmp.fit.matching import predictions  # noqa: PLC0415

    parity_plot(path, predictions(network, frames, references))
