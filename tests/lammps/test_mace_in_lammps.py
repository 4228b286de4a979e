"""A corrected MACE model in one model file, in LAMMPS."""

from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from bto_models import SYMBOLS, builds, lammps_of, network
from foreign_models import mace_file

from ocvf_lmp.lammps import parity
from ocvf_lmp.lammps.cells import distorted_cell
from ocvf_lmp.lammps.model_file import export_model
from ocvf_lmp.potential.composite import Corrected
from ocvf_lmp.potential.foreign.mace import load_mace

if find_spec("mace") is None:
    pytest.skip("needs mace-torch: pip install 'ocvf-lmp[mace]'", allow_module_level=True)

pytestmark = [pytest.mark.lammps, pytest.mark.slow]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    prior = load_mace(mace_file(tmp_path_factory.mktemp("mace")), SYMBOLS)
    return Corrected(prior, network(2))


@pytest.mark.parametrize("build", builds())
def test_lammps_computes_what_python_computes(build, model, tmp_path):
    """Rows of ghosts are exchanged between the layers of MACE, on one and two ranks."""
    export_model(tmp_path / "model.pt", model)
    lammps = lammps_of(build)
    report = parity.check_model(
        tmp_path / "model.pt", lammps.lmp, ranks=(1, 2), arguments=lammps.arguments
    )
    assert all(row.magnitude > 0.1 for row in report.rows)
    assert max(row.relative for row in report.rows) < 1e-11


@pytest.mark.parametrize("build", builds())
def test_a_rank_without_atoms_takes_part(build, model, tmp_path):
    header = export_model(tmp_path / "model.pt", model)
    slab = distorted_cell(SYMBOLS, (2, 2, 1), 4)
    tall = slab.cell.clone()
    tall[2] *= 8.0
    slab = replace(slab, cell=tall, positions=slab.positions + torch.tensor([0.0, 0.0, 2.0]))
    lammps = lammps_of(build)
    _, (found,) = parity.in_lammps(
        tmp_path / "model.pt", header, [slab], lammps, 2, parity.needs_ghosts(lammps), 300.0
    )
    expected = parity.in_python(model, slab)
    np.testing.assert_allclose(found.forces, expected.forces, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.energy, expected.energy, rtol=1e-12)
    np.testing.assert_allclose(found.virial, expected.virial, rtol=0, atol=1e-11)
