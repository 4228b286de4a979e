"""`ocvf-lmp train`, killed ten times in a row at random moments, ends where it would have ended."""

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from lives import CONFIG, Life, Saves, contents, same

KILLS, EPOCHS = 10, 8


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
