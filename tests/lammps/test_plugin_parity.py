"""The plugin against pair styles that LAMMPS has itself."""

import numpy as np
import pytest
from lmp_runs import ARGON, DUMP, LJ, MEASURE, needs_plugin, run, unified
from plugin_toys import LennardJones

pytestmark = [pytest.mark.lammps, needs_plugin]

ENSEMBLES = {
    "nve": "fix 1 all nve\n",
    "npt": "fix 1 all npt temp 60 60 0.1 tri 0 0 1.0\n",
}


def simulate(style, ensemble, folder, ranks=1, steps=100, system=None):
    folder.mkdir(exist_ok=True)
    system = system or ARGON.format(types=1)
    script = system + style + MEASURE + ENSEMBLES[ensemble] + f"thermo 20\nrun {steps}\n" + DUMP
    result = run(script, folder, ranks=ranks)
    assert result.code == 0, result.text
    return result


def assert_same(result, reference, relative=1e-9):
    for found, expected in ((result.thermo, reference.thermo), (result.atoms, reference.atoms)):
        scale = np.abs(expected).max(0)
        assert np.isfinite(found).all()
        assert (np.abs(found - expected) <= relative * scale + 1e-12).all()


@pytest.mark.parametrize(
    ("ensemble", "ranks"),
    [
        ("nve", 1),
        ("npt", 2),
        pytest.param("nve", 2, marks=pytest.mark.slow),
        pytest.param("npt", 1, marks=pytest.mark.slow),
    ],
)
def test_dynamics_in_a_tilted_box_are_those_of_lj_cut(ensemble, ranks, tmp_path):
    model = unified(LennardJones(), folder=tmp_path)
    found = simulate(model, ensemble, tmp_path, ranks)
    expected = simulate(LJ, ensemble, tmp_path / "lj")
    assert len(found.thermo) == 6
    assert_same(found, expected)


def test_direct_assignment_of_energies_gives_the_same_as_the_helper(tmp_path):
    model = unified(LennardJones(helper=False), folder=tmp_path, style="mliap/ocvf")
    found = simulate(model, "nve", tmp_path, steps=2)
    assert_same(found, simulate(LJ, "nve", tmp_path / "lj", steps=2), 1e-12)


@pytest.mark.parametrize(
    ("ranks", "helper"), [(2, True), pytest.param(1, False, marks=pytest.mark.slow)]
)
def test_overlay_with_null_types_is_the_mixture_of_lj_cut(ranks, helper, tmp_path):
    mixture = ARGON.format(types=2) + "set type 1 type/fraction 2 0.4 777\n"
    others = "pair_coeff 1 2 {0}0.006 3.0\npair_coeff 2 2 {0}0.003 2.8\n"
    reference = "pair_style lj/cut 8.0\npair_coeff 1 1 0.0104 3.4\n" + others.format("")
    unified(LennardJones(helper), folder=tmp_path)
    hybrid = (
        "pair_style hybrid/overlay lj/cut 8.0 mliap unified model.pt 0\n"
        "pair_coeff * * mliap Ar NULL\n" + others.format("lj/cut ")
    )
    found = simulate(hybrid, "npt", tmp_path, ranks, steps=10, system=mixture)
    expected = simulate(reference, "npt", tmp_path / "lj", steps=10, system=mixture)
    assert_same(found, expected)


@pytest.mark.slow
def test_overlay_of_two_models_adds_up(tmp_path):
    unified(LennardJones(), folder=tmp_path)
    twice = (
        "pair_style hybrid/overlay lj/cut 8.0 mliap unified model.pt 0\n"
        "pair_coeff * * lj/cut 0.0104 3.4\npair_coeff * * mliap Ar\n"
    )
    found = simulate(twice, "nve", tmp_path, ranks=2, steps=5)
    double = "pair_style lj/cut 8.0\npair_coeff * * 0.0208 3.4\n"
    assert_same(found, simulate(double, "nve", tmp_path / "lj", steps=5))


@pytest.mark.parametrize(
    "where",
    [
        pytest.param("2.5 3", id="without ghosts"),
        pytest.param("0 2", id="with ghosts", marks=pytest.mark.slow),
    ],
)
def test_a_rank_without_atoms_takes_part(where, tmp_path):
    """A film in a quarter of the box: one of the ranks holds no atom of it."""
    lo, hi = where.split()
    film = f"""
units metal
lattice fcc 5.35
region box block 0 12 0 4 0 4
region film block {lo} {hi} 0 4 0 4
processors * 1 1
create_box 1 box
create_atoms 1 region film
mass * 39.95
displace_atoms all random 0.1 0.1 0.1 12345
velocity all create 60 4321
"""
    model = unified(LennardJones(), folder=tmp_path)
    found = simulate(model, "nve", tmp_path, ranks=2, steps=5, system=film)
    expected = simulate(LJ, "nve", tmp_path / "lj", steps=5, system=film)
    assert_same(found, expected)


def test_a_restart_goes_on_where_the_run_ended(tmp_path):
    model = unified(LennardJones(), folder=tmp_path)
    whole = simulate(model, "nve", tmp_path, steps=10)
    first = ARGON.format(types=1) + model + ENSEMBLES["nve"] + "run 5\nwrite_restart half\n"
    assert run(first, tmp_path).code == 0
    half = "read_restart half\ntimestep 0.002\n"
    second = simulate(model, "nve", tmp_path, steps=5, system=half)
    np.testing.assert_allclose(second.atoms[:, 1:7], whole.atoms[:, 1:7], rtol=0, atol=1e-8)


def test_a_second_pair_style_and_clear_start_anew(tmp_path):
    unified(LennardJones(elements=("Ne", "Ar")), folder=tmp_path, name="other.pt")
    model = unified(LennardJones(), folder=tmp_path)
    other = model.replace("model.pt", "other.pt")
    start = ARGON.format(types=1)
    script = start + other + "run 0\n" + model + "run 0\nclear\n" + start + model + "run 0\n"
    energies = run(script, tmp_path).thermo[:, 2]
    assert len(energies) == 3
    assert (energies == energies[0]).all()
    assert energies[0] != 0.0
