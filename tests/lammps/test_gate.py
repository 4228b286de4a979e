"""Models with experts at several temperatures: who says the temperature, and the same numbers."""

import math
import os

import pytest
from bto_models import SYMBOLS, builds, corrected, lammps_of, network, prior, system

from ocvf_lmp.errors import InputError, LammpsError
from ocvf_lmp.lammps import gate, parity
from ocvf_lmp.lammps.cells import distorted_cell, write_data
from ocvf_lmp.lammps.model_file import export_model, load_model
from ocvf_lmp.lammps.run import run_lammps
from ocvf_lmp.potential.composite import Corrected
from ocvf_lmp.potential.experts import Experts, experts_of

INPUT = """
velocity all create 200 7
{thermostat}
thermo_style custom step pe
thermo_modify format float %.15g
run 0
"""


def gated() -> Corrected:
    return Corrected(prior(), Experts([network(2), network(3)], (100.0, 300.0), 60.0))


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch):
    monkeypatch.delenv(gate.VARIABLE, raising=False)
    monkeypatch.setattr(gate, "_said", [])


def test_the_input_comes_before_the_environment_and_that_before_the_thermostat(monkeypatch):
    assert gate.wanted_temperature(120.0) == 120.0
    monkeypatch.setenv(gate.VARIABLE, "140")
    assert gate.wanted_temperature(120.0) == 140.0
    gate.set_temperature(160)
    assert gate.wanted_temperature(math.nan) == 160.0


@pytest.mark.parametrize("thermostat", [None, math.nan])
def test_without_any_temperature_the_message_says_how_to_give_one(thermostat):
    with pytest.raises(InputError, match="OCVF_TEMPERATURE=300"):
        gate.wanted_temperature(thermostat)


def test_a_temperature_that_is_no_number(monkeypatch):
    monkeypatch.setenv(gate.VARIABLE, "warm")
    with pytest.raises(InputError, match="'warm'"):
        gate.wanted_temperature(None)


def test_the_gate_follows_a_ramp_and_speaks_once(caplog):
    experts = experts_of(gated())
    follower = gate.Gate(experts)
    for temperature in (100.0, 150.0, 200.0):
        follower.follow(temperature)
        assert experts.temperature == temperature
    assert experts.weights == [0.5, 0.5]
    assert caplog.text.count("gate at") == 1


def test_outside_the_trained_range_a_warning_is_part_of_what_is_said():
    experts = experts_of(gated())
    experts.set_temperature(500.0)
    assert "WARNING: outside the trained range" in gate.Gate(experts).describe()
    experts.set_temperature(300.5)
    assert "WARNING" not in gate.Gate(experts).describe()


@pytest.mark.lammps
@pytest.mark.parametrize("build", builds())
def test_lammps_computes_what_python_computes_between_two_experts(build, tmp_path):
    export_model(tmp_path / "model.pt", gated())
    lammps = lammps_of(build)
    report = parity.check_model(
        tmp_path / "model.pt", lammps.lmp, ranks=(1, 2), arguments=lammps.arguments
    )
    assert max(row.relative for row in report.rows) < 1e-11


def run(build, folder, model, thermostat, environment=None):
    header = export_model(folder / "model.pt", model)
    lammps = lammps_of(build)
    write_data(folder / "cell.data", distorted_cell(SYMBOLS, (2, 2, 2), 3))
    text = system(lammps, header.reach) + INPUT.format(thermostat=thermostat)
    (folder / "in.gate").write_text(text)
    return run_lammps(lammps, "in.gate", folder, environment=environment, timeout=120)


def energy_of(text):
    lines = text.splitlines()
    row = next(k for k, line in enumerate(lines) if line.split() == ["Step", "PotEng"])
    return float(lines[row + 1].split()[1])


def in_python(folder, temperature):
    potential, _ = load_model(folder / "model.pt")
    experts_of(potential).set_temperature(temperature)
    return float(parity.in_python(potential, distorted_cell(SYMBOLS, (2, 2, 2), 3)).energy[0])


@pytest.mark.lammps
@pytest.mark.parametrize("build", builds()[:1])
def test_the_plugin_reads_the_thermostat(build, tmp_path):
    done = run(build, tmp_path, gated(), "fix npt all npt temp 190 190 0.1 iso 1 1 1")
    assert energy_of(done.text) == pytest.approx(in_python(tmp_path, 190.0), rel=1e-12)
    assert energy_of(done.text) != pytest.approx(in_python(tmp_path, 150.0), rel=1e-6)
    assert "gate at 190 K" in done.text


@pytest.mark.lammps
@pytest.mark.parametrize("build", builds())
def test_without_a_thermostat_the_environment_says_the_temperature_or_the_run_ends(build, tmp_path):
    with pytest.raises(LammpsError, match="OCVF_TEMPERATURE=300"):
        run(build, tmp_path, gated(), "fix nve all nve")
    done = run(build, tmp_path, gated(), "fix nve all nve", {gate.VARIABLE: "150"})
    assert energy_of(done.text) == pytest.approx(in_python(tmp_path, 150.0), rel=1e-12)


@pytest.mark.lammps
@pytest.mark.parametrize("build", builds()[:1])
def test_a_frozen_gate_asks_for_nothing(build, tmp_path):
    model = gated()
    experts = experts_of(model)
    experts.set_temperature(170.0)
    experts.frozen = True
    done = run(build, tmp_path, model, "fix nve all nve")
    assert energy_of(done.text) == pytest.approx(in_python(tmp_path, 170.0), rel=1e-12)


def test_a_model_without_experts_has_no_gate():
    assert experts_of(corrected()) is None
    assert gate.VARIABLE not in os.environ


@pytest.mark.lammps
@pytest.mark.parametrize("build", builds())
def test_the_production_input_tells_every_host_its_temperature(build, tmp_path, root):
    export_model(tmp_path / "model.pt", gated())
    variables = {"size": 2, "steps": 1, "temperature": 230}
    done = run_lammps(
        lammps_of(build), root / "inputs" / "in.bto_npt", tmp_path, 2, variables, timeout=120
    )
    assert done.text.count("gate at 230 K") == 1
