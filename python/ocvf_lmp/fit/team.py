"""Who works on the runs of a training: this process, or several at a time.

A job is a function of a run alone, so every team gives the same numbers.
"""

import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol

import torch

from ocvf_lmp.allocator import keep_memory
from ocvf_lmp.errors import TrainingError
from ocvf_lmp.fit.experiment import Experiment
from ocvf_lmp.fit.progress import Progress, Silent
from ocvf_lmp.fit.site import Run, Site, make_sites
from ocvf_lmp.fit.work import Job, Outcome

TO_LEAVE = 10.0
"""s that a worker has to end what it has started."""

Task = tuple[Site, Run]
"""Where a job is done."""

Each = Callable[[Job, Sequence[Task]], Iterator[tuple[Task, Outcome]]]
"""Has a job done in several runs, by whoever works on them; see `Team.each`."""


class Team(Protocol):
    """Does a job in several runs."""

    def each(
        self, job: Job, tasks: Sequence[Task], experiment: Experiment, progress: Progress
    ) -> Iterator[tuple[Task, Outcome]]:
        """Yields every run, brought up to date, and what the job gave there, as it is done."""
        ...


class Alone:
    """One run after another, in this process."""

    def each(
        self, job: Job, tasks: Sequence[Task], experiment: Experiment, progress: Progress
    ) -> Iterator[tuple[Task, Outcome]]:
        """See `Team`."""
        for site, run in tasks:
            yield (site, run), job(site, run, experiment, progress)


class Processes:
    """Worker processes of this machine, each on one core.

    Args:
        n_workers: how many.
        threads: of torch in each.
        experiment: of the trainer.
    """

    def __init__(self, n_workers: int, threads: int, experiment: Experiment) -> None:
        context = multiprocessing.get_context("spawn")
        self._news = context.Queue()
        bench = pickle.dumps(experiment)
        self._pool = ProcessPoolExecutor(
            n_workers, context, _begin, (bench, threads, self._news)
        )  # fmt: skip

    def __enter__(self) -> "Processes":
        return self

    def __exit__(self, kind: object, *rest: object) -> None:
        if kind is not None:  # work in progress is of no use to anybody
            for worker in list(self._pool._processes.values()):
                worker.terminate()
        self._pool.shutdown(cancel_futures=True)

    def each(
        self, job: Job, tasks: Sequence[Task], experiment: Experiment, progress: Progress
    ) -> Iterator[tuple[Task, Outcome]]:
        """See `Team`."""
        with _forwarded(self._news, progress):
            try:
                waiting: dict[Future[bytes], Task] = {
                    self._pool.submit(_work, pickle.dumps((job, _sent(*task)))): task
                    for task in tasks
                }
                for done in as_completed(waiting):
                    site, run = waiting[done]
                    changed, outcome = pickle.loads(done.result())
                    run.restore(changed)
                    yield (site, run), outcome
            except BrokenProcessPool as reason:
                raise TrainingError(
                    "expected the worker processes to live as long as the training, found one dead"
                    " (killed, or out of memory?); the same command resumes from the last"
                    f" checkpoint in {experiment.logbook.folder}; `workers: 1` works in a single"
                    " process"
                ) from reason


def _sent(site: Site, run: Run) -> tuple[str, int, dict[str, Any], dict[str, Any], dict[str, Any]]:
    correction = site.model.correction.state_dict()
    return site.point.name, run.number, site.shared(), run.as_dict(), correction


# ------------------------------------------------------------------------------- in the workers
_bench: dict[str, Any] = {}
"""Of a worker process: the experiment, its sites by name, and its progress."""


def _begin(bench: bytes, threads: int, news: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    keep_memory()
    experiment: Experiment = pickle.loads(bench)
    sites = {site.point.name: site for site in make_sites(experiment)}
    _bench.update(sites=sites, experiment=experiment, progress=_Told(news))


def _leave(*_: object) -> None:
    raise SystemExit(1)  # on its way out, whoever has started a program ends it


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(TO_LEAVE)
        os._exit(1)


def _work(task: bytes) -> bytes:
    job, (name, number, shared, state, correction) = pickle.loads(task)
    site: Site = _bench["sites"][name]
    run = site.runs[number - 1]
    site.share(shared)
    run.restore(state)
    site.model.correction.load_state_dict(correction)
    try:
        outcome = job(site, run, _bench["experiment"], _bench["progress"])
    except SystemExit:
        os._exit(1)  # or the pool would take it for the job's, and go on with the next one
    return pickle.dumps((run.as_dict(), outcome))


class _Told(Silent):
    """Progress of a worker, sent to the parent."""

    def __init__(self, news: Any) -> None:
        self._news = news

    @contextmanager
    def task(self, name: str, n_steps: int) -> Iterator[Callable[[int], None]]:
        """Sends what happens."""
        self._news.put(("start", name, n_steps))
        yield lambda steps: self._news.put(("advance", name, steps))
        self._news.put(("end", name, 0))


# -------------------------------------------------------------------------------- in the parent
@contextmanager
def _forwarded(news: Any, progress: Progress) -> Iterator[None]:
    """Passes on what workers tell, until the block is left."""

    def listen() -> None:
        tasks: dict[str, tuple[ExitStack, Callable[[int], None]]] = {}
        while (item := news.get()) is not None:
            kind, name, number = item
            if kind == "start":
                stack = ExitStack()
                tasks[name] = stack, stack.enter_context(progress.task(name, number))
            elif kind == "advance":
                tasks[name][1](number)
            else:
                tasks.pop(name)[0].close()
        for stack, _ in tasks.values():
            stack.close()

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        yield
    finally:
        news.put(None)
        listener.join()
