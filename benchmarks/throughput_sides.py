"""The sides of `throughput.py`: who is measured, and how; each measurement is a process of its own.

LAMMPS is timed by its own clock (`Loop time`) and its own processor time; a peer through ASE times
itself, in `throughput_peer.py`.
"""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from throughput_models import SYMBOLS, Sample

from ocvf_lmp.lammps.run import Lammps, failure

HERE = Path(__file__).parent
ONE_CORE = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS",
     "DP_INTRA_OP_PARALLELISM_THREADS", "DP_INTER_OP_PARALLELISM_THREADS"), "1",
)  # fmt: skip
WARM_UP, LEAST = 3, 2
"""Steps before the clock starts, and the fewest that are timed."""

INPUT = """
units metal
atom_style atomic
boundary p p p
newton on
read_data {data}
pair_style {style}
pair_coeff * * {coefficients}
neighbor 2.0 bin
neigh_modify every 1 delay 0 check yes
timestep 0.001
fix nve all nve
thermo 1000
run {warm_up}
run {least} pre no
timer timeout {hours}:{minutes:02d}:{seconds:02d} every 1
run 100000 pre no
"""
"""NVE from thermal displacements and momenta; neighbour lists as in `inputs/in.bto_npt`."""

LOOP = re.compile(
    r"^Loop time of (\S+) on \d+ procs for (\d+) steps with (\d+) atoms.*?^(\S+)% CPU use",
    re.MULTILINE | re.DOTALL,
)


class CannotMeasure(Exception):
    """A side that cannot run here, or did not come to its end; in words."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One measurement.

    Attributes:
        steps: that were timed.
        atoms: number of atoms.
        wall: s.
        processor: s of processor time in that time, on average over the ranks.
        peak: memory of the largest process, start-up included, bytes.
        load: of the machine when the measurement began (processes, over the last minute).
        description: of what was measured, where it tells.
    """

    steps: int
    atoms: int
    wall: float
    processor: float
    peak: int
    load: float
    description: str = ""

    @property
    def rate(self) -> float:
        """Atom-steps a second, by the clock."""
        return self.steps * self.atoms / self.wall

    @property
    def rate_by_cpu_time(self) -> float:
        """Atom-steps a second of processor time of a rank."""
        return self.steps * self.atoms / self.processor


@dataclass(frozen=True, slots=True)
class Side:
    """Who is measured.

    Attributes:
        name: for the figures.
        precision: ``f32`` or ``f64``.
        ranks: MPI ranks.
    """

    name: str
    precision: str
    ranks: int = 1

    @property
    def label(self) -> str:
        """For tables and file names."""
        return f"{self.name}_{self.precision}" + (f"_{self.ranks}ranks" if self.ranks > 1 else "")

    def measure(self, sample: Sample, folder: Path, seconds: float, limit: float) -> Measured:
        """Runs it for some seconds.

        Args:
            sample: where the atoms are.
            folder: for what it writes.
            seconds: wall time of the timed steps.
            limit: s after which the process is ended.

        Raises:
            CannotMeasure: it failed, or did not end in time.
        """
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class InLammps(Side):
    """A pair style of LAMMPS.

    Attributes:
        lammps: how to start it.
        style: what follows `pair_style`.
        coefficients: what follows ``pair_coeff * *``.
    """

    lammps: Lammps | None = None
    style: str = ""
    coefficients: str = " ".join(SYMBOLS)

    def measure(self, sample: Sample, folder: Path, seconds: float, limit: float) -> Measured:
        """Times NVE steps."""
        assert self.lammps is not None
        minutes, rest = divmod(max(round(seconds), 1), 60)
        text = INPUT.format(
            data=sample.data_file, style=self.style, coefficients=self.coefficients,
            warm_up=WARM_UP, least=LEAST, hours=minutes // 60, minutes=minutes % 60, seconds=rest,
        )  # fmt: skip
        (folder / "in.throughput").write_text(text)
        log = folder / "log.lammps"
        command = [*self.lammps.command(self.ranks), "-in", "in.throughput", "-log", log.name]
        load = os.getloadavg()[0]
        used = launch(command, folder, limit)
        blocks = read_blocks(log.read_text())
        if len(blocks) != 3:
            raise CannotMeasure(f"expected three runs in {log}, found {len(blocks)}")
        timed = blocks[1:]  # the first is the warm-up
        steps = sum(n for n, _, _ in timed)
        wall, processor = (sum(block[k] for block in timed) for k in (1, 2))
        return Measured(steps, sample.n_atoms, wall, processor, used["peak"], load)


@dataclass(frozen=True, slots=True)
class ThroughAse(Side):
    """A peer with an ASE calculator, in an environment of its own.

    Attributes:
        python: of that environment.
    """

    python: Path = Path(sys.executable)

    def measure(self, sample: Sample, folder: Path, seconds: float, limit: float) -> Measured:
        """Times energy, forces and stress of atoms that move."""
        result = folder / "result.json"
        plan = [str(seconds), str(WARM_UP), str(LEAST)]
        script = [str(self.python), str(HERE / "throughput_peer.py"), self.name, self.precision]
        load = os.getloadavg()[0]
        used = launch([*script, str(sample.array_file), str(result), *plan], folder, limit)
        found = json.loads(result.read_text())
        return Measured(
            found["steps"], sample.n_atoms, found["wall"], found["processor"], used["peak"], load,
            found["description"],
        )  # fmt: skip


def read_blocks(text: str) -> list[tuple[int, float, float]]:
    """Steps, wall and processor seconds (a rank) of each run of a LAMMPS log."""
    return [
        (int(steps), float(wall), float(wall) * float(percent) / 100)
        for wall, steps, _, percent in LOOP.findall(text)
    ]


def launch(command: Sequence[str], folder: Path, limit: float) -> dict[str, Any]:
    """Runs a command in a folder; what it used.

    Raises:
        CannotMeasure: it failed, or did not end in time.
    """
    used, screen = folder / "used.json", folder / "screen"
    wrapped = [sys.executable, "-S", "-E", str(HERE / "throughput_child.py"), used, screen]
    process = subprocess.Popen(
        [*map(str, wrapped), *command], cwd=folder, env=os.environ | ONE_CORE,
        stdin=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        code = process.wait(limit)
    except BaseException as reason:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if isinstance(reason, subprocess.TimeoutExpired):
            raise CannotMeasure(f"was not done after {limit:.0f} s") from reason
        raise
    if code:
        raise CannotMeasure(f"ended with status {code}:\n{failure(screen.read_text(), 3)}")
    return json.loads(used.read_text())
