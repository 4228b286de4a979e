"""Two processes never work in one run folder, and a killed one leaves no lock behind."""

import re
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager

import pytest
import torch

from ocvf_lmp.cli import main
from ocvf_lmp.errors import InputError, OcvfError
from ocvf_lmp.lock import LOCK, alone_in

HOLD = """
import pathlib, sys
from ocvf_lmp.lock import alone_in
with alone_in(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(folder):
    """A process that stays in a folder until its input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout.readline() == "held\n"
        yield process


def test_the_one_who_holds_the_folder_is_named(tmp_path):
    with (
        holder(tmp_path) as process,
        pytest.raises(InputError, match="alone") as refused,
        alone_in(tmp_path),
    ):
        pass
    found = re.search(r"process (\d+) on (\S+) since (\d{4}-\d\d-\d\d \S+)", str(refused.value))
    assert found is not None
    assert (int(found.group(1)), found.group(2)) == (process.pid, socket.gethostname())
    with alone_in(tmp_path):  # it has gone by now
        pass
    assert list(tmp_path.iterdir()) == []


def test_the_lock_of_a_killed_process_is_gone(tmp_path):
    with holder(tmp_path) as process:
        process.kill()
        assert process.wait() == -signal.SIGKILL
    assert (tmp_path / LOCK).exists()  # the file alone keeps nobody out
    with alone_in(tmp_path):
        assert str(process.pid) not in (tmp_path / LOCK).read_text()


def test_a_child_does_not_keep_the_lock_of_its_parent(tmp_path):
    script = HOLD.replace(
        "print(", 'import subprocess; print(subprocess.Popen(["sleep", "60"]).pid)\n    print('
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        child = int(process.stdout.readline())
        assert process.stdout.readline() == "held\n"
        process.kill()
    try:
        with alone_in(tmp_path):
            pass
    finally:
        subprocess.run(["kill", "-9", str(child)], check=True)  # fails if it had not lived


def test_one_process_does_not_enter_twice(tmp_path):
    with alone_in(tmp_path):
        with pytest.raises(InputError, match="alone"), alone_in(tmp_path):
            pass
        with pytest.raises(InputError, match="alone"), alone_in(tmp_path):  # nor after a refusal
            pass


def test_many_who_come_and_go_are_never_two_at_a_time(tmp_path):
    """The file is deleted by each: who has opened it before must not take it for the next one's."""
    script = """
import os, pathlib, sys
from ocvf_lmp.errors import InputError
from ocvf_lmp.lock import alone_in
folder, inside = pathlib.Path(sys.argv[1]), 0
while inside < 200:
    try:
        with alone_in(folder):
            os.close(os.open(folder / "one", os.O_CREAT | os.O_EXCL))
            os.unlink(folder / "one")
            inside += 1
    except InputError:
        pass
"""
    several = [subprocess.Popen([sys.executable, "-c", script, str(tmp_path)]) for _ in range(3)]
    assert [process.wait(timeout=120) for process in several] == [0, 0, 0]


def test_a_folder_that_stays_empty_is_removed_only_by_who_made_it(tmp_path):
    (tmp_path / "mine").mkdir()
    for name in ("mine", "new"):
        with alone_in(tmp_path / name):
            assert (tmp_path / name / LOCK).exists()
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_folder_that_cannot_be_made_is_reported(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(OcvfError, match="choose another one"),
        alone_in(tmp_path / "file" / "run"),
    ):
        pass


def test_a_second_training_is_refused_and_deletes_nothing(root, tmp_path, capsys):
    config, run = tmp_path / "experiment.yaml", tmp_path / "run"
    prior = root / "data" / "prior" / "bto_pbesol.pt"
    config.write_text(
        f"prior: {prior}\nstates: [{{temperature: 100, targets: [{{lattice: [4, 4, 4]}}]}}]\n"
    )
    run.mkdir()
    torch.save({"epoch": 3}, run / "checkpoint.pt")
    with holder(run) as process:
        for more in ([], ["--fresh"]):
            assert main(["train", str(config), "--run", str(run), *more]) == 1
            assert f"process {process.pid}" in capsys.readouterr().err
        assert main(["pretrain", "--data", "none.extxyz", "--out", str(run)]) == 1
        assert f"process {process.pid}" in capsys.readouterr().err
        assert sorted(path.name for path in run.iterdir()) == [LOCK, "checkpoint.pt"]
