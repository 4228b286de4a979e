"""A LAMMPS input of the user's as the prior, and the core-shell model that is shipped as one."""

import dataclasses
import subprocess
import tempfile

import pytest
import torch
import yaml
from lmp_runs import BIN, needs_plugin
from test_engine import SYMBOLS, model, start

from ocvf_lmp.build.engine import build_engine
from ocvf_lmp.build.prior import build_prior
from ocvf_lmp.config.file import load_config
from ocvf_lmp.config.priors import LammpsPriorConfig
from ocvf_lmp.errors import InputError, LammpsError
from ocvf_lmp.lammps.cells import distorted_cell, write_data
from ocvf_lmp.lammps.dynamics import Host
from ocvf_lmp.lammps.engine import LammpsEngine
from ocvf_lmp.lammps.frames import read_frames, read_thermo
from ocvf_lmp.lammps.inputs import atom_style_of
from ocvf_lmp.lammps.model_file import export_model
from ocvf_lmp.lammps.run import find_lammps, run_lammps
from ocvf_lmp.md.forcefield import ForceField
from ocvf_lmp.md.parameters import NptParameters
from ocvf_lmp.md.state import initial_state
from ocvf_lmp.observables.lattice import lattice_parameters
from ocvf_lmp.potential.composite import Corrected
from ocvf_lmp.potential.elsewhere import Elsewhere
from ocvf_lmp.seeding import normal, stream
from ocvf_lmp.system.structure import perovskite
from ocvf_lmp.units import KB, MVV2E

# What a user may write for a Lennard-Jones prior: order, extra columns and frames are free.
OWN = """
atom_style full
units metal
box tilt large
read_data start.data
include "${here}/pairs.lmp"
pair_coeff * * mliap Ba Ti O
neighbor 2.0 bin
neigh_modify every 1 delay 0 check yes
minimize 0.0 0.0 0 0
reset_timestep 0
timestep ${timestep}
fix 1 all npt temp ${temperature} ${temperature} ${t_damp} &
  ${barostat} ${pressure} ${pressure} ${p_damp} flip no
thermo_style custom step vol pe temp pxx pyy pzz pxy pxz pyz
thermo_modify format float %.15g
thermo 1
dump 1 all custom ${every} frames.dump xu yu zu type id
dump_modify 1 format float %.15g
run ${steps}
write_dump all custom last.dump type id vx vy vz xu yu zu modify format float %.17g
"""
PAIRS = ["pair_style lj/cut 6.0", "pair_coeff * * 0.01 2.5"]
LAID_UNDER = """
pair_style hybrid/overlay lj/cut 6.0 mliap unified ${model} ${ghosts}
pair_coeff * * lj/cut 0.01 2.5
"""
# Quick to run: no model is loaded.
NOTHING = """
units metal
atom_style atomic
print "${model} ${temperature} ${timestep} ${every}"
box tilt large
read_data start.data
pair_style zero 4.0
pair_coeff * *
thermo 1
"""
THERMO = "thermo_style custom step temp pe pxx pyy pzz pxy pxz pyz\n"
RUN = "dump 1 all custom 1 frames.dump id type xu yu zu\nrun ${steps}\n"
LAST = "write_dump all custom last.dump id type xu yu zu\n"


@pytest.fixture(autouse=True)
def folders_of_runs(tmp_path, monkeypatch):
    """Runs that fail leave their folders behind."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def lay_over(commands=("",)):
    return Corrected(Elsewhere(SYMBOLS, commands), model().correction)


@needs_plugin
def test_an_input_of_the_users_gives_the_frames_of_the_one_made_here(tmp_path):
    (tmp_path / "in.own").write_text(OWN)
    (tmp_path / "pairs.lmp").write_text(LAID_UNDER)
    params = NptParameters(temperature=300.0, timestep=1e-3, p_damp=0.2)
    structure, state = start(params)
    found = []
    for prior in (PAIRS, tmp_path / "in.own"):
        frames, engine = [], LammpsEngine(Host(find_lammps(), prior))
        end = engine.run(lay_over(), structure.species, state, params, 10, 5, frames.append)
        found.append((frames, end))
    (made, made_end), (own, own_end) = found
    assert [frame.step for frame in own] == [frame.step for frame in made] == [5, 10]
    for ours, theirs in zip(made, own, strict=True):
        assert torch.allclose(ours.positions, theirs.positions, rtol=0, atol=1e-10)
        assert torch.allclose(ours.cell, theirs.cell, rtol=0, atol=1e-10)
        assert torch.allclose(ours.pressure, theirs.pressure, rtol=1e-8)
        assert theirs.energy == pytest.approx(ours.energy, rel=1e-11)
        assert theirs.temperature == pytest.approx(ours.temperature, rel=1e-10)
    assert torch.allclose(made_end.momenta, own_end.momenta, atol=1e-8)
    assert not list(tmp_path.glob("ocvf-run-*"))


@needs_plugin
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (NOTHING + "no_such_command\n" + RUN, "no_such_command"),
        (NOTHING + THERMO + "run ${steps}\n" + LAST, "frames.dump"),
        (NOTHING + THERMO + RUN.replace("${steps}", "$(v_steps-1)"), "none of step 2"),
        (NOTHING + THERMO + "group few id 1:7\n" + RUN.replace("all", "few"), "found 7 atoms"),
        (NOTHING + THERMO + "set atom 1 type 3\n" + RUN, "other types"),
        (NOTHING + RUN + LAST, "no Temp, PotEng"),
        (NOTHING + THERMO + RUN, "last.dump"),
        (NOTHING + THERMO + RUN + LAST, "vx vy vz"),
    ],
)
def test_an_input_that_does_not_do_its_part_is_told_so(tmp_path, text, message):
    (tmp_path / "in.own").write_text(text)
    params = NptParameters(mode="fixed")
    structure, state = start(params)
    if "no Temp" in message:  # the columns that LAMMPS prints unless asked for others
        text = text.replace("thermo 1", "thermo 1\nthermo_style custom step press vol")
        (tmp_path / "in.own").write_text(text)
    engine = LammpsEngine(Host(find_lammps(), tmp_path / "in.own"))
    with pytest.raises(LammpsError, match=message):
        engine.run(lay_over(), structure.species, state, params, 2, 1, lambda frame: None)
    (left,) = tmp_path.glob("ocvf-run-*")
    assert (left / "log.lammps").is_file()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("${temperature}", "300.0"), "nothing of temperature"),
        (("${steps}", "1000"), "nothing of steps"),
        (("${every}", "10 # ${every}"), "nothing of every"),
        (("atom_style full", "atom_style sphere"), "found sphere"),
        (("atom_style full", ""), "found none"),
    ],
)
def test_an_input_that_cannot_be_right_is_refused_before_it_runs(tmp_path, change, message):
    path = tmp_path / "in.own"
    path.write_text(OWN + LAID_UNDER)
    assert atom_style_of(path) == "full"
    path.write_text((OWN + LAID_UNDER).replace(*change))
    with pytest.raises(InputError, match=message):
        atom_style_of(path)


def test_a_file_of_an_input_is_told_from_commands(tmp_path, root):
    with pytest.raises(InputError, match="no such file"):
        build_prior(LammpsPriorConfig(lammps=str(tmp_path / "in.nowhere")))
    commands = build_prior(LammpsPriorConfig(lammps="\n".join(PAIRS)))
    assert commands.in_lammps == tuple(PAIRS)
    path = root / "inputs" / "in.bto_shells"
    prior = build_prior(LammpsPriorConfig(lammps=str(path)))
    assert prior.in_lammps == path
    assert prior.provenance["text"] == path.read_text()
    with pytest.raises(InputError, match="atom style"):
        write_data(tmp_path / "x", distorted_cell(SYMBOLS, (1, 1, 1), 1), atom_style="sphere")


# ---------------------------------------------------------------- inputs/in.bto_shells


def polar(size, params, lattice=4.02):
    structure = perovskite(SYMBOLS, (size,) * 3, (lattice,) * 3, (0.02, 0.02, 0.12))
    noise = normal((structure.n_atoms, 3), stream(8, "momenta"))
    masses = structure.masses
    return structure, initial_state(structure.positions, structure.cell, masses, params, noise)


def shells(root, folder, structure, **variables):
    """Runs the shipped input on given atoms at rest; its thermodynamics."""
    write_data(folder / "start.data", structure, atom_style="full")
    path = root / "inputs" / "in.bto_shells"
    run_lammps(find_lammps(), path, folder, variables=variables, timeout=500.0)
    return read_thermo(folder / "log.lammps")


@needs_plugin
def test_the_cubic_cell_of_the_core_shell_model_is_that_of_the_world(root, tmp_path):
    """Free of pressure at a0 = 3.9902 Å (data/README.md, from another input of the model)."""
    cubic = perovskite(SYMBOLS, (2, 2, 2), (3.9902,) * 3)
    (row,) = shells(root, tmp_path, cubic, steps=0).values()
    assert row["Temp"] == 0.0
    assert [row[k] for k in ("Pxx", "Pyy", "Pzz")] == pytest.approx([0.0] * 3, abs=300.0)


@needs_plugin
def test_the_correction_acts_on_the_cores_of_the_core_shell_model(root):
    """Its energy is what it is in Python; positions do not move in steps of 10⁻⁶ fs."""
    params = NptParameters(temperature=100.0, timestep=1e-9, mode="fixed")
    structure, state = polar(2, params)
    potential, energies, frame = lay_over(), [], None
    engine = LammpsEngine(Host(find_lammps(), root / "inputs" / "in.bto_shells"))
    for weight in (1.0, 0.0):
        seen = []
        potential.correction.scale.mul_(weight)
        engine.run(potential, structure.species, state, params, 1, 1, seen.append)
        (frame,) = seen
        energies.append(frame.energy)
    assert frame is not None
    assert torch.allclose(frame.positions, state.positions, atol=1e-7)
    with torch.no_grad():
        delta = ForceField(model().correction, structure.species).energy(
            frame.positions, frame.cell
        )
    assert abs(float(delta)) > 0.1
    assert energies[0] - energies[1] == pytest.approx(float(delta), rel=1e-6)


@needs_plugin
def test_shells_stay_cold_and_ions_are_handed_over_as_they_move(root, tmp_path):
    params = NptParameters(temperature=300.0, timestep=4e-4, p_damp=0.5)
    structure, state = polar(2, params)
    export_model(tmp_path / "delta.pt", lay_over(), delta_only=True)
    rows = shells(root, tmp_path, structure, model="delta.pt", temperature=300, steps=150, every=10)
    assert max(row["v_inner"] for row in rows.values()) < 15.0  # two per cent are adiabatic
    assert max(row["Temp"] for row in rows.values()) > 30.0

    frames, engine = [], LammpsEngine(Host(find_lammps(), root / "inputs" / "in.bto_shells"))
    end = engine.run(lay_over(), structure.species, state, params, 50, 25, frames.append)
    assert float(end.momenta.sum(dim=0).abs().max()) < 1e-6 * float(end.momenta.abs().sum())
    kinetic = MVV2E * float((end.momenta.square() / end.masses[:, None]).sum())
    temperature = kinetic / (3 * structure.n_atoms - 3) / KB
    assert temperature == pytest.approx(frames[-1].temperature, rel=1e-5)
    again = []
    still = dataclasses.replace(params, timestep=1e-9)
    engine.run(lay_over(), structure.species, end, still, 1, 1, again.append)
    assert again[0].temperature == pytest.approx(temperature, rel=1e-4)
    assert again[0].energy == pytest.approx(frames[-1].energy, abs=0.1)  # shells are relaxed anew


@needs_plugin
def test_a_time_step_too_long_for_shells_is_refused(root):
    params = NptParameters(temperature=300.0, timestep=1e-3)
    structure, state = polar(2, params)
    engine = LammpsEngine(Host(find_lammps(), root / "inputs" / "in.bto_shells"))
    with pytest.raises(LammpsError, match=r"at most 0\.0005 ps"):
        engine.run(lay_over(), structure.species, state, params, 2, 1, lambda frame: None)


@needs_plugin
@pytest.mark.slow
def test_the_volume_of_the_core_shell_model_is_that_of_the_world(root, tmp_path):
    """65.224 Å³ a cell at 300 K in data/world/world.yaml, of 6 × 6 × 6 cells; about 64.8 Å³ if the
    dispersion were not cut (data/README.md: lengths are 0.23 % larger for it)."""
    world = yaml.safe_load((root / "data" / "world" / "world.yaml").read_text())[300]
    variables = {"size": 4, "temperature": 300, "steps": 4000, "every": 100}
    path = root / "inputs" / "in.bto_shells"
    run_lammps(find_lammps(), path, tmp_path, variables=variables)
    rows = list(read_thermo(tmp_path / "log.lammps").values())[10:]
    volume = sum(row["Volume"] for row in rows) / len(rows) / 64
    assert volume == pytest.approx(world["volume_per_cell_A3"]["value"], abs=0.15)
    assert sum(row["Temp"] for row in rows) / len(rows) == pytest.approx(300.0, abs=20.0)
    inner = sum(row["v_inner"] for row in rows) / len(rows)
    assert inner == pytest.approx(world["core_shell_temperature_K"]["value"], abs=3.0)
    species = torch.tensor([0, 1, 2, 2, 2]).repeat(64)
    frames = read_frames(tmp_path / "frames.dump", range(1000, 4001, 100), species)
    cells = torch.stack([lattice_parameters(frame.cell, (4, 4, 4)) for frame in frames])
    longest = max(world["lengths_A"]["value"])
    assert float(cells[:, :3].mean(dim=0).max()) == pytest.approx(longest, abs=0.04)


def test_the_shipped_experiment_has_an_input_as_prior_and_an_experimental_lattice(root):
    config = load_config(root / "inputs" / "bto_shells.yaml")
    prior = build_prior(config.prior)
    assert prior.in_lammps == root / "inputs" / "in.bto_shells"
    facts = yaml.safe_load((root / "data" / "bto" / "experiment.yaml").read_text())
    (cubic,) = (fact for fact in facts["lattices"] if fact["id"] == "C_jona")
    (state,) = config.states
    (target,) = state.targets
    assert state.temperature == cubic["temperature"]["value"]
    assert list(target.lattice) == cubic["pseudocubic"]["lengths"]
    assert list(target.angles) == cubic["pseudocubic"]["angles"]
    twin = config.sampler.model_copy(update={"engine": "twin"})
    with pytest.raises(InputError, match="only LAMMPS knows"):
        build_engine(config.model_copy(update={"sampler": twin}), prior)


SMALL = """
name: shells
seed: 1
prior: {{lammps: {prior}}}
sampler: {{engine: lammps}}
sample: {{repeat: [2, 2, 2], lattice: [4.02, 4.02, 4.02]}}
correction: {{cutoff: 4.0, n_features: 8, n_angular: 4, n_radial: 4, l_max: 1}}
dynamics: {{timestep: 0.0004, p_damp: 0.5}}
training:
  {{epochs: 1, sampling: 100, relaxation: 10, sample_every: 5, equilibration: 20, evaluation: 50,
    evaluate_every: 10}}
states: [{{temperature: 100, targets: [{{lattice: [4.0022, 4.0022, 4.0022]}}]}}]
"""


@needs_plugin
@pytest.mark.slow
def test_a_training_with_the_core_shell_model_runs_to_its_end(root, tmp_path):
    (tmp_path / "x.yaml").write_text(SMALL.format(prior=root / "inputs" / "in.bto_shells"))
    run = tmp_path / "run"
    done = subprocess.run(
        [str(BIN / "ocvf-lmp"), "train", str(tmp_path / "x.yaml"), "--run", str(run)],
        capture_output=True, text=True, timeout=500, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "in.bto_shells" in done.stdout
    assert (run / "evaluation.json").is_file()
