"""``ocvf-lmp sweep``: a model heated and cooled in LAMMPS."""

import argparse
import signal
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import torch
import yaml
from pydantic import ValidationError

from ocvf_lmp.build.sweep import CONFIG, Sweep, build_sweep, claim_sweep
from ocvf_lmp.commands.console import console
from ocvf_lmp.config.file import explain, prior_with_absolute_paths
from ocvf_lmp.config.priors import LammpsPriorConfig
from ocvf_lmp.config.sweep import SweepConfig
from ocvf_lmp.errors import InputError, LammpsError, OcvfError
from ocvf_lmp.lammps.run import end_running, find_lammps
from ocvf_lmp.lammps.sweep import Chain, LegPlan, leg_file, missing, run_chain
from ocvf_lmp.lock import alone_in
from ocvf_lmp.mpi import abort, communicator
from ocvf_lmp.system.leg import Leg
from ocvf_lmp.system.sweep_file import write_sweep

SWEEPS = Path("sweeps")
RESULT = "sweep.h5"
TO_END = 5.0
"""s that LAMMPS has to end by itself, once it is asked to."""

SAMPLE = ("repeat", "lattice", "off_centering", "structure")
OTHERS = (
    "symbols", "branches", "equilibration", "steps", "every", "seed", "timestep", "t_damp",
    "p_damp", "pressure",
)  # fmt: skip


def sweep(options: argparse.Namespace) -> int:
    """Runs the legs that are missing and puts all into one file."""
    torch.set_num_threads(1)
    world = communicator()
    try:
        plan, folder, problems = _run_share(options, world)
    except OcvfError as error:
        if world is not None:  # the other ranks may know nothing of it, and would wait for this one
            abort(f"ocvf-lmp sweep: error: {error}")
        raise
    if world is not None:
        problems = [p for each in world.allgather(problems) for p in each]
    if world is None or world.Get_rank() == 0:
        _collect(plan, folder)
    if problems:
        raise LammpsError(
            "\n".join(problems) + "\nthe legs before it are kept: the same command goes on"
        )
    return 0


def _run_share(options: argparse.Namespace, world: Any | None) -> tuple[Sweep, Path, list[str]]:
    """Runs this rank's series; the sweep, its folder, and what went wrong."""
    config, folder = _configuration(options)
    lammps = find_lammps(options.lmp, options.lammps_arguments)
    rank, size = (0, 1) if world is None else (world.Get_rank(), world.Get_size())
    part, parts = _share(options.part)
    plan = build_sweep(config, lammps, options.ranks)
    claim_sweep(config, plan.chains, folder)
    chains = plan.chains[part::parts][rank::size]
    if rank == 0:
        _announce(config, plan, folder)
    return plan, folder, _run(plan, chains, folder, options.workers)


def _run(plan: Sweep, chains: list[Chain], folder: Path, workers: int) -> list[str]:
    """Runs series side by side; what went wrong with them. A series that fails ends alone."""
    problems, stopping = [], Event()
    with ThreadPoolExecutor(max(workers, 1)) as pool:  # the work is LAMMPS', in its own processes
        waiting = {
            pool.submit(_run_chain, plan, chain, folder, stopping): chain for chain in chains
        }
        try:
            while waiting:
                done, _ = wait(waiting, return_when=FIRST_EXCEPTION)
                for future in done:
                    chain, problem = waiting.pop(future), future.exception()
                    if isinstance(problem, OcvfError):
                        problems.append(f"{chain.name}: {problem}")
                    elif problem is not None:
                        raise problem
        except KeyboardInterrupt:
            stopping.set()
            _end_legs(waiting)
            raise
    return problems


def _end_legs(waiting: Iterable[Future[None]]) -> None:
    """Ends the legs that are being run: an interrupt does not wait for them."""
    for future in waiting:
        future.cancel()
    numbers = signal.SIGINT, signal.SIGTERM  # a second one must not leave them behind
    handlers = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    patience = time.monotonic() + TO_END
    end_running()
    while wait(waiting, timeout=0.5).not_done:
        end_running(signal.SIGTERM if time.monotonic() < patience else signal.SIGKILL)
    for number, handler in zip(numbers, handlers, strict=True):
        signal.signal(number, handler)


def _run_chain(plan: Sweep, chain: Chain, folder: Path, stopping: Event) -> None:
    def tell(leg: LegPlan, found: Leg | None, seconds: float) -> None:
        if stopping.is_set() and found is None:
            raise LammpsError(f"expected to run {leg.name}, found the sweep interrupted")
        _tell(leg, found, seconds)

    if not missing([chain], folder):
        return
    with alone_in(folder / "series" / chain.name):
        run_chain(chain, plan.sampling, plan.host, plan.model, folder, tell)


def _tell(plan: LegPlan, leg: Leg | None, seconds: float) -> None:
    if leg is None:
        console.print(f"{plan.branch} {plan.temperature:g} K: running")
        return
    kept = leg.cell[leg.step > leg.equilibration]
    volume = np.linalg.det(kept).mean() * 5 / leg.positions.shape[1]
    rate = leg.positions.shape[1] * leg.step[-1] / seconds
    console.print(
        f"{plan.branch} {plan.temperature:g} K: {leg.kinetic_temperature.mean():.1f} K,"
        f" {volume:.3f} Å³ for five atoms, {seconds:.0f} s, {rate:.0f} atom-steps/s"
    )


def _announce(config: SweepConfig, plan: Sweep, folder: Path) -> None:
    legs = sum(len(chain.legs) for chain in plan.chains)
    left = len(missing(plan.chains, folder))
    what = "the prior in LAMMPS" if plan.model is None else plan.model[1].kind
    console.print(
        f"sweep of {what} in {folder}: {legs} temperatures in {len(plan.chains)} series,"
        f" {len(plan.header.species)} atoms,"
        f" {(config.equilibration + config.steps) * config.timestep:g} ps each;"
        f" {legs - left} are there already"
    )


def _collect(plan: Sweep, folder: Path) -> None:
    """One file of all legs that are there, whoever ran them."""
    files = [leg_file(folder, leg) for chain in plan.chains for leg in chain.legs]
    there: list[Path] = []
    # again for legs of other jobs that have ended meanwhile, whose own file this one has replaced
    while len(found := [path for path in files if path.is_file()]) > len(there):
        there = found
        write_sweep(folder / RESULT, plan.header, there)
    if not there:
        return
    left = len(files) - len(there)
    console.print(
        f"wrote {folder / RESULT}: {len(there)} temperatures"
        + (f", {left} are missing" if left else f"   next: ocvf-lmp analyze {folder / RESULT}")
    )


def _share(text: str | None) -> tuple[int, int]:
    if text is None:
        return 0, 1
    try:
        part, parts = (int(word) for word in text.split("/"))
    except ValueError:
        part, parts = 0, 0
    if not 1 <= part <= parts:
        raise InputError(f"expected --part K/N with 1 <= K <= N, found {text!r}; correct it")
    return part - 1, parts


def _configuration(options: argparse.Namespace) -> tuple[SweepConfig, Path]:
    """From the command line, or from the folder of a sweep that is to go on."""
    with _explained():
        content = _asked_for(options)
        if not set(content) - {"name"} and options.folder is not None:
            path = options.folder / CONFIG
            if path.is_file():
                return SweepConfig.model_validate(yaml.safe_load(path.read_text())), options.folder
        content.setdefault("name", _default_name(options))
        config = SweepConfig.model_validate(content)
    return config, options.folder or SWEEPS / config.name


def _asked_for(options: argparse.Namespace) -> dict[str, Any]:
    given = {k: value for k, value in vars(options).items() if value is not None}  # 0 is given
    content: dict[str, Any] = {k: given[k] for k in OTHERS if k in given}
    sample = {k: given[k] for k in SAMPLE if k in given}
    if sample:
        content["sample"] = {"repeat": (4, 4, 4)} | sample
        if options.structure is not None:
            if options.repeat is None:
                raise InputError(
                    f"expected --repeat with the unit cells that {options.structure} has along a,"
                    " b, c, found none; add it (1 1 1 where there are none to count)"
                )
            content["sample"]["structure"] = options.structure.resolve()
    if options.temperatures is not None:
        content["temperatures"] = [t for word in options.temperatures for t in _series(word)]
    if options.independent:
        content["independent"] = True
    if options.name is not None:
        content["name"] = options.name
    if options.model is not None:
        content["model"] = options.model.resolve()
    if options.lammps is not None:
        entry = LammpsPriorConfig.model_validate({"lammps": options.lammps.replace("\\n", "\n")})
        resolved = prior_with_absolute_paths(entry, Path.cwd())
        assert isinstance(resolved, LammpsPriorConfig)
        content["lammps"] = resolved.lammps
    return content


def _default_name(options: argparse.Namespace) -> str:
    if options.model is not None:
        return options.model.stem
    file = Path((options.lammps or "sweep").split("\n")[0])
    return file.name.removeprefix("in.") if file.is_file() else "lammps"


def _series(word: str) -> list[float]:
    """``50:500:25`` or one number, K."""
    try:
        numbers = [float(part) for part in word.split(":")]
    except ValueError:
        numbers = []
    if len(numbers) == 1:
        return numbers
    if len(numbers) != 3 or numbers[2] <= 0 or numbers[1] < numbers[0]:
        raise InputError(
            f"expected temperatures as numbers or FIRST:LAST:STEP in K, found {word!r}; correct it"
        )
    first, last, step = numbers
    return [first + k * step for k in range(int((last - first) / step + 1e-9) + 1)]


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except ValidationError as reason:
        raise InputError(
            f"expected options that make a sweep, found: {explain(reason)}; see ocvf-lmp sweep -h"
        ) from reason
