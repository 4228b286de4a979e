"""LAMMPS as the engine of a training."""

import dataclasses

import pytest
import torch
from lmp_runs import needs_plugin

from ocvf_lmp.errors import InputError, LammpsError, SimulationError
from ocvf_lmp.lammps.cells import distorted_cell
from ocvf_lmp.lammps.dynamics import Host
from ocvf_lmp.lammps.engine import LammpsEngine
from ocvf_lmp.lammps.inputs import overlay
from ocvf_lmp.lammps.model_file import export_model
from ocvf_lmp.lammps.run import find_lammps
from ocvf_lmp.md.engine import Twin
from ocvf_lmp.md.forcefield import ForceField
from ocvf_lmp.md.mechanics import evaluate
from ocvf_lmp.md.parameters import NptParameters
from ocvf_lmp.md.state import initial_state
from ocvf_lmp.potential.blocks import DimeNetSize
from ocvf_lmp.potential.composite import Corrected
from ocvf_lmp.potential.dimenet import DimeNet
from ocvf_lmp.potential.elsewhere import Elsewhere
from ocvf_lmp.potential.repulsion import Repulsion
from ocvf_lmp.seeding import normal, stream
from ocvf_lmp.system.cell import lower_triangular
from ocvf_lmp.system.neighbors import build_neighbors
from ocvf_lmp.units import NKTV2P

SYMBOLS = ("Ba", "Ti", "O")


def model():
    size = DimeNetSize(cutoff=4.0, n_features=8, n_angular=4, n_radial=4, l_max=1)
    network = DimeNet(SYMBOLS, size, stream(3, "correction"))
    core = Repulsion(SYMBOLS, torch.full((3, 3), 1.5, dtype=torch.float64))
    return Corrected(core, network)


def start(params):
    """A tilted cell that is not lower triangular."""
    s = distorted_cell(SYMBOLS, (2, 2, 2), 4)
    turn = torch.linalg.qr(normal((3, 3), stream(5, "turn")))[0]
    turn = turn * torch.linalg.det(turn)
    noise = normal((s.n_atoms, 3), stream(6, "momenta"))
    return s, initial_state(s.positions @ turn, s.cell @ turn, s.masses, params, noise)


@needs_plugin
@pytest.mark.parametrize("ranks", [1, 2])
def test_lammps_runs_the_trajectory_of_the_twin_at_constant_volume(ranks):
    """Nosé-Hoover chains of the same length and time scale: the same motion, frame by frame."""
    params = NptParameters(temperature=300.0, timestep=5e-4, t_damp=0.05, mode="fixed")
    structure, state = start(params)
    potential = model()
    seen = {}
    for name, engine in (("twin", Twin()), ("lmp", LammpsEngine(Host(find_lammps(), ranks=ranks)))):
        frames = []
        end = engine.run(potential, structure.species, state, params, 20, 5, frames.append)
        seen[name] = frames, end
    twin, lmp = seen["twin"], seen["lmp"]
    assert [frame.step for frame in lmp[0]] == [5, 10, 15, 20]
    _, rotation = lower_triangular(state.cell)
    for ours, theirs in zip(twin[0], lmp[0], strict=True):
        assert torch.allclose(ours.positions @ rotation, theirs.positions, atol=1e-6)
        assert theirs.energy == pytest.approx(ours.energy, rel=1e-8)
        assert theirs.temperature == pytest.approx(ours.temperature, rel=1e-4)
        turned = rotation.T @ ours.pressure @ rotation
        assert torch.allclose(turned, theirs.pressure, rtol=1e-4, atol=1.0)
    assert torch.allclose(twin[1].momenta @ rotation, lmp[1].momenta, atol=1e-3)


@needs_plugin
@pytest.mark.parametrize("mode", ["flexible", "orthogonal", "isotropic"])
def test_the_frames_of_a_barostat_are_consistent(mode):
    """Energy and pressure of a frame are those of its positions and cell in Python."""
    params = NptParameters(temperature=300.0, timestep=1e-3, p_damp=0.2, mode=mode)
    structure, state = start(params)
    potential, frames = model(), []
    engine = LammpsEngine(Host(find_lammps()))
    end = engine.run(potential, structure.species, state, params, 10, 5, frames.append)
    for frame in frames:
        listed = build_neighbors(frame.positions, frame.cell, potential.cutoff)
        found = evaluate(potential, structure.species, frame.positions, frame.cell, listed)
        assert frame.energy == pytest.approx(float(found.energy), rel=1e-9)
        virial = found.virial / torch.linalg.det(frame.cell) * NKTV2P
        kinetic = frame.pressure - virial
        off = kinetic - torch.diag(kinetic.diagonal())
        assert bool((kinetic.diagonal() > 0).all())
        assert float(off.abs().max()) < float(kinetic.diagonal().max())
    assert torch.equal(end.cell, frames[-1].cell)
    assert not torch.equal(end.cell, lower_triangular(state.cell)[0])


@needs_plugin
def test_a_prior_of_lammps_under_the_correction(tmp_path):
    """With the correction, the energy differs by what Python says that it is."""
    params = NptParameters(temperature=100.0, timestep=1e-4, mode="fixed")
    structure, state = start(params)
    commands = [
        "pair_style zbl 3.0 4.0", "pair_coeff 1 1 56 56", "pair_coeff 2 2 22 22",
        "pair_coeff 3 3 8 8",
    ]  # fmt: skip
    potential = Corrected(Elsewhere(SYMBOLS, commands), model().correction)
    engine = LammpsEngine(Host(find_lammps(), commands))
    energies = []
    for weight in (1.0, 0.0):
        potential.correction.scale.mul_(weight)
        engine.run(
            potential, structure.species, state, params, 1, 1,
            lambda frame: energies.append((frame.energy, frame.positions, frame.cell)),
        )  # fmt: skip
    (whole, positions, cell), (prior, *_) = energies
    with torch.no_grad():
        delta = ForceField(model().correction, structure.species).energy(positions, cell)
    assert abs(float(delta)) > 1e-3
    # the two runs part by what the correction's forces do in a tenth of a femtosecond
    assert whole - prior == pytest.approx(float(delta), rel=1e-2)
    with pytest.raises(InputError, match="--delta-only"):
        export_model(tmp_path / "model.pt", potential)
    with pytest.raises(InputError, match="only LAMMPS knows"):
        Twin().run(potential, structure.species, state, params, 1, 1, lambda frame: None)


@needs_plugin
def test_what_goes_wrong_in_lammps_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))  # failed runs leave their folders
    params = NptParameters(temperature=300.0, mode="fixed")
    structure, state = start(params)
    broken = LammpsEngine(Host(find_lammps(), ["pair_style no/such/style"]))
    with pytest.raises(LammpsError, match="no/such/style"):
        broken.run(model(), structure.species, state, params, 1, 1, lambda frame: None)
    close = state.positions.clone()
    close[1] = close[0] + 0.01
    state = dataclasses.replace(state, positions=close)
    with pytest.raises((LammpsError, SimulationError)):
        LammpsEngine(Host(find_lammps())).run(
            model(), structure.species, state, params, 5, 5, lambda frame: None
        )


def test_commands_of_a_prior_are_laid_under_the_model():
    model, symbols = "mliap unified model.pt 0", ("Ba", "O")
    assert overlay([], model, symbols).splitlines() == [
        "pair_style mliap unified model.pt 0", "pair_coeff * * Ba O",
    ]  # fmt: skip
    one = overlay(["pair_style lj/cut 8.0", "pair_coeff 1 2 0.1 3.0"], model, symbols)
    assert one.splitlines() == [
        "pair_style hybrid/overlay lj/cut 8.0 mliap unified model.pt 0",
        "pair_coeff 1 2 lj/cut 0.1 3.0",
        "pair_coeff * * mliap Ba O",
    ]
    two = overlay(
        ["pair_style hybrid/overlay a 1 b 2", "pair_coeff * * a x", "kspace_style pppm 1e-5"],
        model, symbols,
    )  # fmt: skip
    assert two.splitlines()[0] == "pair_style hybrid/overlay a 1 b 2 mliap unified model.pt 0"
    assert "kspace_style pppm 1e-5" in two
    with pytest.raises(InputError, match="one command pair_style"):
        overlay(["pair_coeff 1 1 1.0"], model, symbols)
