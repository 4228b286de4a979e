"""`ocvf-lmp train`, killed ten times in a row at random moments, ends where it would have ended."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from ocvf_lmp.potential.weights import load_potential
from ocvf_lmp.system.trajectory import read_trajectory

BIN = Path(sys.executable).parent
KILLS, EPOCHS = 10, 8
PATIENCE = 300.0
"""s; a process that takes longer than that for anything has got stuck."""

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

    def __init__(self, config: Path, folder: Path) -> None:
        self.folder, self.log = folder, config.with_name("log")
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [str(BIN / "ocvf-lmp"), "train", str(config), "--run", str(folder)],
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
            )  # fmt: skip
        self.start = time.monotonic()

    def __enter__(self) -> "Life":
        return self

    def __exit__(self, *reason: object) -> None:
        if self.members():
            os.killpg(self.process.pid, signal.SIGKILL)
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
        """Living processes of its group."""
        found = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                state, _, group = path.read_text().rsplit(")", 1)[1].split()[:3]
            except (OSError, ValueError):  # it has just ended
                continue
            if int(group) == self.process.pid and state not in "ZX":
                found.append(int(path.parent.name))
        return found

    def kill(self, alone: bool) -> None:
        """Kills the whole group, or the first process alone: the others must follow it."""
        (os.kill if alone else os.killpg)(self.process.pid, signal.SIGKILL)
        assert self.process.wait() == -signal.SIGKILL
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


@dataclass
class Course:
    """How an uninterrupted run went.

    Attributes:
        words: s, until it said what it was going to do.
        work: s, until its first frame.
        saves: s, of the checkpoints.
        end: s.
    """

    words: float
    work: float
    saves: list[float]
    end: float

    def position(self, moment: float) -> tuple[int, float]:
        """Number of checkpoints by then, and the time since the last of them."""
        done = [t for t in self.saves if t <= moment]
        return len(done), moment - done[-1]


def watch(config: Path, folder: Path) -> Course:
    words = work = 0.0
    saves, moments = Saves(folder), []
    with Life(config, folder) as life:
        while life.goes_on():
            words = words or life.began() * life.age()
            work = work or bool(list(folder.glob("*.h5"))) * life.age()
            if saves.look() > len(moments):
                moments.append(life.age())
        assert life.process.returncode == 0, life.log.read_text()
        return Course(words, work, moments, life.age())


def plans(course: Course, dice: random.Random) -> list[float | None]:
    """When to kill: a random moment of each tenth of the work, or (None) while starting again."""
    tenth = (course.end - course.saves[0]) / KILLS
    moments = [course.saves[0] + tenth * (k + dice.random()) for k in range(KILLS)]
    again = dice.sample(range(1, KILLS), 2)
    return [None if k in again else moment for k, moment in enumerate(moments)]


def live(life: Life, saves: Saves, course: Course, plan: float | None, dice: random.Random) -> bool:
    """Lets a process live until its moment has come; whether it still works then."""
    if plan is None:
        life.wait(dice.uniform(0.0, course.work))
        return life.process.poll() is None
    wanted, rest = course.position(plan)
    while life.goes_on() and not life.began():
        pass
    if saves.look() >= wanted:  # no more to wait for than the start of the workers
        rest += course.work - course.words
    while life.goes_on() and saves.look() < wanted:
        pass
    life.wait(rest)
    saves.look()
    return life.process.poll() is None


def phase(folder: Path) -> str:
    if not (folder / "checkpoint.pt").exists():
        return "before"
    content = torch.load(folder / "checkpoint.pt", weights_only=True)
    stages = {run["stage"] for site in content["sites"].values() for run in site["runs"]}
    if stages & {"new", "equilibrated"}:
        return "before"
    return "training" if content["epoch"] < EPOCHS else "after"


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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("estimator", "kind", "workers"), [("reweight", "shared", 2), ("adjoint", "separate", 1)]
)
def test_ten_kills_in_a_row_change_nothing(root, tmp_path, estimator, kind, workers):
    config, prior = tmp_path / "experiment.yaml", root / "data" / "prior" / "bto_pbesol.pt"
    config.write_text(
        CONFIG.format(prior=prior, estimator=estimator, kind=kind, workers=workers, epochs=EPOCHS)
    )
    course = watch(config, tmp_path / "whole")
    whole = contents(tmp_path / "whole")
    cut, dice = tmp_path / "cut", random.Random(4)
    saves, waiting, killed = Saves(cut), plans(course, dice), []
    while len(killed) < KILLS:
        plan = waiting.pop(0) if waiting else None
        with Life(config, cut) as life:
            if not live(life, saves, course, plan, dice):  # done before its moment: once more
                assert life.process.returncode == 0, life.log.read_text()
                continue
            life.kill(alone=len(killed) % 3 == 2)
        if cut.exists():
            contents(cut)
        killed.append((phase(cut), plan is not None, saves.look()))
        (tmp_path / "killed").write_text(f"{killed}\nof {course}\n")
    at_work = [name for name, working, _ in killed if working]
    assert at_work.count("training") >= 3, killed
    assert "before" in at_work
    assert len({n for _, _, n in killed}) >= 5
    with Life(config, cut) as life:
        while life.goes_on():
            pass
        assert life.process.returncode == 0, life.log.read_text()
    found = contents(cut)
    assert sorted(p.name for p in cut.iterdir()) == sorted(found)  # nothing half written is left
    assert found.keys() == whole.keys()
    assert [name for name in found if not same(found[name], whole[name])] == []


@pytest.mark.parametrize("change", ["value", "key", "length", "type"])
def test_the_comparison_sees_every_difference(change):
    one = {"a": [torch.zeros(2), (1.0, "x")], "b": np.arange(3)}
    other = {"a": [torch.zeros(2), (1.0, "x")], "b": np.arange(3)}
    assert same(one, other)
    if change == "value":
        other["a"][0][1] = 1e-30
    elif change == "key":
        other["c"] = 0
    elif change == "length":
        other["b"] = np.arange(4)
    else:
        other["a"][1] = (1.0, b"x")
    assert not same(one, other)
