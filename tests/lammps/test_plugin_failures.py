"""Everything that goes wrong ends all ranks, soon, with a text that says what to do."""

import importlib.metadata
import sys

import pytest
import torch
from lmp_runs import ARGON, BIN, LJ, errors_of, execute, needs_plugin, plugin_file, run, unified
from plugin_toys import Faulty, LennardJones

from ocvf_lmp.lammps.host import explain

pytestmark = [pytest.mark.lammps, needs_plugin]

SYSTEM = ARGON.format(types=1)


def assert_fails(result, *messages):
    assert result.code != 0
    for message in messages:
        assert message in result.text
    assert "Traceback" not in result.text
    assert result.text.count("ERROR: ") == 1  # of all ranks, not "ERROR on proc"


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("raise", "ArithmeticError: a {model} that fails"),
        pytest.param("exit", "SystemExit", marks=pytest.mark.slow),
        pytest.param("nan energy", "finite energies", marks=pytest.mark.slow),
        ("nan force", "1 components of forces that are not finite"),
    ],
)
def test_a_fault_on_one_rank_ends_all(fault, message, tmp_path):
    commands = unified(Faulty(fault), folder=tmp_path)
    script = SYSTEM + commands + "fix 1 all nve\nthermo 1\nrun 1000\n"
    result = run(script, tmp_path, ranks=2, timeout=60)
    assert_fails(result, message, "the model model.pt failed")
    assert result.thermo[-1, 0] == 2


def test_positions_that_are_not_numbers_are_found(tmp_path):
    commands = unified(LennardJones(), folder=tmp_path)
    script = f"""
import mpi4py.MPI
from lammps import lammps
instance = lammps(cmdargs=["-log", "none"])
instance.commands_string({SYSTEM + commands + "fix 1 all nve"!r})
instance.command("run 0")
instance.numpy.extract_atom("x")[7, 0] = float("nan")
instance.command("run 5 pre no")
"""
    result = execute([sys.executable, "-c", script], tmp_path)
    assert result.code != 0
    assert "positions that are not numbers" in result.text


def no_file(path):
    del path


def not_a_model_file(path):
    path.write_text("not a model")


def truncated(path):
    torch.save(LennardJones(), path)
    path.write_bytes(path.read_bytes()[:-500])


def plain_weights(path):
    torch.save({"weight": torch.zeros(3)}, path)


def of_a_lost_module(path):
    """Names a module that does not exist, in a pickle as old as pickles are."""
    path.write_bytes(b"cno_such_module\nModel\n.")


BAD_FILES = {
    no_file: "no file no_file.pt",
    not_a_model_file: "not_a_model_file.pt cannot be read",
    truncated: "truncated.pt cannot be read",
    plain_weights: "dict without element_types",
    of_a_lost_module: "no_such_module",
}
GOOD = "pair_style mliap unified model.pt 0"
WRONG_COMMANDS = [
    ("units metal", "units real", "units real"),
    ("units metal", "units metal\nnewton off", "newton off"),
    ("* * Ar", "* * Xe", "elements of the model model.pt: Ar"),
    ("* * Ar", "* * Ar Ar", "one for each atom type"),
    ("* * Ar", "* * NULL", "pair coeffs are not set"),
    (GOOD, "pair_style mliap model linear x descriptor sna y", "pair_style mliap unified FILE"),
    (GOOD, "pair_style mliap unified model.pt 2", "2"),
]


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """What LAMMPS answers to each of the bad files and wrong commands, by its description."""
    folder = tmp_path_factory.mktemp("answers")
    script = SYSTEM + unified(LennardJones(), folder=folder) + "run 0\n"
    cases = {"": script}
    for write in BAD_FILES:
        write(folder / f"{write.__name__}.pt")
        cases[write.__name__] = script.replace("model.pt", f"{write.__name__}.pt")
    cases["a bug"] = script + unified(Faulty("raise"), folder=folder, name="bug.pt") + "run 5\n"
    for old, new, _ in WRONG_COMMANDS:
        assert old in script
        cases[new] = script.replace(old, new)
    return dict(zip(cases, errors_of(list(cases.values()), folder), strict=True))


@pytest.mark.parametrize(("write", "message"), BAD_FILES.items())
def test_a_bad_model_file_is_refused(write, message, answers):
    assert answers[""] == ""
    assert message in answers[write.__name__]
    assert "to do:" in answers[write.__name__]
    assert "Traceback" not in answers[write.__name__]


@pytest.mark.parametrize(("new", "message"), [(new, text) for _, new, text in WRONG_COMMANDS])
def test_a_wrong_command_is_refused(new, message, answers):
    assert message in answers[new]


def test_the_place_of_an_unforeseen_error_is_told(answers):
    found = answers["a bug"]
    assert "ArithmeticError: a {model} that fails\n  in compute_forces, " in found
    assert "plugin_toys.py line" in found
    assert "Traceback" not in found


def test_the_whole_traceback_is_told_on_request(monkeypatch):
    monkeypatch.setenv("OCVF_TRACEBACK", "1")
    with pytest.raises(ArithmeticError) as caught:
        raise ArithmeticError("a bug")
    assert explain(caught.value).startswith("Traceback (most recent call last)")


def test_a_missing_model_file_ends_all_ranks(tmp_path):
    script = SYSTEM + "pair_style mliap unified model.pt 0\n"
    assert_fails(run(script, tmp_path, ranks=2, timeout=60), "no file model.pt", "to do:")


@pytest.fixture
def other_version(tmp_path):
    """The plugin as if compiled for another day's LAMMPS, which is a string of equal length."""
    installed = importlib.metadata.version("lammps")
    assert installed.startswith("2025.7.22")
    folder = tmp_path / "other"
    folder.mkdir()
    code = plugin_file().read_bytes()
    assert b"22 Jul 2025\0" in code
    (folder / "ocvfplugin.so").write_bytes(code.replace(b"22 Jul 2025\0", b"21 Jul 2025\0"))
    return {"OCVF_PLUGIN": "0", "LAMMPS_PLUGIN_PATH": str(folder)}


def test_another_version_of_lammps_is_refused(other_version, tmp_path):
    commands = unified(LennardJones(), folder=tmp_path, style="mliap/ocvf")
    result = run(SYSTEM + commands + "run 0\n", tmp_path, **other_version)
    assert_fails(result, "expected: LAMMPS 21 Jul 2025", "found: LAMMPS of 20250722", "reinstall")


def test_another_version_of_lammps_still_runs_everything_else(other_version, tmp_path):
    result = run(SYSTEM + LJ + "run 0\n", tmp_path, ranks=2, **other_version)
    assert result.code == 0
    assert result.text.count("WARNING: pair_style mliap/ocvf cannot be used") == 1


def test_a_lammps_that_does_not_know_its_python_says_what_to_set(tmp_path):
    commands = unified(LennardJones(), folder=tmp_path)
    lammps = importlib.metadata.distribution("lammps").locate_file("lammps/lmp")
    (tmp_path / "in.test").write_text(SYSTEM + commands + "run 0\n")
    variables = {
        "LAMMPS_PLUGIN_PATH": str(plugin_file().parent),
        "LD_LIBRARY_PATH": str(BIN.parent / "lib"),
    }
    command = [str(lammps), "-in", "in.test"]
    assert_fails(execute(command, tmp_path, **variables), "OCVF_LIBPYTHON", "eval")
    shell = f'eval "$({sys.executable} -m ocvf_lmp.lammps.plugin)"; exec "$0" "$@"'
    result = execute(["sh", "-c", shell, *command], tmp_path, **variables)
    assert result.code == 0, result.text
