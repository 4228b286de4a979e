import numpy as np
import pytest

from ocvf_lmp.analysis.identifiability import shifts
from ocvf_lmp.analysis.runfolder import read_run


def test_every_observable_is_compared_and_said_whether_the_data_know_it(finished_run):
    rows = [row for row in shifts(read_run(finished_run)) if row.state == "300K"]
    names = [row.observable for row in rows]
    assert names[:4] == ["volume", "a", "b", "c"]
    assert sum(name.startswith("G(r)") for name in names) == 2
    assert sum(name.startswith("g(r)") for name in names) == 6
    known = {row.observable: row.constrained for row in rows}
    assert known["a"]  # there is a lattice target
    assert known["G(r), neutron, SYNTHETIC"]
    assert not known["g(r), Ba-O"]


def test_the_change_of_the_longest_axis_is_that_of_the_run(finished_run):
    """The made-up frames are 0.06 Å too long before training and 0.018 Å after it."""
    run = read_run(finished_run)
    row = next(r for r in shifts(run) if (r.state, r.observable) == ("300K", "c"))
    assert row.change == pytest.approx(-0.042, abs=0.006)
    assert row.errors > 4.0
    state = next(s for s in run.states if s.name == "300K")
    assert row.before == pytest.approx(np.sort(state.before.lattice[:3])[-1], abs=1e-9)


def test_noise_alone_counts_about_one_error(finished_run):
    """The Ba-Ba partial hardly knows of the bias; the Ti-O one does."""
    rows = {r.observable: r for r in shifts(read_run(finished_run)) if r.state == "300K"}
    assert rows["g(r), Ti-O"].errors > rows["g(r), Ba-Ba"].errors
    assert 0.6 < rows["g(r), Ba-Ba"].errors < 1.6


def test_a_run_that_is_not_finished_has_nothing_to_compare(unfinished_run):
    assert shifts(read_run(unfinished_run)) == []
