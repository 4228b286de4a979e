import numpy as np
import pytest
from fake_run import write_lammps_log

from ocvf_lmp.analysis.tables import block_error
from ocvf_lmp.analysis.thermo_log import is_log, read_log
from ocvf_lmp.errors import DataError

TWO_RUNS = """\
LAMMPS (22 Jul 2025 - Update 4)
timestep 0.002
Created 40 atoms
run 20
   Step          Temp         Lx             Ly             Lz
         0   300            8              8              8.1
        10   310            8.02           8.01           8.12
        20   305            8.04           8.02           8.14
Loop time of 1 on 1 procs for 20 steps with 40 atoms
run 10
   Step          Temp         Lx             Ly             Lz
        20   305            8.04           8.02           8.14
        30   295            8.06           8.03           8.16
Loop time of 1 on 1 procs for 10 steps with 40 atoms
Total wall time: 0:00:02
"""


def test_runs_that_follow_each_other_are_one_table_without_repeated_lines(tmp_path):
    path = tmp_path / "log.lammps"
    path.write_text(TWO_RUNS)
    log = read_log(path)
    assert log.column("step").tolist() == [0, 10, 20, 30]
    assert log.column("temp").tolist() == [300, 310, 305, 295]
    assert log.time == pytest.approx([0, 0.02, 0.04, 0.06])
    assert log.lattice[-1] == pytest.approx([8.06, 8.03, 8.16, 90, 90, 90])
    assert (log.n_atoms, log.finished, log.errors) == (40, True, ())


def test_variables_of_the_unit_cell_come_before_the_whole_cell(tmp_path):
    path = tmp_path / "log.lammps"
    write_lammps_log(path, n=40)
    log = read_log(path)
    assert len(log) == 40
    assert log.lattice[:, 2].mean() == pytest.approx(4.037, abs=0.003)
    assert log.n_warnings == 1  # which stands within the table
    assert log.n_atoms == 320


def test_an_error_of_lammps_and_a_cut_off_line_are_kept_apart_from_the_table(tmp_path):
    path = tmp_path / "log.lammps"
    cut = TWO_RUNS.split("Loop time")[0] + "        30   29\nERROR: Lost atoms: 40 now 39\n"
    path.write_text(cut)
    log = read_log(path)
    assert log.column("Step").tolist() == [0, 10, 20]
    assert log.errors == ("ERROR: Lost atoms: 40 now 39",)
    assert not log.finished


def test_a_log_without_a_table_is_refused(tmp_path):
    path = tmp_path / "log.lammps"
    path.write_text("LAMMPS (22 Jul 2025)\nERROR: Unknown pair style\n")
    assert is_log(path)
    with pytest.raises(DataError, match="before its first step"):
        read_log(path)
    with pytest.raises(DataError, match="no such file"):
        read_log(tmp_path / "nothing")


def test_the_block_error_of_white_noise_is_that_of_independent_numbers():
    rng = np.random.default_rng(0)
    found = [block_error(rng.normal(size=500)) for _ in range(400)]
    assert np.sqrt(np.mean(np.square(found))) == pytest.approx(500**-0.5, rel=0.06)
    assert np.isnan(block_error(np.zeros(9)))
