"""States of a training shared among the ranks of an MPI run.

Every rank runs the same trainer; a job is done at a rank's own sites alone, and what came of it is
given to all. So every rank makes the same step of the parameters, and the same as one process
would. The first rank alone writes checkpoints.
"""

import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from ocvf_lmp.errors import OcvfError, TrainingError
from ocvf_lmp.fit.logbook import Logbook
from ocvf_lmp.fit.plan import TrainingPlan
from ocvf_lmp.fit.progress import Progress
from ocvf_lmp.fit.site import Site
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
        self, job: Job, sites: Sequence[Site], plan: TrainingPlan, logbook: Logbook,
        progress: Progress,
    ) -> Iterator[tuple[Site, Outcome]]:  # fmt: skip
        """Does a job at all sites, each on one rank."""
        rank, size = self.world.Get_rank(), self.world.Get_size()

        def share() -> dict[int, tuple[dict[str, Any], Outcome]]:
            done = {}
            for number in range(rank, len(sites), size):
                outcome = job(sites[number], plan, logbook, progress)
                done[number] = sites[number].as_dict(), outcome
            return done

        found: dict[int, tuple[dict[str, Any], Outcome]] = {}
        for part in self.together(share):
            found |= part
        for number, site in enumerate(sites):
            changed, outcome = found[number]
            site.restore(changed)
            yield site, outcome
