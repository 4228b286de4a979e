"""Files of a training run: metrics, checkpoint, trajectories, potentials."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from ocvf_lmp.errors import TrainingError
from ocvf_lmp.files import forget_partials, write_atomically, write_text_atomically
from ocvf_lmp.fit.plan import StatePoint
from ocvf_lmp.fit.progress import WindowRecord
from ocvf_lmp.md.engine import Frame, OnFrame
from ocvf_lmp.potential.composite import Corrected
from ocvf_lmp.potential.experts import Experts
from ocvf_lmp.potential.weights import save_potential
from ocvf_lmp.system.h5md import H5mdWriter

CHECKPOINT = "checkpoint.pt"
METRICS = "metrics.jsonl"
VALIDATION = "validation.jsonl"

FILES = (
    "config.yaml", CHECKPOINT, METRICS, VALIDATION, "evaluation*", "trajectory_*.h5",
    "replica*.h5", "potential*.pt", "report.html",
)  # fmt: skip
"""What a training writes in its folder."""


def forget_run(folder: Path) -> None:
    """Deletes what a training wrote in a folder, and nothing else that lies there."""
    forget_partials(folder, FILES)
    for pattern in FILES:
        for path in folder.glob(pattern):
            path.unlink()


class Logbook:
    """A run folder.

    Args:
        folder: made if it does not exist.
        provenance: plain JSON, stored with the potentials.
        shared: one potential for all states instead of one file a state.
        writes: whether this process writes what all states share (one process of several does).
    """

    def __init__(
        self, folder: Path, provenance: Mapping[str, Any], shared: bool, writes: bool = True
    ) -> None:
        self.folder, self.provenance, self.shared = folder, dict(provenance), shared
        self.writes = writes
        folder.mkdir(parents=True, exist_ok=True)

    def resume(self) -> dict[str, Any] | None:
        """The last checkpoint, if there is one; what a killed run left after it is dropped.

        Raises:
            TrainingError: the checkpoint cannot be read.
        """
        if self.writes:
            forget_partials(self.folder, FILES)
        path = self.folder / CHECKPOINT
        if not path.is_file():
            return None
        try:
            content = torch.load(path, weights_only=True)
            epoch = content["epoch"]
        except Exception as reason:
            raise TrainingError(
                f"expected a complete checkpoint in {path}, found it unreadable"
                f" ({type(reason).__name__}); delete the run folder to start anew"
            ) from reason
        for name in (METRICS, VALIDATION):
            if self.writes and (self.folder / name).is_file():
                text = "".join(line + "\n" for line in _kept(self.folder / name, epoch))
                write_text_atomically(self.folder / name, text)
        return content

    def save(self, content: Mapping[str, Any]) -> None:
        """Replaces the checkpoint; the old one stays if the new one cannot be written."""
        if self.writes:
            write_atomically(self.folder / CHECKPOINT, lambda p: torch.save(dict(content), p))

    def log(self, records: Sequence[WindowRecord]) -> None:
        """Appends one line a window to the metrics.

        Raises:
            TrainingError: the disk is full, or the folder cannot be written to.
        """
        names = ("a", "b", "c", "alpha", "beta", "gamma")
        if not self.writes:
            return
        try:
            with (self.folder / METRICS).open("a") as handle:
                for record in records:
                    line = asdict(record)
                    line |= dict(zip(names, line.pop("lattice"), strict=True))
                    handle.write(json.dumps(line) + "\n")
        except OSError as reason:
            raise self._full(reason) from reason

    def score(self, stage: str, name: str, scores: Mapping[str, Any]) -> None:
        """Adds a state's scores to ``evaluation.json``; stage is ``before`` or ``after``."""
        if not self.writes:
            return
        path = self.folder / "evaluation.json"
        table = json.loads(path.read_text()) if path.is_file() else {}
        table.setdefault(stage, {})[name] = dict(scores)
        write_text_atomically(path, json.dumps(table, indent=1) + "\n")

    def validated(self, epoch: int, tables: Mapping[str, Mapping[str, Any]], ratio: float) -> None:
        """Adds a look at the states that are held out to ``validation.jsonl``.

        Raises:
            TrainingError: the disk is full, or the folder cannot be written to.
        """
        if not self.writes:
            return
        path = self.folder / VALIDATION
        lines = _kept(path, epoch - 1)  # what an interrupted run has left goes
        lines.append(json.dumps({"epoch": epoch, "ratio": ratio, "states": tables}))
        try:
            write_text_atomically(path, "".join(line + "\n" for line in lines))
        except OSError as reason:
            raise self._full(reason) from reason

    @contextmanager
    def trajectory(self, point: StatePoint, number: int, steps: int) -> Iterator[OnFrame]:
        """Records frames of a state's run in H5MD.

        Args:
            point: the state.
            number: of the run; the first one's file is named after the state alone.
            steps: steps that it has run before; frames after that, left by an interrupted run, are
                replaced.
        """
        name = f"trajectory_{point.name}.h5" if number == 1 else f"replica{number}_{point.name}.h5"
        timestep = point.params.timestep
        try:
            with H5mdWriter(self.folder / name, point.structure, restart_step=steps) as writer:

                def record(frame: Frame) -> None:
                    values = {
                        "temperature": frame.temperature,
                        "pressure": float(frame.pressure.trace()) / 3.0,
                        "potential_energy": frame.energy,
                    }
                    total = steps + frame.step
                    writer.append(total, total * timestep, frame.positions, frame.cell, values)

                yield record
        except OSError as reason:
            raise self._full(reason) from reason

    def write_potentials(self, models: Mapping[str, Corrected], gate: Experts | None) -> None:
        """Writes the trained potentials.

        ``potential.pt`` holds the one for all states, or all experts behind a gate; then each state
        has a file of its own, too.

        Args:
            models: by state.
            gate: the states' corrections with their temperatures; None: they share one, or do not
                differ by temperature alone.
        """
        if not self.writes:
            return
        one = next(iter(models.values()))
        if self.shared:
            save_potential(self.folder / "potential.pt", one, self.provenance)
            return
        for name, model in models.items():
            provenance = self.provenance | {"state": name}
            save_potential(self.folder / f"potential_{name}.pt", model, provenance)
        if gate is not None:
            gated = Corrected(one.prior, gate)
            save_potential(self.folder / "potential.pt", gated, self.provenance)

    def _full(self, reason: OSError) -> TrainingError:
        return TrainingError(
            f"expected to write in {self.folder}, found: {reason}. Free disk space and run the same"
            " command again: it resumes from the last checkpoint, which is intact"
        )


def _kept(path: Path, epoch: int) -> list[str]:
    """Lines of a log up to an epoch."""
    if not path.is_file():
        return []
    return [line for line in path.read_text().splitlines() if _epoch_of(line) <= epoch]


def _epoch_of(line: str) -> float:
    try:
        return json.loads(line)["epoch"]
    except (ValueError, KeyError):  # the last line of a killed run may be cut off
        return float("inf")
