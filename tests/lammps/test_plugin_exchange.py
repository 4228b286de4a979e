"""Message passing through the plugin: rows of ghosts from their owners, and gradients back."""

import numpy as np
import pytest
from lmp_runs import ARGON, DUMP, MEASURE, needs_plugin, run, unified
from plugin_toys import MessagePassing

pytestmark = [pytest.mark.lammps, needs_plugin]

SYSTEM = ARGON.format(types=1)
NPT = "fix 1 all npt temp 60 60 0.1 tri 0 0 1.0\nthermo 5\nrun 10\n"
COMM = "comm_modify cutoff 18.0\n"


def simulate(model, folder, *, ranks=1, flag=0, before="", system=SYSTEM, dynamics=NPT):
    folder.mkdir(exist_ok=True)
    script = system + before + unified(model, flag=flag, folder=folder) + MEASURE + dynamics + DUMP
    result = run(script, folder, ranks=ranks)
    assert result.code == 0, result.text
    return result


def assert_same(found, expected, relative=1e-10):
    for a, b in ((found.thermo, expected.thermo), (found.atoms, expected.atoms)):
        assert np.isfinite(a).all()
        assert (np.abs(a - b) <= relative * np.abs(b).max(0) + 1e-12).all()


@pytest.mark.parametrize("width", [300, pytest.param(3, marks=pytest.mark.slow)])
def test_two_ranks_agree_with_one_for_any_width(width, tmp_path):
    model = MessagePassing(width)
    one = simulate(model, tmp_path / "1")
    assert abs(one.thermo[0, 1]) > 1.0
    assert_same(simulate(model, tmp_path / "2", ranks=2), one)


@pytest.mark.slow
def test_exchange_agrees_with_the_neighbours_of_ghosts(tmp_path):
    """The only way of ML-IAP without Kokkos: pairs centred on ghosts, a wider shell of ghosts."""
    one = simulate(MessagePassing(), tmp_path / "exchange")
    model = MessagePassing(exchange=False)
    assert_same(simulate(model, tmp_path / "g2", ranks=2, flag=1, before=COMM), one)


@pytest.mark.slow
def test_tiled_communication_exchanges_too(tmp_path):
    one = simulate(MessagePassing(130), tmp_path / "brick")
    tiled = simulate(
        MessagePassing(130), tmp_path / "tiled", ranks=2,
        before="comm_style tiled\nbalance 1.0 rcb\n",
    )  # fmt: skip
    assert_same(tiled, one)


def test_forces_and_virial_are_derivatives_of_the_energy(tmp_path):
    dynamics = """
fix force all numdiff 1 1e-5
fix virial all numdiff/virial 1 1e-5
variable worst atom abs(f_force[1]-fx)+abs(f_force[2]-fy)+abs(f_force[3]-fz)
compute worst all reduce max v_worst
compute p all pressure NULL virial
thermo_style custom step c_worst c_p[*] f_virial[*]
thermo_modify format float %.16g
run 0
"""
    mapped = SYSTEM.replace("units metal", "units metal\natom_modify map yes")
    mapped = mapped.replace("block 0 4 0 4 0 4", "block 0 2 0 2 0 2")
    model = MessagePassing()
    row = simulate(model, tmp_path, ranks=2, system=mapped, dynamics=dynamics).thermo[0]
    assert 0.0 < row[1] < 1e-6
    xx, yy, zz, yz, xz, xy = row[8:14]
    np.testing.assert_allclose([xx, yy, zz, xy, xz, yz], row[2:8], rtol=1e-5, atol=1e-3)


def test_a_rank_without_atoms_exchanges_too(tmp_path):
    film = """
units metal
lattice fcc 5.35
region box block 0 12 0 4 0 4
region film block 0 2 0 4 0 4
processors * 1 1
create_box 1 box
create_atoms 1 region film
mass * 39.95
displace_atoms all random 0.1 0.1 0.1 12345
"""
    run0 = "thermo 5\nfix 1 all nve\nrun 5\n"
    one = simulate(MessagePassing(), tmp_path / "1", system=film, dynamics=run0)
    assert_same(
        simulate(MessagePassing(), tmp_path / "2", ranks=2, system=film, dynamics=run0), one
    )


def test_too_thin_a_shell_of_ghosts_is_refused(tmp_path):
    commands = unified(MessagePassing(exchange=False), flag=1, folder=tmp_path)
    result = run(SYSTEM + commands + "run 0\n", tmp_path)
    assert result.code != 0
    assert "comm_modify cutoff 18" in result.text


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("raise between exchanges", "ArithmeticError: a model that fails halfway"),
        ("leave early", "equally often on all ranks"),
    ],
)
def test_a_rank_that_misses_an_exchange_ends_all(fault, message, tmp_path):
    commands = unified(MessagePassing(fault=fault), folder=tmp_path)
    result = run(SYSTEM + commands + "run 1\n", tmp_path, ranks=2, timeout=60)
    assert result.code != 0
    assert message in result.text
    assert result.text.count("ERROR") == 1
