"""States that are held out: watched every few epochs, never trained on, and a reason to stop."""

from collections.abc import Mapping
from typing import Any

from ocvf_lmp.fit.experiment import Experiment


class Validation:
    """Keeps the best parameters by the losses of the states that are held out.

    The states' losses are compared by the mean of their ratios to the first look's, so that one
    large loss does not hide the others.

    Attributes:
        stopped: whether there was no improvement for so long that training should end.
        history: one mean ratio a look, with its epoch.
    """

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
        self.first: dict[str, float] = {}
        self.history: list[tuple[int, float]] = []
        self.best: dict[str, Any] = {}

    @property
    def stopped(self) -> bool:
        """See above."""
        ratios = [ratio for _, ratio in self.history]
        since = len(ratios) - 1 - ratios.index(min(ratios)) if ratios else 0
        return since >= self.experiment.plan.stop_after

    def look(self, epoch: int, tables: Mapping[str, Mapping[str, Any]]) -> None:
        """Takes note of scores, by state, and of the parameters if they are the best so far."""
        losses = {name: float(table["loss"]) for name, table in tables.items()}
        self.first = self.first or losses
        ratios = [loss / max(self.first[name], 1e-300) for name, loss in losses.items()]
        ratio = sum(ratios) / len(ratios)
        if not self.history or ratio < min(known for _, known in self.history):
            self.best = {
                name: {k: v.detach().clone() for k, v in module.state_dict().items()}
                for name, module in self.experiment.trained.items()
            }
        self.history.append((epoch, ratio))
        self.experiment.logbook.validated(epoch, tables, ratio)

    def restore_best(self) -> None:
        """Gives the corrections the best parameters that were seen, if any were looked at."""
        for name, module in self.experiment.trained.items():
            if name in self.best:
                module.load_state_dict(self.best[name])

    def as_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"first": self.first, "history": self.history, "best": self.best}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """The opposite of `as_dict`."""
        self.first, self.best = dict(saved["first"]), dict(saved["best"])
        self.history = [(int(epoch), float(ratio)) for epoch, ratio in saved["history"]]
