"""MACE models as priors, against mace's own calculator."""

import pickle
import warnings
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from contract import SYMBOLS, PotentialContract, distorted
from foreign_models import mace_file, mace_model, mace_modules

from ocvf_lmp.errors import InputError, ModelFileError
from ocvf_lmp.lammps.model_file import export_model, load_model
from ocvf_lmp.md.adjoint import adjoint_gradient
from ocvf_lmp.md.mechanics import evaluate
from ocvf_lmp.md.parameters import NptParameters
from ocvf_lmp.md.rollout import rollout
from ocvf_lmp.md.state import initial_state
from ocvf_lmp.potential.blocks import DimeNetSize
from ocvf_lmp.potential.composite import Corrected
from ocvf_lmp.potential.dimenet import DimeNet
from ocvf_lmp.potential.foreign.mace import MacePrior, load_mace
from ocvf_lmp.potential.protocol import Exchange
from ocvf_lmp.potential.weights import in_words, load_potential, read_header, save_potential
from ocvf_lmp.seeding import normal, stream
from ocvf_lmp.system.edges import Edges
from ocvf_lmp.system.neighbors import build_neighbors, edges_from

if find_spec("mace") is None:
    pytest.skip("needs mace-torch: pip install 'ocvf-lmp[mace]'", allow_module_level=True)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return mace_file(tmp_path_factory.mktemp("mace"))


@pytest.fixture(scope="module")
def prior(file):
    return load_mace(file, SYMBOLS)


class TestMacePrior(PotentialContract):
    @pytest.fixture
    def potential(self, prior):
        return prior


def from_calculator(path, structure, **options):
    """Energy, forces and virial as mace's own calculator gives them."""
    mace_modules()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mace.calculators import MACECalculator

        atoms = structure.to_ase()
        atoms.calc = MACECalculator(
            model_paths=str(path), device="cpu", default_dtype="float64", **options
        )
        virial = -atoms.get_volume() * atoms.get_stress(voigt=False)
        return atoms.get_potential_energy(), atoms.get_forces(), virial


def ours(prior, structure):
    neighbors = build_neighbors(structure.positions, structure.cell, prior.cutoff)
    found = evaluate(prior, structure.species, structure.positions, structure.cell, neighbors)
    return float(found.energy), found.forces.numpy(), found.virial.numpy()


def assert_same(found, expected):
    assert abs(found[0] - expected[0]) < 1e-10
    assert np.abs(found[1] - expected[1]).max() < 1e-12
    assert np.abs(found[2] - expected[2]).max() < 1e-11
    assert np.abs(expected[1]).max() > 0.01
    assert np.abs(expected[2]).max() > 0.01


def test_energy_forces_and_stress_are_those_of_maces_calculator(file, prior):
    assert_same(ours(prior, distorted()), from_calculator(file, distorted()))


LIKE_THE_BIG_ONES = {
    "mp": {
        "interaction_cls_first": "RealAgnosticResidualInteractionBlock",
        "correlation": 3, "max_ell": 3, "pair_repulsion": True, "distance_transform": "Agnesi",
    },
    "density": {
        "interaction_cls_first": "RealAgnosticDensityInteractionBlock",
        "interaction_cls": "RealAgnosticDensityResidualInteractionBlock",
    },
    "one layer": {"num_interactions": 1},
    "non-linear": {
        "interaction_cls_first": "RealAgnosticResidualNonLinearInteractionBlock",
        "interaction_cls": "RealAgnosticResidualNonLinearInteractionBlock",
        "apply_cutoff": False, "use_agnostic_product": True,
    },
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kind", LIKE_THE_BIG_ONES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_other_architectures_and_single_precision_files_are_rebuilt(kind, dtype, tmp_path):
    blocks = mace_modules().interaction_classes
    changes = {k: blocks.get(v, v) if isinstance(v, str) else v
               for k, v in LIKE_THE_BIG_ONES[kind].items()}  # fmt: skip
    path = mace_file(tmp_path, dtype=dtype, **changes)
    assert_same(ours(load_mace(path, SYMBOLS), distorted()), from_calculator(path, distorted()))


@pytest.mark.slow
def test_a_head_is_chosen_by_name(tmp_path):
    path = mace_file(tmp_path, heads=2)
    with pytest.raises(InputError, match=r"head0, head1.*none.*prior: \{mace: file, head: name\}"):
        load_mace(path, SYMBOLS)
    with pytest.raises(InputError, match="nose"):
        load_mace(path, SYMBOLS, "nose")
    energies = []
    for head in ("head0", "head1"):
        found = ours(load_mace(path, SYMBOLS, head), distorted())
        assert_same(found, from_calculator(path, distorted(), head=head))
        energies.append(found[0])
    assert abs(energies[0] - energies[1]) > 1.0


def test_species_follow_the_order_that_is_asked_for(file, prior):
    s = distorted()
    other = load_mace(file, ("O", "Ti"))
    assert other.symbols == ("O", "Ti")
    assert load_mace(file).symbols == ("O", "Ti", "Ba")
    without_barium = s.species > 0
    positions, species = s.positions[without_barium], s.species[without_barium]
    edges = edges_from(build_neighbors(positions, s.cell, prior.cutoff), positions, s.cell)
    assert torch.equal(prior.atom_energies(edges, species), other.atom_energies(edges, 2 - species))
    with pytest.raises(InputError, match=r"Sr.*O Ti Ba"):
        load_mace(file, ("Sr", "Ti", "O"))


def test_edges_beyond_the_cutoff_do_not_count_and_lonely_atoms_have_an_energy(prior):
    s = distorted()
    far = edges_from(build_neighbors(s.positions, s.cell, 6.0), s.positions, s.cell)
    near = edges_from(build_neighbors(s.positions, s.cell, prior.cutoff), s.positions, s.cell)
    assert len(far.center) > len(near.center)
    difference = prior.atom_energies(far, s.species) - prior.atom_energies(near, s.species)
    assert float(difference.abs().max()) < 1e-12
    none = torch.zeros(0, dtype=torch.long)
    nothing = Edges(none, none, torch.zeros(0, 3, dtype=torch.float64), none)
    alone = prior.atom_energies(nothing, torch.tensor([0, 1, 2]))
    assert bool(torch.isfinite(alone).all())


def correction(zero_start=False):
    size = DimeNetSize(cutoff=3.5, n_features=6, n_angular=4, n_radial=4, l_max=2)
    return DimeNet(SYMBOLS, size, stream(1, "correction"), zero_start)


def test_the_adjoint_goes_through_it(prior):
    """The gradient of a short run's mean volume is its central difference."""
    s, model = distorted((1, 1, 1), 0.05), Corrected(prior, correction())
    params = NptParameters(temperature=100.0, timestep=0.001, p_damp=0.05)
    noise = normal((s.n_atoms, 3), stream(0, "momenta"))
    state = initial_state(s.positions, s.cell, s.masses, params, noise)
    found = adjoint_gradient(
        model, s.species, state, params, 12, lambda q, h: {"volume": torch.linalg.det(h)},
        lambda means: means["volume"], 12,
    )  # fmt: skip
    name, parameter = max(
        ((n, p) for n, p in model.named_parameters() if n in found.gradients),
        key=lambda pair: float(found.gradients[pair[0]].abs().max()),
    )
    place = int(found.gradients[name].abs().argmax())
    ends, step = [], 1e-4
    for sign in (1, -1):
        with torch.no_grad():
            parameter.flatten()[place] += sign * step
            end = rollout(model, s.species, state, params, 12).state
            parameter.flatten()[place] -= sign * step
        ends.append(float(torch.linalg.det(end.cell)))
    slope = float(found.gradients[name].flatten()[place])
    assert abs(slope) > 1e-6
    assert slope == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-5)


def test_ghost_atoms_with_exchange_give_the_periodic_energies_and_forces(prior):
    """Images are atoms of their own, and only owned atoms are centres, as LAMMPS lists them."""
    s = distorted()
    edges = edges_from(build_neighbors(s.positions, s.cell, prior.cutoff), s.positions, s.cell)
    ghosts = s.n_atoms + torch.arange(len(edges.center))
    owner = torch.cat([torch.arange(s.n_atoms), edges.neighbor])
    exchange = Exchange(
        lambda rows: rows[owner], lambda rows: torch.zeros_like(rows).index_add(0, owner, rows)
    )
    outside, inside = (edges.vector.clone().requires_grad_(True) for _ in range(2))
    through = prior.atom_energies(Edges(edges.center, ghosts, outside), s.species[owner], exchange)[
        : s.n_atoms
    ]
    periodic = prior.atom_energies(Edges(edges.center, edges.neighbor, inside), s.species)
    assert float((through - periodic).abs().max().detach()) < 1e-12
    forces = [
        torch.zeros(s.n_atoms, 3, dtype=torch.float64)
        .index_add(0, edges.center, slope)
        .index_add(0, edges.neighbor, -slope)
        for slope in (
            torch.autograd.grad(through.sum(), outside)[0],
            torch.autograd.grad(periodic.sum(), inside)[0],
        )
    ]
    assert float((forces[0] - forces[1]).abs().max()) < 1e-12
    assert float(forces[0].abs().max()) > 0.01


def test_file_round_trip_keeps_every_bit_and_needs_no_pickle(prior, tmp_path):
    s, model = distorted(), Corrected(prior, correction())
    save_potential(tmp_path / "a.pt", model, {"made by": "a test"})
    described = read_header(tmp_path / "a.pt")["potential"]
    assert in_words(described) == "(mace) + correction dimenet"
    assert described["prior"]["source"]["file"] == "small.model"
    assert len(described["prior"]["source"]["sha256"]) == 64
    loaded, _ = load_potential(tmp_path / "a.pt")
    assert isinstance(loaded.prior, MacePrior)
    assert not any(p.requires_grad for p in loaded.prior.parameters())
    edges = edges_from(build_neighbors(s.positions, s.cell, 5.0), s.positions, s.cell)
    assert torch.equal(
        model.atom_energies(edges, s.species).detach(), loaded.atom_energies(edges, s.species)
    )


def test_only_names_of_maces_own_blocks_become_code(prior):
    config = prior.config | {"interaction_cls": {"class": "os.system"}}
    with pytest.raises(ModelFileError, match=r"os\.system"):
        MacePrior(config)


def test_pickled_for_a_worker_it_is_the_same(prior):
    assert_same(ours(pickle.loads(pickle.dumps(prior)), distorted()), ours(prior, distorted()))


def test_a_model_file_for_lammps_holds_it(prior, tmp_path):
    s, model = distorted(), Corrected(prior, correction())
    header = export_model(tmp_path / "model.pt", model)
    assert (header.cutoff, header.n_hops) == (4.2, 2)
    loaded, _ = load_model(tmp_path / "model.pt", ("O",))
    assert_same(ours(loaded, s), ours(model, s))


def saved(model, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.save(model, path)
    return path


def test_what_is_not_a_mace_model_is_refused(tmp_path):
    model = mace_model()
    with pytest.raises(ModelFileError, match="no such file"):
        load_mace(tmp_path / "nowhere.model")
    (tmp_path / "text.model").write_text("not a model")
    with pytest.raises(ModelFileError, match="cannot be read"):
        load_mace(tmp_path / "text.model")
    saved(torch.nn.Linear(2, 2), tmp_path / "linear.model")
    with pytest.raises(ModelFileError, match=r"ScaleShiftMACE.*Linear.*calculator"):
        load_mace(tmp_path / "linear.model")
    gaussian = saved(mace_model(radial_type="gaussian"), tmp_path / "gaussian.model")
    with pytest.raises(ModelFileError, match=r"mace can tell.*calculator"):
        load_mace(gaussian)
    model.interactions[0].avg_num_neighbors = 7.0  # of the second layer it is another
    with pytest.raises(ModelFileError, match=r"energies that differ.*calculator"):
        load_mace(saved(model, tmp_path / "odd.model"))
