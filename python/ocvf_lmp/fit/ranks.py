"""Runs of a training shared among the ranks of an MPI run.

Every rank runs the same trainer; a job is done in a rank's own runs alone, and what came of it is
given to all. So every rank makes the same step of the parameters, and the same as one process
would. The first rank alone writes checkpoints.
"""

import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from ocvf_lmp.errors import OcvfError, TrainingError
from ocvf_lmp.fit.experiment import Experiment
from ocvf_lmp.fit.progress import Progress
from ocvf_lmp.fit.team import Task
from ocvf_lmp.fit.work import Job, Outcome

T = TypeVar("T")


class Ranks:
    """See `fit.team.Team`.

    Args:
        world: communicator of mpi4py.

    Attributes:
        failed: whether an error that is being raised here is raised on all ranks.
    """

    def __init__(self, world: Any) -> None:
        self.world, self.failed = world, False

    def together(self, action: Callable[[], T]) -> list[T]:
        """Does something on every rank and gives the results of all; an error is that of all.

        Raises:
            OcvfError: the first error of any rank.
        """
        result: T | None = None
        error: OcvfError | None = None
        try:
            result = action()
        except OcvfError as reason:
            error = reason
        except Exception as reason:
            traceback.print_exc(file=sys.stderr)
            rank = self.world.Get_rank()
            error = TrainingError(
                f"expected no error on any rank, found {type(reason).__name__} on rank {rank}:"
                f" {reason}; what led to it stands in the standard error of that rank"
            )
        results = self.world.allgather((result, error))
        for _, failed in results:
            if failed is not None:
                self.failed = True
                raise failed
        return [found for found, _ in results]

    def each(
        self, job: Job, tasks: Sequence[Task], experiment: Experiment, progress: Progress
    ) -> Iterator[tuple[Task, Outcome]]:
        """Does a job in all runs, each on one rank."""
        rank, size = self.world.Get_rank(), self.world.Get_size()

        def share() -> dict[int, tuple[dict[str, Any], Outcome]]:
            done = {}
            for number in range(rank, len(tasks), size):
                site, run = tasks[number]
                outcome = job(site, run, experiment, progress)
                done[number] = run.as_dict(), outcome
            return done

        found: dict[int, tuple[dict[str, Any], Outcome]] = {}
        for part in self.together(share):
            found |= part
        for number, (site, run) in enumerate(tasks):
            changed, outcome = found[number]
            run.restore(changed)
            yield (site, run), outcome
