"""In every host, what goes wrong on one of two ranks ends both, soon, with a reason.

Atoms in one place, ranks without atoms and ghosts that do not suffice: `test_parity.py`; what only
the plugin can notice: `test_plugin_failures.py`.
"""

import time
from pathlib import Path

import pytest
import torch
from bto_models import SYMBOLS, builds, lammps_of, network, system
from host_toys import FailsOnOneRank

from ocvf_lmp.lammps.cells import distorted_cell, write_data
from ocvf_lmp.lammps.model_file import export_model
from ocvf_lmp.lammps.run import run_lammps
from ocvf_lmp.lammps.unified import MLIAPModel

pytestmark = pytest.mark.lammps
HERE = Path(__file__).parent

MOTION = """
neighbor 1.0 bin
timestep 0.001
fix motion all nve
thermo 1
run 1000
"""


@pytest.fixture
def fails(tmp_path):
    """Runs a model on two ranks; gives the text, and asserts that it ended, soon, with an error."""
    write_data(tmp_path / "cell.data", distorted_cell(SYMBOLS, (3, 2, 2), 1))

    def run(build, elements="Ba Ti O", **environment) -> str:
        lammps = lammps_of(build)
        (tmp_path / "in.motion").write_text(system(lammps, 10, elements) + MOTION)
        start = time.monotonic()
        done = run_lammps(
            lammps, tmp_path / "in.motion", tmp_path, 2, timeout=120.0, check=False,
            environment=environment,
        )  # fmt: skip
        assert done.code != 0, done.text
        assert "Loop time" not in done.text
        seconds = time.monotonic() - start
        assert seconds < 60.0, f"{seconds:.0f} s"  # alone on a machine: a few
        return done.text

    return run


@pytest.mark.parametrize("build", builds())
def test_an_exception_on_one_rank_ends_all(build, fails, tmp_path):
    header = export_model(tmp_path / "model.pt", network(1))
    torch.save(MLIAPModel(FailsOnOneRank(network(1)), header), tmp_path / "model.pt")
    text = fails(build, PYTHONPATH=str(HERE))
    assert "ArithmeticError" in text
    assert "a potential that fails" in text


@pytest.mark.parametrize("build", builds())
def test_a_model_for_other_species_is_refused(build, fails, tmp_path):
    export_model(tmp_path / "model.pt", network(1))
    assert "Sr" in fails(build, "Sr Ti O")


@pytest.mark.parametrize("build", builds())
def test_a_python_without_torch_is_told(build, fails, tmp_path):
    export_model(tmp_path / "model.pt", network(1))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "torch.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')"
    )
    assert "torch" in fails(build, PYTHONPATH=str(tmp_path / "elsewhere"))


@pytest.mark.parametrize("build", builds())
def test_a_damaged_file_is_told(build, fails, tmp_path):
    export_model(tmp_path / "model.pt", network(1))
    whole = (tmp_path / "model.pt").read_bytes()
    (tmp_path / "model.pt").write_bytes(whole[: len(whole) // 2])
    assert "model.pt" in fails(build)
