"""How the command line draws tables and progress."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from ocvf_lmp.fit.progress import WindowRecord

console = Console(highlight=False, soft_wrap=True)
if not console.is_terminal:
    console.width = 150  # tables of logs are not cut to a terminal that is not there
"""Standard output."""


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A table whose first column is left and whose others are right aligned."""
    drawn = Table(title=title, title_justify="left", header_style="bold")
    for number, column in enumerate(columns):
        drawn.add_column(column, justify="left" if number == 0 else "right", no_wrap=True)
    for row in rows:
        drawn.add_row(*row)
    return drawn


class TrainingView:
    """Progress of a top-down training: a bar for the whole, one for the work at hand.

    Lines go to standard output one a window; the bars are drawn only on a terminal.

    Args:
        total_steps: steps of the twin that remain, forward steps counted once and the steps of
            gradient windows `BACKWARD` times.
    """

    BACKWARD = 5

    def __init__(self, total_steps: int) -> None:
        self.bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self.whole = self.bars.add_task("all steps", total=total_steps)

    def __enter__(self) -> "TrainingView":
        self.bars.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self.bars.stop()

    @contextmanager
    def task(self, name: str, n_steps: int) -> Iterator[Callable[[int], None]]:
        """One piece of work."""
        bar = self.bars.add_task(name, total=n_steps)
        done = 0

        def advance(steps: int) -> None:
            nonlocal done
            done += steps
            self.bars.advance(bar, steps)
            self.bars.advance(self.whole, steps)

        if not console.is_terminal and not name.startswith("epoch"):
            console.print(f"{name}: {n_steps} steps")
        yield advance
        if name.startswith("epoch"):
            self.bars.advance(self.whole, self.BACKWARD * n_steps)
        else:
            self.bars.advance(self.whole, n_steps - done)
        self.bars.remove_task(bar)

    def measured(self, state: str, stage: str, scores: Mapping[str, Any]) -> None:
        """Prints what a measurement gave."""
        a, b, c, *angles = scores["lattice"]
        r_w = "".join(f"  R_w({k}) {v:.3f}" for k, v in scores["r_w"].items())
        console.print(
            f"{state} {stage} training: loss {scores['loss']:.5g} ± {scores['loss_error']:.2g}{r_w}"
            f"  a b c {a:.3f} {b:.3f} {c:.3f} Å  angles"
            f" {' '.join(f'{x:.2f}' for x in angles)}°"
        )

    def window(self, record: WindowRecord) -> None:
        """Prints one line a gradient."""
        verdict = "" if record.updated else f"  REFUSED: {record.reason}"
        a, b, c = record.lattice[:3]
        error = "" if record.grad_error is None else f" ± {record.grad_error:<8.2g}"
        console.print(
            f"epoch {record.epoch:4d}  {record.state:>8}  loss {record.loss:<10.5g}"
            f" |grad| {record.grad_norm:<9.3g}{error} {_reach(record)}"
            f"  a b c {a:.3f} {b:.3f} {c:.3f} Å{verdict}"
        )

    def remark(self, state: str, text: str) -> None:
        """Prints it."""
        console.print(f"note: {state}: {text}")


def _reach(record: WindowRecord) -> str:
    """How far the gradient's estimator can be trusted."""
    if record.effective is not None:
        source = f"{record.window_ps:.2f} ps" if record.window_ps else "frames at hand"
        return f"{source}, {100 * record.effective:.0f} % count"
    usable = "inf" if record.usable_ps >= 1e8 else f"{record.usable_ps:.2f}"
    known = record.cell_relaxation_ps
    memory = "" if known is None else f", the cell relaxes in {known:.2f}"
    return f"window {record.window_ps:.2f} ps of usable {usable}{memory}"
