"""Stress as a target: on a bond whose ensemble is known, and in training."""

from dataclasses import replace

import pytest
import torch
from test_reweight import CELL, KT, SPECIES, STIFFNESS, TEMPERATURE, Bond, drawn
from training import PLAN, correction, metrics, state, trainer

from ocvf_lmp.errors import InputError
from ocvf_lmp.fit.experiment import Experiment
from ocvf_lmp.fit.fluctuations import fluctuations
from ocvf_lmp.fit.logbook import Logbook
from ocvf_lmp.fit.objective import NamedTarget
from ocvf_lmp.fit.reweight import pooled_gradient
from ocvf_lmp.fit.stress import (
    PRESSURE,
    StressTarget,
    explicit_slopes,
    pressure_of,
    virial_pressure,
    with_part,
    without_part,
)
from ocvf_lmp.md.engine import Frame
from ocvf_lmp.md.forcefield import ForceField
from ocvf_lmp.md.parameters import NptParameters
from ocvf_lmp.seeding import normal, stream
from ocvf_lmp.units import NKTV2P

VOLUME = 40.0**3
UNIT = NKTV2P / VOLUME


def with_pressures(bond, n_frames=8000, seed=3):
    """Frames of the exact ensemble with the pressure of the bond, no kinetic part."""
    frames = drawn(seed, n_frames=n_frames)
    field = ForceField(bond, SPECIES)
    table = torch.stack(
        [virial_pressure(field, x, h) for x, h in zip(frames.positions, frames.cells, strict=True)]
    )
    return replace(frames, observables=frames.observables | {PRESSURE: table})


def trace(means):
    return means[PRESSURE].trace()


def test_the_virial_of_a_spring_does_not_depend_on_its_stiffness():
    """Σ P_aa V = -k <r²> = -3 kT: the explicit part cancels the covariance."""
    bond, frames = Bond(), with_pressures(Bond())
    rest = without_part(bond, SPECIES, frames)
    assert float(rest.observables[PRESSURE].abs().max()) < 1e-9
    found = with_part(bond, SPECIES, rest, fluctuations(bond, SPECIES, rest, TEMPERATURE))
    gradient = pooled_gradient([found], TEMPERATURE, trace)
    assert gradient.loss == pytest.approx(-3.0 * KT * UNIT, rel=0.05)
    explicit = float(found.explicit[PRESSURE]["stiffness"][[0, 4, 8]].sum())
    assert explicit == pytest.approx(-3.0 * KT / STIFFNESS * UNIT, rel=0.6)  # 16 frames
    slope, error = gradient.gradients["stiffness"].item(), gradient.errors["stiffness"].item()
    # what 16 frames leave of the explicit part's noise
    spread = 3.0 * KT / STIFFNESS * UNIT * (2.0 / 3.0 / 16.0) ** 0.5
    assert abs(slope) < 3.5 * (error**2 + spread**2) ** 0.5


def test_the_pressure_at_other_parameters_is_that_of_the_other_spring():
    other, frames = 2.3, with_pressures(Bond(), 6000)
    rest = without_part(Bond(), SPECIES, frames)
    moved = Bond(other)
    found = with_part(moved, SPECIES, rest, fluctuations(moved, SPECIES, rest, TEMPERATURE))
    gradient = pooled_gradient([found], TEMPERATURE, trace, min_effective=0.3)
    assert gradient.loss == pytest.approx(-3.0 * KT * UNIT, rel=0.06)
    fixed = without_part(moved, SPECIES, frames)
    assert float(fixed.observables[PRESSURE].abs().max()) > 0.0


def test_explicit_slopes_are_the_derivatives_of_the_pressure():
    frames, step = with_pressures(Bond(), 16), 1e-5
    weights = torch.full((16,), 1 / 16, dtype=torch.float64)
    found = explicit_slopes(Bond(), SPECIES, frames, weights)["stiffness"][:, 0]
    means = []
    for sign in (1, -1):
        field = ForceField(Bond(STIFFNESS + sign * step), SPECIES)
        table = [
            virial_pressure(field, x, h)
            for x, h in zip(frames.positions, frames.cells, strict=True)
        ]
        means.append(torch.stack(table).mean(dim=0))
    expected = ((means[0] - means[1]) / (2 * step)).flatten()
    assert torch.allclose(found, expected, rtol=1e-6, atol=1e-8)


def test_a_frame_that_is_turned_has_the_same_pressure():
    cell = CELL + torch.tensor([[0, 0, 0], [3.0, 0, 0], [1.0, 2.0, 0]]).double()
    pressure = normal((3, 3), stream(1, "pressure"))
    pressure = pressure + pressure.T
    turn = torch.linalg.qr(normal((3, 3), stream(2, "turn")))[0]
    turn = turn * torch.linalg.det(turn)
    one = Frame(1, torch.zeros(2, 3).double(), cell, 100.0, pressure, 0.0)
    two = replace(one, cell=cell @ turn, pressure=turn.T @ pressure @ turn)
    assert torch.allclose(pressure_of(one), pressure, atol=1e-12)
    assert torch.allclose(pressure_of(two), pressure, atol=1e-12)


def fixed_state(target):
    return replace(
        state(), params=NptParameters(temperature=100.0, timestep=0.002, mode="fixed"),
        targets=[NamedTarget("stress", target)],
    )  # fmt: skip


def test_training_on_the_stress_of_a_fixed_cell(prior, tmp_path):
    plan = replace(PLAN, estimator="reweight", sampling=64, sample_every=2, relaxation=4,
                   min_signal=0.0, learning_rate=0.05, evaluation=200)  # fmt: skip
    target = StressTarget((-3e4, -3e4, -3e4, 0, 0, 0), error=1e4)
    found = trainer(prior, tmp_path, [fixed_state(target)], plan)
    found.run()
    lines = metrics(tmp_path)
    assert lines[0]["parts"].keys() == {"stress"}
    assert lines[-1]["loss"] < lines[0]["loss"]


def test_the_adjoint_cannot_see_a_stress(prior, tmp_path):
    states = [fixed_state(StressTarget((0.0,) * 6))]
    logbook = Logbook(tmp_path, {}, shared=True)
    with pytest.raises(InputError, match="estimator: reweight"):
        Experiment(prior, {"100K": correction()}, states, PLAN, logbook)
