import pytest
import torch
from md_toy import Toy, relative, solid

from ocvf_lmp.errors import InputError, SimulationError
from ocvf_lmp.md.adjoint import adjoint_gradient
from ocvf_lmp.md.forcefield import ForceField
from ocvf_lmp.md.npt import Integrator, push_of
from ocvf_lmp.md.parameters import NptParameters
from ocvf_lmp.md.state import DYNAMIC
from ocvf_lmp.system.cell import lengths_angles

FAST = {"pressure": 5000.0, "t_damp": 0.05, "p_damp": 0.2}
TARGET = torch.tensor([8.2, 8.1, 8.3, 90.0, 89.0, 91.0], dtype=torch.float64)


def observe(positions, cell):
    near = (positions[:8] - positions[8:16]).square().sum(dim=1)
    return {"cell": lengths_angles(cell), "near": torch.exp(-near / 16.0), "unused": near.sum()}


def loss(means):
    return (means["cell"] - TARGET).square().sum() + 3.0 * means["near"].square().sum()


def by_autograd(potential, species, state, params, n_steps, every):
    """The same loss with the whole graph of the run in memory."""
    leaf = state.map(lambda t: t.clone().requires_grad_())
    force_field = ForceField(potential, species)

    def forces(positions, cell):
        return force_field(positions, cell, create_graph=True)

    integrator = Integrator(params, state.n_atoms)
    now, mechanics, frames = leaf, forces(leaf.positions, leaf.cell), []
    for step in range(1, n_steps + 1):
        now, mechanics = integrator.step(now, push_of(mechanics), forces)
        if step % every == 0:
            frames.append(observe(now.positions, now.cell))
    value = loss({k: torch.stack([f[k] for f in frames]).mean(dim=0) for k in frames[0]})
    wanted = [p for p in potential.parameters() if p.requires_grad]
    slopes = torch.autograd.grad(value, wanted + list(leaf.dynamic()), materialize_grads=True)
    return float(value.detach()), slopes[: len(wanted)], slopes[len(wanted) :]


@pytest.mark.parametrize("mode", ["flexible", "orthogonal", "isotropic", "fixed"])
def test_the_gradient_equals_full_automatic_differentiation(mode):
    n_steps = 100 if mode == "flexible" else 30
    params = NptParameters(**FAST, mode=mode, loops=2 if mode == "isotropic" else 1)
    species, state = solid(params)
    potential = Toy()
    found = adjoint_gradient(
        potential, species, state, params, n_steps, observe, loss, 10, anchor_every=40
    )
    value, slopes, initial = by_autograd(potential, species, state, params, n_steps, 10)
    assert found.loss == pytest.approx(value, rel=1e-13)
    assert found.frames == n_steps // 10
    for (name, one), other in zip(found.gradients.items(), slopes, strict=True):
        assert relative(one, other) < 1e-11, name
    for name, one, other in zip(DYNAMIC, found.initial_gradient.dynamic(), initial, strict=True):
        assert float((one - other).abs().max()) <= 1e-11 * float(other.abs().max()), name
    assert found.round_trip < 1e-12


def test_the_gradient_equals_central_differences():
    params = NptParameters(**FAST)
    species, state = solid(params)
    potential = Toy()

    def value():
        with torch.no_grad():
            return adjoint_free_loss(potential, species, state, params, 60)

    found = adjoint_gradient(potential, species, state, params, 60, observe, loss, 10)
    assert found.loss == pytest.approx(value(), rel=1e-13)
    for name in ("depth", "stiffness", "length"):
        entry = dict(potential.named_parameters())[name].data.view(-1)[-1:]
        kept, step, values = entry.clone(), 2e-5, []
        for multiple in (1, -1, 2, -2):
            entry.copy_(kept + multiple * step)
            values.append(value())
        entry.copy_(kept)
        slope = (8 * (values[0] - values[1]) - (values[2] - values[3])) / (12 * step)
        assert float(found.gradients[name].view(-1)[-1]) == pytest.approx(slope, rel=1e-6), name


def adjoint_free_loss(potential, species, state, params, n_steps):
    from ocvf_lmp.md.rollout import rollout

    frames = []
    rollout(
        potential, species, state, params, n_steps,
        lambda _, s, m: frames.append(observe(s.positions, s.cell)), every=10,
    )  # fmt: skip
    return float(loss({k: torch.stack([f[k] for f in frames]).mean(dim=0) for k in frames[0]}))


def test_anchors_change_nothing_but_round_off():
    params = NptParameters(**FAST)
    species, state = solid(params)
    results = [
        adjoint_gradient(Toy(), species, state, params, 60, observe, loss, 20, anchor_every=k)
        for k in (1, 25, 1000)
    ]
    for other in results[1:]:
        for name, slope in results[0].gradients.items():
            assert relative(other.gradients[name], slope) < 1e-11
    assert 0.0 < results[2].round_trip < 1e-12  # against the initial state
    assert results[0].round_trip < 1e-14  # one step back


def test_frozen_parameters_get_no_gradient_and_change_no_other():
    params = NptParameters(**FAST)
    species, state = solid(params)
    everything = adjoint_gradient(Toy(), species, state, params, 20, observe, loss, 10)
    potential = Toy()
    potential.depth.requires_grad_(False)
    found = adjoint_gradient(potential, species, state, params, 20, observe, loss, 10)
    assert set(everything.gradients) - set(found.gradients) == {"depth"}
    for name, slope in found.gradients.items():
        assert torch.equal(slope, everything.gradients[name])
    assert potential.stiffness.grad is None


def test_the_run_goes_on_from_where_it_ended():
    params = NptParameters(**FAST)
    species, state = solid(params)
    seen = []
    found = adjoint_gradient(
        Toy(), species, state, params, 20, observe, loss, 5, first_sample=10,
        progress=lambda phase, step: seen.append((phase, step)),
    )  # fmt: skip
    assert found.frames == 3
    assert seen[0] == ("forward", 1)
    assert seen[19:21] == [("forward", 20), ("backward", 20)]
    assert seen[-1] == ("backward", 0)
    again = adjoint_gradient(Toy(), species, found.final_state, params, 1, observe, loss, 1)
    assert again.loss < found.loss * 10
    assert not found.final_state.positions.requires_grad


def test_the_norm_predicts_the_spread_under_thermal_kicks():
    params = NptParameters(**FAST)
    species, state = solid(params)
    found = adjoint_gradient(Toy(), species, state, params, 40, observe, loss, 10)
    generator = torch.Generator().manual_seed(5)
    thermal = (state.masses[:, None] * 300.0 * 8.617343e-5 / 1.0364269e-4).sqrt()
    kicks = thermal * torch.randn(20000, *state.momenta.shape, generator=generator).double()
    spread = (kicks * found.initial_gradient.momenta).sum(dim=(1, 2)).std()
    assert float(found.adjoint_norm[0]) == pytest.approx(float(spread), rel=0.02)
    assert len(found.adjoint_norm) == 41


@pytest.mark.parametrize("wrong", [{"n_steps": 5}, {"sample_every": 0}, {"anchor_every": 0}])
def test_a_window_without_frames_is_refused(wrong):
    params = NptParameters(**FAST)
    species, state = solid(params)
    given = {"n_steps": 20, "sample_every": 10, "anchor_every": 5} | wrong
    with pytest.raises(InputError, match="n_steps"):
        adjoint_gradient(Toy(), species, state, params, observe=observe, loss=loss, **given)


def test_a_loss_that_ignores_the_observables_is_refused():
    params = NptParameters(**FAST)
    species, state = solid(params)
    with pytest.raises(InputError, match="depends"):
        adjoint_gradient(Toy(), species, state, params, 2, observe, lambda m: torch.zeros(()), 1)


def test_an_explosion_is_reported_by_the_forward_pass():
    params = NptParameters(timestep=0.05, pressure=0.0)
    species, state = solid(params)
    with pytest.raises(SimulationError, match="last good"):
        adjoint_gradient(Toy(), species, state, params, 200, observe, loss, 10)
