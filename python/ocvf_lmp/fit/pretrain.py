"""Bottom-up training of the prior H_o on energies, forces and stresses of reference frames."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ocvf_lmp.errors import InputError, TrainingError
from ocvf_lmp.files import write_atomically
from ocvf_lmp.fit.frames import Frame, collate
from ocvf_lmp.fit.matching import Errors, Tolerances, errors, matching_loss, residuals
from ocvf_lmp.potential.dimenet import DimeNet
from ocvf_lmp.seeding import stream


@dataclass(frozen=True, slots=True)
class Schedule:
    """How the weights are optimised.

    Attributes:
        epochs: passes over the training frames.
        batch_size: frames a step.
        learning_rate: largest learning rate; a cosine takes it to a hundredth at the end.
        warmup: epochs of linear increase at the start.
        averaging: decay a step of the exponential moving average of the weights.
        seed: for the order of the frames.
        dtype: precision of the training; the result is always stored and tested in float64.
    """

    epochs: int = 300
    batch_size: int = 4
    learning_rate: float = 5.0e-3
    warmup: float = 2.0
    averaging: float = 0.995
    seed: int = 1
    dtype: torch.dtype = torch.float32


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """What is logged after each epoch: mean loss and the errors on the validation frames."""

    epoch: int
    loss: float
    learning_rate: float
    validation: Errors
    best: bool


class Pretrainer:
    """Trains a network; every epoch ends in a checkpoint from which `fit` resumes.

    The zero of energy of every source but the first is fitted along, one number a source: the
    least-squares references alone would set the mean energies of all sources equal.

    Args:
        network: initial weights.
        train: training frames.
        validation: frames that choose the best epoch.
        references: energies per atom of each species for each source, eV.
        schedule: optimisation.
        tolerances: balance of the loss.
        checkpoint: file of the checkpoint; an existing one is resumed.

    Raises:
        InputError: no training or validation frames.
    """

    def __init__(
        self,
        network: DimeNet,
        train: Sequence[Frame],
        validation: Sequence[Frame],
        references: dict[str, Tensor],
        schedule: Schedule,
        tolerances: Tolerances,
        checkpoint: Path,
    ) -> None:
        from pytorch_optimizer import SOAP  # noqa: PLC0415 (slow import)

        if not train or not validation:
            raise InputError(
                f"expected training and validation frames, found {len(train)} and"
                f" {len(validation)}; give more data"
            )
        self.network = network.to(schedule.dtype).train()
        self.sources = list(references)
        self.zeros = nn.Parameter(torch.zeros(len(self.sources), dtype=schedule.dtype))
        self.average = self._weights()
        self.best = {k: v.clone() for k, v in self.average.items()}
        self.best_score = math.inf
        self.epoch = 0
        self.train_frames, self.validation = train, validation
        self.references, self.schedule, self.tolerances = references, schedule, tolerances
        self.checkpoint = checkpoint
        self.optimizer = SOAP(
            [*self.network.parameters(), self.zeros],
            lr=schedule.learning_rate,
            betas=(0.95, 0.95),
            weight_decay=0.0,
            precondition_frequency=10,
        )
        self._resume()

    def fit(self, report: Callable[[EpochRecord], None] = lambda record: None) -> DimeNet:
        """Trains to the end of the schedule; the best averaged weights in float64.

        Raises:
            TrainingError: the loss is not a number; the checkpoint of the last good epoch stays.
        """
        while self.epoch < self.schedule.epochs:
            loss, rate = self._one_epoch()
            self.epoch += 1
            scores = self._with_weights(self.average, self._validate)
            score = (
                scores.energy / (1e3 * self.tolerances.energy)
                + scores.forces / (1e3 * self.tolerances.forces)
                + scores.stress / self.tolerances.stress
            )
            better = score < self.best_score
            if better:
                self.best_score = score
                self.best = {k: v.clone() for k, v in self.average.items()}
            record = EpochRecord(self.epoch, loss, rate, scores, better)
            self._save()
            self._log(record)
            report(record)
        self._load(self.best)
        return self.network.to(torch.float64).requires_grad_(False)

    def _one_epoch(self) -> tuple[float, float]:
        order = torch.randperm(
            len(self.train_frames), generator=stream(self.schedule.seed, f"order/{self.epoch}")
        ).tolist()
        size, total, rate = self.schedule.batch_size, 0.0, 0.0
        starts = range(0, len(order), size)
        for start in starts:
            rate = self._learning_rate(self.epoch + start / len(order))
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            frames = [self.train_frames[k] for k in order[start : start + size]]
            batch = collate(frames, self.references, self.schedule.dtype)
            difference = residuals(self.network, batch, create_graph=True)
            difference = replace(difference, energy=difference.energy - self._zeros_of(frames))
            loss = matching_loss(difference, self.tolerances)
            value = float(loss.detach())
            if not math.isfinite(value):
                raise TrainingError(
                    f"expected a finite loss, found {value} in epoch {self.epoch + 1};"
                    f" lower the learning rate and run again: {self.checkpoint} holds the last good"
                    " epoch"
                )
            self.optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), 100.0)
            self.optimizer.step()
            total += value
            decay = self.schedule.averaging
            for key, value in self._weights().items():
                self.average[key].lerp_(value, 1.0 - decay)
        return total / len(starts), rate

    def _learning_rate(self, epoch: float) -> float:
        s = self.schedule
        rise = min(1.0, (epoch + 0.05) / s.warmup) if s.warmup > 0 else 1.0
        fall = 0.5 * (1.0 + math.cos(math.pi * min(1.0, epoch / s.epochs)))
        return s.learning_rate * rise * (0.01 + 0.99 * fall)

    @property
    def fitted_references(self) -> dict[str, Tensor]:
        """References with the fitted zeros, eV per atom of each species, for each source."""
        shifts = [0.0, *self.zeros.detach().double().tolist()[1:]]
        return {
            source: self.references[source] - shift
            for source, shift in zip(self.sources, shifts, strict=True)
        }

    def _zeros_of(self, frames: Sequence[Frame]) -> Tensor:
        mask = torch.ones_like(self.zeros).index_fill(0, torch.tensor([0]), 0.0)
        return (self.zeros * mask)[[self.sources.index(f.source) for f in frames]]

    def _weights(self) -> dict[str, Tensor]:
        weights = self.network.state_dict() | {"zeros": self.zeros.detach()}
        return {k: v.detach().clone() for k, v in weights.items()}

    def _load(self, weights: dict[str, Tensor]) -> None:
        self.network.load_state_dict({k: v for k, v in weights.items() if k != "zeros"})
        with torch.no_grad():
            self.zeros.copy_(weights["zeros"])

    def _validate(self) -> Errors:
        return errors(self.network, self.validation, self.fitted_references, self.schedule.dtype)

    def _with_weights(self, weights: dict[str, Tensor], action: Callable[[], Errors]) -> Errors:
        current = self._weights()
        self._load(weights)
        try:
            return action()
        finally:
            self._load(current)

    def _save(self) -> None:
        content: dict[str, Any] = {
            "epoch": self.epoch,
            "weights": self._weights(),
            "average": self.average,
            "best": self.best,
            "best_score": self.best_score,
            "optimizer": self.optimizer.state_dict(),
        }
        write_atomically(self.checkpoint, lambda partial: torch.save(content, partial))

    def _resume(self) -> None:
        if not self.checkpoint.is_file():
            return
        try:
            content = torch.load(self.checkpoint, weights_only=True)
            self._load(content["weights"])
        except Exception as reason:
            raise TrainingError(
                f"expected a checkpoint of this training in {self.checkpoint}, found: {reason};"
                " delete it to start anew, or restore the options it was made with"
            ) from reason
        self.average, self.best = content["average"], content["best"]
        self.best_score, self.epoch = content["best_score"], content["epoch"]
        self.optimizer.load_state_dict(content["optimizer"])

    def _log(self, record: EpochRecord) -> None:
        line = json.dumps(asdict(record))
        with (self.checkpoint.parent / "metrics.jsonl").open("a") as handle:
            handle.write(line + "\n")


def absorb_references(network: DimeNet, reference: Tensor) -> DimeNet:
    """Adds a source's energies per atom to the network, so that it predicts total energies."""
    with torch.no_grad():
        network.shift.add_(reference.to(network.shift.dtype))
    return network
