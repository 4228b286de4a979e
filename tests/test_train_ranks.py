"""`mpirun -n 2 ocvf-lmp train`: the numbers of one process, and failures that end all ranks."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ocvf_lmp.lock import LOCK, alone_in

BIN = Path(sys.executable).parent
CONFIG = """
name: tiny
seed: 1
workers: 1
prior: {prior}
sample: {{repeat: [1, 1, 1]}}
correction: {{cutoff: 4.0, n_features: 8, n_angular: 4, n_radial: 4, l_max: 1}}
dynamics: {{timestep: 0.002, mode: isotropic, p_damp: {p_damp}}}
training:
  {{correction: {kind}, estimator: adjoint, epochs: 3, window: 10, min_window: 10,
    sample_every: 5, equilibration: 10, evaluation: 20, evaluate_every: 4}}
states:
  - {{temperature: 100, targets: [{{lattice: [4.01, 4.01, 4.01]}}]}}
  - {{temperature: 200, targets: [{{lattice: [4.01, 4.01, 4.01]}}]}}
  - {{temperature: 300, pressure: {pressure}, targets: [{{lattice: [4.02, 4.02, 4.02]}}]}}
"""


TWENTY = """
name: tiny
seed: 1
workers: 1
prior: {prior}
sample: {{repeat: [1, 1, 1]}}
correction: {{cutoff: 4.0, n_features: 8, n_angular: 4, n_radial: 4, l_max: 1}}
dynamics: {{timestep: 0.002, mode: isotropic}}
training:
  {{correction: shared, estimator: {estimator}, epochs: 20, replicas: 2, window: 6, min_window: 3,
    sample_every: 3, sampling: 24, relaxation: 3, min_effective: 0.99999, min_signal: 0.0,
    equilibration: 10, evaluation: 20, evaluate_every: 4}}
states:
  - {{temperature: 100, targets: [{{lattice: [4.01, 4.01, 4.01]}}]}}
"""


@pytest.fixture
def config(root, tmp_path):
    def written(pressure=1.0, p_damp=0.1, kind="shared"):
        path = tmp_path / "experiment.yaml"
        prior = root / "data" / "prior" / "bto_pbesol.pt"
        path.write_text(CONFIG.format(prior=prior, pressure=pressure, p_damp=p_damp, kind=kind))
        return path

    return written


def train(config, folder, ranks):
    if not (BIN / "mpirun").exists():
        pytest.skip("no mpirun beside this Python")
    launcher = [str(BIN / "mpirun"), "-np", str(ranks)] if ranks > 1 else []
    return subprocess.run(
        [*launcher, str(BIN / "ocvf-lmp"), "train", str(config), "--run", str(folder)],
        capture_output=True, text=True, timeout=300, check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def parameters(folder):
    corrections = torch.load(folder / "checkpoint.pt", weights_only=True)["corrections"]
    return torch.cat([v.flatten() for name in corrections for v in corrections[name].values()])


@pytest.mark.slow
@pytest.mark.parametrize("estimator", ["adjoint", "reweight"])
def test_two_ranks_with_a_replica_each_agree_with_one_after_twenty_epochs(
    root, tmp_path, estimator
):
    path, prior = tmp_path / "experiment.yaml", root / "data" / "prior" / "bto_pbesol.pt"
    path.write_text(TWENTY.format(prior=prior, estimator=estimator))
    for ranks in (1, 2):
        done = train(path, tmp_path / str(ranks), ranks)
        assert done.returncode == 0, done.stderr
        epochs = (tmp_path / str(ranks) / "metrics.jsonl").read_text().splitlines()
        assert len(epochs) == 20
        assert any(json.loads(line)["updated"] for line in epochs[10:])  # the descent goes on
    one, two = (parameters(tmp_path / str(ranks)) for ranks in (1, 2))
    assert float((one - two).abs().max()) <= 1e-10 * float(one.abs().max())


@pytest.mark.parametrize("kind", ["shared", "separate"])
def test_two_ranks_give_the_parameters_of_one(config, tmp_path, kind):
    path = config(kind=kind)
    for ranks in (1, 2):
        done = train(path, tmp_path / str(ranks), ranks)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("What the correction achieved") == 1
    one, two = (parameters(tmp_path / str(ranks)) for ranks in (1, 2))
    assert float((one - two).abs().max()) <= 1e-10 * float(one.abs().max())
    names = [sorted(p.name for p in (tmp_path / str(r)).iterdir()) for r in (1, 2)]
    assert names[0] == names[1]


def test_an_error_at_one_state_ends_all_ranks_with_one_message(config, tmp_path):
    done = train(config(pressure=-4.0e6, p_damp=0.01), tmp_path / "run", 2)
    assert done.returncode != 0
    assert done.stderr.count("physical ground") == 1


def test_a_wrong_configuration_is_reported_once(config, tmp_path):
    path = config()
    path.write_text(path.read_text().replace("epochs", "epoch"))
    done = train(path, tmp_path / "run", 2)
    assert done.returncode != 0
    assert done.stderr.count("error:") == 1


def test_all_ranks_leave_a_folder_that_another_process_works_in(config, tmp_path):
    path = config()
    with alone_in(tmp_path / "run"):
        done = train(path, tmp_path / "run", 2)
        assert done.returncode != 0
        assert done.stderr.count(f"found process {os.getpid()}") == 1
        assert [p.name for p in (tmp_path / "run").iterdir()] == [LOCK]


def test_a_rank_that_cannot_write_ends_the_others(config, tmp_path):
    """Only the first rank writes the metrics: the second must not wait for it for ever."""
    (tmp_path / "run" / "metrics.jsonl").mkdir(parents=True)
    done = train(config(), tmp_path / "run", 2)
    assert done.returncode != 0
    assert "metrics.jsonl" in done.stderr
