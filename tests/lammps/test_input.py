"""The production input, and a model together with other pair styles and restarts."""

import numpy as np
import pytest
from bto_models import builds, corrected, lammps_of, prior
from lmp_runs import Result, errors_of, needs_plugin

from ocvf_lmp.lammps.model_file import export_model
from ocvf_lmp.lammps.run import run_lammps

pytestmark = pytest.mark.lammps
SMALL = {"size": 2, "steps": 20, "thermo": 1, "dump": 10, "save": 10}


def simulate(build, folder, root, ranks=1, **variables):
    finished = run_lammps(
        lammps_of(build), root / "inputs" / "in.bto_npt", folder, ranks,
        variables={**SMALL, **variables}, timeout=500.0,
    )  # fmt: skip
    return Result(finished.code, finished.text, folder).thermo


@pytest.mark.parametrize("build", builds())
def test_the_production_input_runs_on_one_and_two_ranks_and_goes_on_from_a_restart(
    build, tmp_path, root
):
    from ase.io import read

    export_model(tmp_path / "model.pt", corrected())
    whole = simulate(build, tmp_path, root)
    assert whole[:, 0].tolist() == list(range(21))
    assert whole[0, 1] == pytest.approx(300.0)
    assert (whole[-1, 5:11] != whole[0, 5:11]).all()  # all lengths and angles move
    frames = read(tmp_path / "bto.lammpstrj", ":")
    assert len(frames) == 3
    assert frames[0].get_chemical_formula() == "Ba8O24Ti8"
    assert (tmp_path / "bto.restart.final").is_file()

    second = tmp_path / "second"
    second.mkdir()
    shared = simulate(build, second, root, ranks=2, model=tmp_path / "model.pt")
    np.testing.assert_allclose(shared, whole, rtol=1e-7, atol=1e-7)

    third = tmp_path / "third"
    third.mkdir()
    half = {"restart": tmp_path / "bto.restart.1", "model": tmp_path / "model.pt", "steps": 10}
    resumed = simulate(build, third, root, **half)
    np.testing.assert_allclose(resumed, whole[10:], rtol=1e-6, atol=1e-6)


START = """
units metal
lattice custom 4.1 a1 1 0 0 a2 0 1 0 a3 0 0 1 basis 0 0 0 basis 0.5 0.5 0.5 &
  basis 0.5 0.5 0 basis 0.5 0 0.5 basis 0 0.5 0.5
region box prism 0 2 0 2 0 2 0 0 0
create_box 4 box
create_atoms 3 region box basis 1 1 basis 2 2 basis 3 3 basis 4 3 basis 5 3
create_atoms 4 single 0.3 0.2 0.25
mass * 40.0
displace_atoms all random 0.1 0.1 0.1 7 units box
"""
OTHER = "pair_coeff 4 * lj/cut 0.01 2.0\npair_coeff 1*3 4 lj/cut 0.01 2.0\n"
MODEL = "mliap unified {}.pt 0"
NAMES = "Ba Ti O NULL"
DUMP = (
    "compute e all pe/atom\nrun 0\n"
    "write_dump all custom {}.dump id x y z fx fy fz c_e modify sort id format float %.16g\n"
)


@needs_plugin
def test_prior_and_correction_overlaid_are_the_corrected_model(tmp_path):
    """With a fourth species that only a Lennard-Jones style knows: NULL for the models."""
    export_model(tmp_path / "whole.pt", corrected())
    export_model(tmp_path / "prior.pt", prior())
    export_model(tmp_path / "delta.pt", corrected(), delta_only=True)
    (tmp_path / "cut.pt").write_bytes((tmp_path / "whole.pt").read_bytes()[:9000])
    one = f"pair_style hybrid/overlay {MODEL.format('whole')} lj/cut 6.0\n"
    one += f"pair_coeff * * mliap {NAMES}\n"
    two = f"pair_style hybrid/overlay {MODEL.format('prior')} {MODEL.format('delta')} lj/cut 6.0\n"
    two += f"pair_coeff * * mliap 1 {NAMES}\npair_coeff * * mliap 2 {NAMES}\n"
    alone = "pair_style hybrid/overlay lj/cut 6.0\npair_coeff 1*3 1*3 lj/cut 0.0 2.0\n"
    scripts = [
        START + styles + OTHER + DUMP.format(name)
        for name, styles in (("one", one), ("two", two), ("alone", alone))
    ]
    scripts.append(START + f"pair_style {MODEL.format('cut')}\n")
    scripts.append(START + f"pair_style {MODEL.format('whole')}\npair_coeff * * Ba Ti O Pb\n")
    *fine, truncated, unknown = errors_of(scripts, tmp_path)
    assert fine == ["", "", ""]
    together, overlaid, without = (
        np.loadtxt(tmp_path / f"{name}.dump", skiprows=9) for name in ("one", "two", "alone")
    )
    np.testing.assert_allclose(overlaid, together, rtol=0, atol=1e-12)
    np.testing.assert_allclose(together[40], without[40], rtol=0, atol=1e-12)  # the odd one out
    assert np.abs(together[:40, 4:] - without[:40, 4:]).max() > 0.1
    assert "the model cut.pt failed" in truncated
    assert "Pb" in unknown
