"""A correction on top of a calculator, against the same prior in torch."""

import argon
import pytest
import torch
from argon import ARGUMENTS, FACTORY, Argon, correction, crystal

from ocvf_lmp.errors import InputError
from ocvf_lmp.fit.ensemble import energies_of, sample
from ocvf_lmp.fit.fluctuations import energy_slopes
from ocvf_lmp.fit.reweight import reweighted_gradient
from ocvf_lmp.md.adjoint import adjoint_gradient
from ocvf_lmp.md.calculator import PotentialCalculator
from ocvf_lmp.md.engine import Twin
from ocvf_lmp.md.forcefield import ForceField
from ocvf_lmp.md.npt import conserved_energy
from ocvf_lmp.md.parameters import NptParameters
from ocvf_lmp.md.rollout import rollout
from ocvf_lmp.md.state import initial_state
from ocvf_lmp.potential.composite import Corrected
from ocvf_lmp.potential.foreign.calculator import calculator_prior
from ocvf_lmp.seeding import normal, stream
from ocvf_lmp.system.cell import strained
from ocvf_lmp.system.structure import from_ase

FAST = {"temperature": 40.0, "pressure": 200.0, "t_damp": 0.1, "p_damp": 0.3, "timestep": 0.004}


def boxed(factory=FACTORY):
    return Corrected(calculator_prior(factory, ("Ar",), ARGUMENTS), correction())


def in_torch():
    return Corrected(Argon(), correction())


def start(params):
    s = from_ase(crystal(), ("Ar",))
    noise = normal((s.n_atoms, 3), stream(3, "momenta"))
    return s.species, initial_state(s.positions, s.cell, s.masses, params, noise)


def observe(positions, cell):
    return {"volume": torch.linalg.det(cell), "spread": positions.var()}


def test_forces_and_virial_add_up_and_are_derivatives():
    species, state = start(NptParameters(**FAST))
    field, expected = (
        ForceField(model, species)(state.positions, state.cell) for model in (boxed(), in_torch())
    )
    alone = ForceField(correction(), species)(state.positions, state.cell)
    assert float(alone.forces.abs().max()) > 1e-3
    assert float(field.energy) == pytest.approx(float(expected.energy), rel=1e-12)
    assert float((field.forces - expected.forces).abs().max()) < 1e-13
    assert float((field.virial - expected.virial).abs().max()) < 1e-12

    of_boxed, step = ForceField(boxed(), species), 1e-4

    def energy(positions, cell):
        return of_boxed.energy(positions, cell).detach()

    moved = torch.zeros_like(state.positions)
    moved[7, 1] = step
    ends = [float(energy(state.positions + sign * moved, state.cell)) for sign in (1, -1)]
    assert float(field.forces[7, 1]) == pytest.approx(-(ends[0] - ends[1]) / (2 * step), abs=1e-7)
    strain = torch.zeros(3, 3, dtype=torch.float64)
    strain[0, 1] = strain[1, 0] = 0.5 * step
    ends = [
        float(energy(*strained(state.positions, state.cell, sign * strain))) for sign in (1, -1)
    ]
    assert float(field.virial[0, 1]) == pytest.approx(-(ends[0] - ends[1]) / (2 * step), abs=1e-5)


def test_a_bare_black_box_runs_too_and_as_a_calculator_of_ours():
    atoms = crystal()
    atoms.calc = PotentialCalculator(calculator_prior(FACTORY, ("Ar",), ARGUMENTS))
    other = crystal()
    other.calc = PotentialCalculator(Argon())
    assert abs(atoms.get_forces() - other.get_forces()).max() < 1e-13
    assert abs(atoms.get_stress() - other.get_stress()).max() < 1e-15


def test_an_npt_run_is_that_of_the_same_prior_in_torch_and_conserves_energy():
    def drift(n, model):
        params = NptParameters(**FAST | {"timestep": 0.4 / n})
        species, state = start(params)
        found = []
        end = rollout(
            model, species, state, params, n,
            lambda _, s, m: found.append(float(conserved_energy(s, m.energy, params))),
        )  # fmt: skip
        return float(torch.tensor(found).double().std()), end.state

    coarse, end = drift(50, boxed())
    fine, _ = drift(100, boxed())
    assert 3.0 < coarse / fine < 5.0  # second order
    assert fine < 1e-3
    expected = drift(50, in_torch())[1]
    assert float((end.positions - expected.positions).abs().max()) < 1e-10
    assert float((end.cell - expected.cell).abs().max()) < 1e-10
    before, after = start(NptParameters(**FAST))[1].cell, end.cell
    assert abs(float(torch.linalg.det(after) / torch.linalg.det(before)) - 1.0) > 1e-3


def volume(means):
    return means["volume"]


def sampled(model, n_steps=40):
    params = NptParameters(**FAST)
    species, state = start(params)
    part = model.correction
    return sample(Twin(), model, part, species, state, params, n_steps, 2, observe)[0], species


def test_reweighting_gives_the_gradient_of_the_same_prior_in_torch():
    found, expected = (
        reweighted_gradient(model.correction, species, frames, 40.0, volume, n_blocks=4)
        for model in (boxed(), in_torch())
        for frames, species in [sampled(model)]
    )
    size = max(float(v.abs().max()) for v in expected.gradients.values())
    assert size > 0.0
    for name, slope in found.gradients.items():
        assert float((slope - expected.gradients[name]).abs().max()) < 1e-8 * size


def test_slopes_of_the_whole_are_those_of_the_correction_without_more_evaluations():
    """The energies of frames that were run through are remembered."""
    model = boxed("argon:Counting")
    frames, species = sampled(model, 8)
    assert frames.n_frames == 4
    argon.Counting.calls = 0
    whole = energy_slopes(model, species, frames)
    alone = energy_slopes(model.correction, species, frames)
    for name, slope in alone.slopes.items():
        assert torch.equal(whole.slopes[Corrected.CORRECTION + name], slope)
    assert len(whole.slopes) == len(alone.slopes)
    expected = energies_of(in_torch(), species, frames.positions, frames.cells)
    assert float((whole.energies - expected).abs().max()) < 1e-11
    assert argon.Counting.calls == 0


def test_the_adjoint_is_refused_before_any_step_and_says_what_to_do():
    params = NptParameters(**FAST)
    species, state = start(params)
    model = boxed("argon:Counting")
    argon.Counting.calls = 0
    with pytest.raises(InputError, match=r"estimator: adjoint.*argon:Counting.*reweight"):
        adjoint_gradient(model, species, state, params, 4, observe, lambda m: m["volume"], 2)
    assert argon.Counting.calls == 0


def test_a_graph_through_a_black_box_is_refused():
    species, state = start(NptParameters(**FAST))
    field = ForceField(boxed(), species)
    with pytest.raises(InputError, match="reweight"):
        field(state.positions, state.cell, create_graph=True)
    for leaf in (0, 1):
        configuration = [state.positions.clone(), state.cell.clone()]
        configuration[leaf].requires_grad_(True)
        with pytest.raises(InputError, match="reweight"):
            field.energy(*configuration)
        with torch.no_grad():
            assert float(field.energy(*configuration)) < 0.0


def test_without_a_black_box_nothing_is_changed():
    """The potential itself is evaluated, not a copy or a sum."""
    model = in_torch()
    field = ForceField(model, torch.zeros(32, dtype=torch.long))
    assert field._smooth is model
    assert field._boxes == ()
