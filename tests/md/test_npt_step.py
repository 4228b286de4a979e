import pytest
import torch
from md_toy import Toy, largest_difference, relative, solid

from ocvf_lmp.errors import InputError
from ocvf_lmp.md.forcefield import ForceField
from ocvf_lmp.md.npt import Integrator, conserved_energy, push_of
from ocvf_lmp.md.parameters import NptParameters, masses_of
from ocvf_lmp.md.rollout import rollout
from ocvf_lmp.md.state import initial_state
from ocvf_lmp.md.thermo import thermo
from ocvf_lmp.units import BAR, KB

FAST = {"pressure": 5000.0, "t_damp": 0.05, "p_damp": 0.2}
MODES = ["flexible", "orthogonal", "isotropic", "fixed"]


@pytest.mark.parametrize("mode", MODES)
def test_walking_back_returns_to_the_start(mode):
    params = NptParameters(**FAST, mode=mode)
    species, start = solid(params)
    force_field = ForceField(Toy(), species)
    integrator = Integrator(params, start.n_atoms)
    state, mechanics = start, force_field(start.positions, start.cell)
    for sign in (1.0, -1.0):
        for _ in range(100):
            push = push_of(mechanics)
            state, mechanics = integrator.step(state, push, force_field, sign * params.timestep)
        if sign > 0:
            assert largest_difference(state, start) > 1e-2
    # the chains start at rest: compare with the size they reach
    assert float((state.positions - start.positions).abs().max()) < 1e-11
    assert relative(state.momenta, start.momenta) < 1e-10
    assert relative(state.cell, start.cell) < 1e-13
    for name in ("cell_momentum", "eta", "p_eta", "xi", "p_xi"):
        assert float(getattr(state, name).abs().max()) < 1e-10, name


@pytest.mark.parametrize("counting", ["physical", "ase"])
@pytest.mark.parametrize("mode", MODES)
def test_the_error_of_the_conserved_quantity_falls_with_the_square_of_the_timestep(mode, counting):
    def error(n):
        params = NptParameters(**FAST, mode=mode, timestep=0.2 / n, counting=counting)
        species, state = solid(params)
        found = []
        rollout(
            Toy(), species, state, params, n,
            lambda _, s, m: found.append(float(conserved_energy(s, m.energy, params))),
        )  # fmt: skip
        return float(torch.tensor(found).double().std())

    coarse, fine = error(50), error(100)
    assert 3.2 < coarse / fine < 5.0
    assert fine < 5e-3


def test_the_cell_does_not_rotate_and_the_total_momentum_stays_zero():
    params = NptParameters(**FAST)
    species, state = solid(params)
    end = rollout(Toy(), species, state, params, 200).state
    assert torch.equal(end.cell_momentum, end.cell_momentum.T)
    assert float(end.cell_momentum.abs().min()) > 0.0
    assert float(end.momenta.sum(dim=0).abs().max()) < 1e-10


def test_each_mode_moves_the_strains_it_should():
    changes = {}
    for mode in MODES:
        params = NptParameters(**FAST, mode=mode)
        species, state = solid(params)
        end = rollout(Toy(), species, state, params, 30).state
        changes[mode] = torch.linalg.solve(state.cell, end.cell) - torch.eye(3).double()
    off = ~torch.eye(3).bool()
    assert float(changes["flexible"].abs().min()) > 1e-6
    assert float(changes["orthogonal"][off].abs().max()) < 1e-15
    assert len(changes["orthogonal"].diagonal().unique()) == 3
    isotropic = changes["isotropic"]
    assert float((isotropic - isotropic[0, 0] * torch.eye(3).double()).abs().max()) < 1e-14
    assert abs(float(isotropic[0, 0])) > 1e-5
    assert not changes["fixed"].any()


@pytest.mark.parametrize("mode", MODES)
def test_gradients_are_finite_from_a_cell_at_rest(mode):
    params = NptParameters(**FAST, mode=mode)
    species, state = solid(params, tilted=False)
    leaf = state.map(lambda t: t.clone().requires_grad_())
    force_field = ForceField(Toy(), species)
    mechanics = force_field(leaf.positions, leaf.cell, create_graph=True)
    integrator = Integrator(params, state.n_atoms)
    end, _ = integrator.step(
        leaf, push_of(mechanics), lambda q, h: force_field(q, h, create_graph=True)
    )
    total = end.positions.square().sum() + end.momenta.sum() + end.cell.square().sum()
    slopes = torch.autograd.grad(total, leaf.dynamic(), materialize_grads=True)
    assert all(bool(torch.isfinite(s).all()) for s in slopes)
    assert float(slopes[3].abs().max()) > 0.0


def test_masses_follow_the_degrees_of_freedom():
    kt = KB * 300.0
    flexible = masses_of(NptParameters(t_damp=0.1, p_damp=0.5), 40)
    assert (flexible.freedom, flexible.cell_freedom) == (117, 6)
    assert flexible.cell_mass == pytest.approx(40 * kt * 0.25, rel=1e-14)
    assert flexible.chain == pytest.approx((117 * kt * 0.01, kt * 0.01, kt * 0.01), rel=1e-14)
    assert flexible.cell_chain[0] == pytest.approx(6 * kt * 0.25, rel=1e-14)
    assert flexible.pressure == BAR
    isotropic = masses_of(NptParameters(mode="isotropic", p_damp=0.5), 40)
    assert isotropic.cell_chain[0] == pytest.approx(kt * 0.25, rel=1e-14)


def test_initial_momenta_are_thermal_and_without_drift():
    params = NptParameters(temperature=200.0)
    n = 4000
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(n, 3, generator=generator).double()
    masses = torch.tensor([16.0, 137.3], dtype=torch.float64).repeat(n // 2)
    cell_noise = torch.randn(3, 3, generator=generator).double()
    state = initial_state(
        torch.zeros(n, 3).double(), torch.eye(3).double(), masses, params, noise, cell_noise
    )
    assert float(state.momenta.sum(dim=0).abs().max()) < 1e-8
    for mass in (16.0, 137.3):
        of_kind = state.momenta[masses == mass]
        temperature = float(of_kind.square().mean()) / mass * 1.0364269e-4 / KB
        assert temperature == pytest.approx(200.0, rel=0.06)  # 4 standard errors
    assert torch.equal(state.cell_momentum, state.cell_momentum.T)


def test_the_reported_pressure_is_the_derivative_of_the_free_expansion():
    params = NptParameters(**FAST)
    species, state = solid(params)
    force_field = ForceField(Toy(), species)
    mechanics = force_field(state.positions, state.cell)
    now = thermo(state, mechanics, params)
    step, energies = 1e-5, []
    for sign in (1.0, -1.0):
        scale = 1.0 + sign * step
        moved = force_field(state.positions * scale, state.cell * scale)
        kinetic = (state.momenta / scale).square() / state.masses[:, None]
        energies.append(float(moved.energy) + 0.5 * 1.0364269e-4 * float(kinetic.sum()))
    expected = -(energies[0] - energies[1]) / (2.0 * step) / (3.0 * now.volume)
    assert now.pressure * BAR == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    "wrong", [{"temperature": -1.0}, {"timestep": 0.0}, {"mode": "cubic"}, {"counting": "lammps"}]
)
def test_impossible_parameters_are_refused_by_name(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        NptParameters(**wrong)
