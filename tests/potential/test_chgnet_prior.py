"""CHGNet as a prior, against its own graphs and its own calculator."""

import pickle
import warnings
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from contract import SYMBOLS, PotentialContract, distorted

from ocvf_lmp.errors import InputError, ModelFileError
from ocvf_lmp.lammps.model_file import export_model
from ocvf_lmp.md.mechanics import evaluate
from ocvf_lmp.potential.blocks import DimeNetSize
from ocvf_lmp.potential.composite import Corrected
from ocvf_lmp.potential.dimenet import DimeNet
from ocvf_lmp.potential.foreign.chgnet import ChgnetPrior, load_chgnet
from ocvf_lmp.potential.foreign.optional import optional_module
from ocvf_lmp.potential.weights import in_words, load_potential, read_header, save_potential
from ocvf_lmp.seeding import stream
from ocvf_lmp.system.edges import Edges
from ocvf_lmp.system.neighbors import build_neighbors, edges_from

if find_spec("chgnet") is None:
    pytest.skip("needs chgnet: pip install 'ocvf-lmp[chgnet]'", allow_module_level=True)


@pytest.fixture(scope="module")
def prior():
    return load_chgnet(SYMBOLS)


class TestChgnetPrior(PotentialContract):
    near_cutoff = 5e-5  # its energies fall with the cube, from 123 eV times it: 1.2e-10 eV at 1e-4

    @pytest.fixture
    def potential(self, prior):
        return prior


def ours(prior, s):
    neighbors = build_neighbors(s.positions, s.cell, prior.cutoff)
    return evaluate(prior, s.species, s.positions, s.cell, neighbors)


def own_graph(prior, s):
    """The graph that CHGNet makes of a structure, its numbers in float64."""
    from pymatgen.core import Structure

    names = [s.symbols[int(k)] for k in s.species]
    crystal = Structure(s.cell.numpy(), names, s.positions.numpy(), coords_are_cartesian=True)
    graph = prior.model.graph_converter(crystal)
    graph.lattice = s.cell.clone()
    graph.atom_frac_coord = torch.linalg.solve(s.cell.T, s.positions.T).T
    inside = torch.tensor(crystal.frac_coords) - graph.atom_frac_coord
    assert float(inside.abs().max()) < 1e-12
    graph.neighbor_image = graph.neighbor_image.double()
    graph.atom_frac_coord.requires_grad_(True)
    return graph


def test_energies_and_forces_are_those_of_chgnets_own_graph_in_float64(prior):
    s = distorted()
    graph = own_graph(prior, s)
    assert len(graph.bond_graph) > 500
    expected = prior.model([graph], task="ef", return_site_energies=True)
    neighbors = build_neighbors(s.positions, s.cell, prior.cutoff)
    edges = edges_from(neighbors, s.positions, s.cell)
    found = prior.atom_energies(edges, s.species).detach()
    elements = prior.reference[prior.numbers[s.species] - 1]
    difference = found - elements - expected["site_energies"][0].detach()
    assert float(difference.abs().max()) < 1e-11
    forces = ours(prior, s).forces
    assert float((forces - expected["f"][0].detach()).abs().max()) < 1e-10
    assert float(forces.abs().max()) > 1.0


def test_energy_forces_and_stress_are_those_of_its_calculator_to_its_precision(prior):
    """CHGNet itself works in float32; the sharp comparison is the one above."""
    s = distorted()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        calculators = optional_module("chgnet.model.dynamics", "chgnet")
        atoms = s.to_ase()
        atoms.calc = calculators.CHGNetCalculator(use_device="cpu")
        energy, forces = atoms.get_potential_energy(), atoms.get_forces()
        stress = atoms.get_stress(voigt=False)
    found = ours(prior, s)
    assert float(found.energy) == pytest.approx(float(energy), rel=1e-6)
    assert np.abs(found.forces.numpy() - forces).max() < 1e-4 * np.abs(forces).max()
    virial = -atoms.get_volume() * stress
    assert np.abs(found.virial.numpy() - virial).max() < 1e-4 * np.abs(virial).max()
    assert np.abs(virial).max() > 1.0


def test_atoms_without_neighbours_have_an_energy_and_single_edges_no_angle(prior):
    none = torch.zeros(0, dtype=torch.long)
    nothing = Edges(none, none, torch.zeros(0, 3, dtype=torch.float64), none)
    alone = prior.atom_energies(nothing, torch.tensor([0, 1, 2]))
    assert bool(torch.isfinite(alone).all())
    vector = torch.tensor([[2.0, 0, 0], [-2.0, 0, 0]], dtype=torch.float64)
    pair = Edges(torch.tensor([0, 1]), torch.tensor([1, 0]), vector, torch.tensor([1, 0]))
    assert bool(torch.isfinite(prior.atom_energies(pair, torch.tensor([1, 2]))).all())


def test_edges_beyond_the_cutoff_do_not_count(prior):
    s = distorted()
    far = edges_from(build_neighbors(s.positions, s.cell, 7.5), s.positions, s.cell)
    near = edges_from(build_neighbors(s.positions, s.cell, prior.cutoff), s.positions, s.cell)
    assert len(far.center) > len(near.center)
    difference = prior.atom_energies(far, s.species) - prior.atom_energies(near, s.species)
    assert float(difference.abs().max()) < 1e-11


def correction():
    size = DimeNetSize(cutoff=3.5, n_features=6, n_angular=4, n_radial=4, l_max=2)
    return DimeNet(SYMBOLS, size, stream(1, "correction"))


def test_file_round_trip_keeps_every_bit(prior, tmp_path):
    s, model = distorted(), Corrected(prior, correction())
    save_potential(tmp_path / "a.pt", model, {})
    assert in_words(read_header(tmp_path / "a.pt")["potential"]) == "(chgnet) + correction dimenet"
    loaded, _ = load_potential(tmp_path / "a.pt")
    assert isinstance(loaded.prior, ChgnetPrior)
    edges = edges_from(build_neighbors(s.positions, s.cell, 6.0), s.positions, s.cell)
    energies = model.atom_energies(edges, s.species).detach()
    assert torch.equal(energies, loaded.atom_energies(edges, s.species))
    again = pickle.loads(pickle.dumps(model))
    assert torch.equal(energies, again.atom_energies(edges, s.species).detach())


def test_weights_of_a_file_are_read_without_running_it(prior, tmp_path):
    model = optional_module("chgnet.model.model", "chgnet").CHGNet
    with torch.random.fork_rng():
        small = model(atom_fea_dim=8, bond_fea_dim=8, angle_fea_dim=8, atom_graph_cutoff=5)
    torch.save({"model": small.as_dict()}, tmp_path / "small.pth.tar")
    found = load_chgnet(SYMBOLS, tmp_path / "small.pth.tar")
    assert found.cutoff == 5.0
    weights = small.state_dict()
    for name, value in found.model.state_dict().items():
        assert torch.equal(value, weights[name].double())
    assert float(found.reference[7]) == float(small.composition_model.fc.weight[0, 7])
    torch.save(small, tmp_path / "pickled.pth.tar")
    with pytest.raises(ModelFileError, match="cannot be read"):
        load_chgnet(SYMBOLS, tmp_path / "pickled.pth.tar")


def test_what_it_cannot_do_is_refused(prior, tmp_path):
    with pytest.raises(InputError, match="Xx"):
        load_chgnet(("Xx", "O"))
    with pytest.raises(InputError, match=r"version.*9\.9"):
        load_chgnet(SYMBOLS, version="9.9")
    with pytest.raises(ModelFileError, match="no such file"):
        load_chgnet(SYMBOLS, tmp_path / "nowhere")
    model = Corrected(prior, correction())
    with pytest.raises(InputError, match=r"CHGNet.*--delta-only"):
        export_model(tmp_path / "model.pt", model)
    assert export_model(tmp_path / "model.pt", model, delta_only=True).kind == "dimenet"
    s = distorted()
    edges = edges_from(build_neighbors(s.positions, s.cell, prior.cutoff), s.positions, s.cell)
    with pytest.raises(InputError, match="--delta-only"):
        prior.atom_energies(Edges(edges.center, edges.neighbor, edges.vector), s.species)
