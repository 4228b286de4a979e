"""`mpirun -n 2 ocvf-lmp train`, killed in the middle of epochs, ends where it would have ended."""

import time
from pathlib import Path

import pytest
import torch
from lives import BIN, CONFIG, Life, contents, same

from ocvf_lmp.system.trajectory import read_trajectory

EPOCHS = 6
WRITES = 6
"""Times that trajectories have to be written to until a whole frame is sure to be there."""

ATTEMPTS = 12
"""Lives at most: an epoch may end just when one is killed."""


def epoch_of(folder: Path) -> int:
    return torch.load(folder / "checkpoint.pt", weights_only=True)["epoch"]


def written_since(folder: Path, start: int) -> set[tuple[str, int]]:
    """Trajectories that were written to since the checkpoint and since a time (ns), and when."""
    checkpoint = folder / "checkpoint.pt"
    if not checkpoint.exists():
        return set()
    start = max(start, checkpoint.stat().st_mtime_ns)
    times = {(path.name, path.stat().st_mtime_ns) for path in folder.glob("*.h5")}
    return {(name, time) for name, time in times if time > start}


def lost_frames(folder: Path) -> int:
    """Frames that runs have written after the last checkpoint."""
    saved = torch.load(folder / "checkpoint.pt", weights_only=True)["sites"]
    number = 0
    for name, site in saved.items():
        for which, run in zip(("trajectory", "replica2"), site["runs"], strict=False):
            file = f"{which}_{name}.h5"
            number += int((read_trajectory(folder / file).step > run["steps"]).sum())
    return number


def lives_into_an_epoch(life: Life, folder: Path, after: int) -> bool:
    """Lets a training go on into the middle of an epoch; False if it has ended before."""
    start, seen = time.time_ns(), set()
    while life.goes_on():
        new = written_since(folder, start)
        seen = seen | new if new else set()  # a checkpoint has come
        if len(seen) >= WRITES and epoch_of(folder) >= after:
            return True
    return False


def strike(life: Life, whom: str) -> None:
    """Kills mpirun with its proxies and ranks, mpirun alone, or a rank alone."""
    members = life.members()
    assert len(members) >= 4, members  # mpirun, its proxy, two ranks
    life.strike({"all": members, "mpirun": members[:1], "rank": members[-1:]}[whom])
    assert life.process.returncode != 0


@pytest.mark.slow
def test_ranks_killed_in_the_middle_of_epochs_change_nothing(root, tmp_path):
    if not (BIN / "mpirun").exists():
        pytest.skip("no mpirun beside this Python")
    config, prior = tmp_path / "experiment.yaml", root / "data" / "prior" / "bto_pbesol.pt"
    config.write_text(
        CONFIG.format(prior=prior, estimator="reweight", kind="shared", workers=1, epochs=EPOCHS)
    )
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    with Life(config, whole, ranks=2) as life:
        while life.goes_on():
            pass
        assert life.process.returncode == 0, life.log.read_text()
    waiting, epochs = ["all", "mpirun", "rank", "all"], []
    for _ in range(ATTEMPTS):
        if not waiting:
            break
        with Life(config, cut, ranks=2) as life:
            assert lives_into_an_epoch(life, cut, len(epochs) + 1), life.log.read_text()
            strike(life, waiting[0])
        if lost_frames(cut):  # else an epoch had just ended: once more
            waiting.pop(0)
            epochs.append(epoch_of(cut))
    assert waiting == []
    assert len(set(epochs)) >= 3
    assert max(epochs) < EPOCHS
    with Life(config, cut, ranks=2) as life:
        while life.goes_on():
            pass
        assert life.process.returncode == 0, life.log.read_text()
        assert "resuming after epoch" in life.log.read_text()
    found, expected = contents(cut), contents(whole)
    assert found.keys() == expected.keys()
    assert [name for name in found if not same(found[name], expected[name])] == []
