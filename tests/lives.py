"""Processes of a training that a test watches and kills, and all that they have left."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from ocvf_lmp.potential.weights import load_potential
from ocvf_lmp.system.trajectory import read_trajectory

BIN = Path(sys.executable).parent
PATIENCE = 300.0
"""s; a process that takes longer than that for anything has got stuck."""

MARK = "OCVF_TEST_LIFE"
"""Variable of the environment that all processes of a life inherit."""

CONFIG = """
name: tiny
seed: 1
workers: {workers}
prior: {prior}
sample: {{repeat: [1, 1, 1]}}
correction: {{cutoff: 4.0, n_features: 8, n_angular: 4, n_radial: 4, l_max: 1}}
dynamics: {{timestep: 0.002, mode: isotropic}}
training:
  {{correction: {kind}, estimator: {estimator}, epochs: {epochs}, replicas: 2, closeness: 0.01,
    window: 10, min_window: 5, sample_every: 5, sampling: 40, relaxation: 5, min_signal: 0.0,
    min_effective: 0.99999, equilibration: 20, evaluation: 40, evaluate_every: 4,
    validate_every: 2, validation: 20}}
states:
  - {{temperature: 100, targets: [{{lattice: [4.01, 4.01, 4.01]}}]}}
  - {{temperature: 200, targets: [{{lattice: [4.01, 4.01, 4.01]}}]}}
  - {{temperature: 150, held_out: true, targets: [{{lattice: [4.02, 4.02, 4.02]}}]}}
"""


class Life:
    """One process of a training, and what it starts, from its beginning to its end."""

    def __init__(self, config: Path, folder: Path, ranks: int = 1) -> None:
        self.folder, self.log, self.mark = folder, config.with_name("log"), uuid.uuid4().hex
        launcher = [str(BIN / "mpirun"), "-n", str(ranks)] if ranks > 1 else []
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*launcher, str(BIN / "ocvf-lmp"), "train", str(config), "--run", str(folder)],
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
                env=os.environ | {"OMP_NUM_THREADS": "1", MARK: self.mark},
            )  # fmt: skip
        self.start = time.monotonic()

    def __enter__(self) -> "Life":
        return self

    def __exit__(self, *reason: object) -> None:
        for pid in self.members():
            os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def age(self) -> float:
        return time.monotonic() - self.start

    def goes_on(self) -> bool:
        assert self.age() < PATIENCE, self.log.read_text()
        time.sleep(0.001)
        return self.process.poll() is None

    def began(self) -> bool:
        """Whether it has read its input and says what it is going to do."""
        return "training" in self.log.read_text()

    def wait(self, seconds: float) -> None:
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return

    def members(self) -> list[int]:
        """Its living processes, whatever group or session they are in, in the order of their age.

        The ranks of an MPI run are in sessions of their own.
        """
        found = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            try:
                mine = f"{MARK}={self.mark}".encode() in path.read_bytes().split(b"\0")
                state = (path.parent / "stat").read_text().rsplit(")", 1)[1].split()[0]
            except OSError:  # it has just ended, or is somebody else's
                continue
            if mine and state not in "ZX":
                found.append(int(path.parent.name))
        return sorted(found)

    def kill(self, alone: bool) -> None:
        """Kills all of it, or the first process alone: the others must follow it."""
        self.strike([self.process.pid] if alone else self.members())
        assert self.process.returncode == -signal.SIGKILL

    def strike(self, victims: list[int]) -> None:
        """Kills some of its processes and waits until all are gone."""
        for pid in victims:
            with suppress(ProcessLookupError):  # it has followed the one before
                os.kill(pid, signal.SIGKILL)
        self.process.wait(PATIENCE)
        while orphans := self.members():
            assert self.age() < PATIENCE, f"{orphans} outlive their parent"
            time.sleep(0.01)


class Saves:
    """Counts the checkpoints that a folder has seen, each of which replaces the one before."""

    def __init__(self, folder: Path) -> None:
        self.path, self.last, self.n = folder / "checkpoint.pt", None, 0

    def look(self) -> int:
        if self.path.exists():
            found = self.path.stat()
            if (found.st_ino, found.st_mtime_ns) != self.last:
                self.last = found.st_ino, found.st_mtime_ns
                self.n += 1
        return self.n


def lines(path: Path) -> list[dict]:
    """Lines of a log without the time that they took; a kill may have cut the last one off."""
    found = path.read_text().splitlines(keepends=True) if path.exists() else []
    whole = [json.loads(line) for line in found if line.endswith("\n")]
    return [{k: v for k, v in line.items() if k != "seconds"} for line in whole]


def contents(folder: Path) -> dict:
    """All that a run has left, by file; fails if one of the files is not whole."""
    found = {}
    for path in sorted(folder.iterdir()):
        if path.name.endswith(".partial"):
            continue
        if path.name == "checkpoint.pt":
            found[path.name] = torch.load(path, weights_only=True)
        elif path.suffix == ".pt":
            model, provenance = load_potential(path)
            found[path.name] = model.state_dict(), provenance
        elif path.suffix == ".h5":
            found[path.name] = asdict(read_trajectory(path))
        elif path.suffix == ".npz":
            with np.load(path) as arrays:
                found[path.name] = dict(arrays)
        elif path.suffix == ".jsonl":
            found[path.name] = lines(path)
        else:
            text = path.read_text()
            found[path.name] = json.loads(text) if path.suffix == ".json" else text
    return found


def same(a, b) -> bool:
    """Whether two nested objects are equal bit for bit."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    return np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b
