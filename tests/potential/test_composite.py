import pytest
import torch
from contract import SYMBOLS, PotentialContract, distorted

from ocvf_lmp.errors import InputError, ModelFileError
from ocvf_lmp.potential.blocks import DimeNetSize
from ocvf_lmp.potential.composite import Corrected, Sum
from ocvf_lmp.potential.dimenet import DimeNet
from ocvf_lmp.potential.repulsion import COULOMB, Repulsion
from ocvf_lmp.potential.weights import load_potential, read_header, save_potential
from ocvf_lmp.seeding import stream
from ocvf_lmp.system.edges import Edges
from ocvf_lmp.system.neighbors import build_neighbors, edges_from

SIZE = DimeNetSize(cutoff=4.0, n_features=8, n_angular=4, n_radial=4, l_max=2)
OUTER = torch.tensor([[3.0, 2.6, 2.4], [2.6, 3.0, 1.9], [2.4, 1.9, 2.5]], dtype=torch.float64)


def prior() -> Sum:
    net = DimeNet(SYMBOLS, SIZE, stream(0, "prior"))
    return Sum([net, Repulsion(SYMBOLS, OUTER)])


def correction() -> DimeNet:
    size = DimeNetSize(cutoff=3.5, n_features=6, n_angular=4, n_radial=4, l_max=2)
    return DimeNet(SYMBOLS, size, stream(1, "correction"), zero_start=True)


class TestRepulsion(PotentialContract):
    @pytest.fixture
    def potential(self):
        return Repulsion(SYMBOLS, OUTER)


class TestCorrected(PotentialContract):
    @pytest.fixture
    def potential(self):
        model = Corrected(prior(), correction())
        with torch.no_grad():
            for output in model.correction.outputs:
                output.final.weight.normal_(generator=stream(2, "final"))
        return model


def test_repulsion_at_short_range_is_the_screened_coulomb_energy():
    vector = torch.tensor([[0.3, 0.0, 0.0], [-0.3, 0.0, 0.0]], dtype=torch.float64)
    edges = Edges(torch.tensor([0, 1]), torch.tensor([1, 0]), vector, torch.tensor([1, 0]))
    found = float(Repulsion(SYMBOLS, OUTER).energy(edges, torch.tensor([1, 2])))
    x = 0.3 * (22**0.23 + 8**0.23) / 0.46850
    phi = sum(
        a * 2.718281828459045 ** (-b * x)
        for a, b in ((0.18175, 3.1998), (0.50986, 0.94229), (0.28022, 0.4029), (0.02817, 0.20162))
    )
    bare = COULOMB * 22 * 8 / 0.3 * phi
    assert found == pytest.approx(bare, rel=1e-3)  # the envelope has hardly started to fall


def test_corrected_model_starts_as_the_prior_bit_for_bit():
    s, base = distorted(), prior()
    edges = edges_from(build_neighbors(s.positions, s.cell, 4.0), s.positions, s.cell)
    with torch.no_grad():
        before = base.atom_energies(edges, s.species)
        after = Corrected(base, correction()).atom_energies(edges, s.species)
    assert torch.equal(before, after)


def test_only_the_correction_can_train():
    model = Corrected(prior(), correction())
    assert not any(p.requires_grad for p in model.prior.parameters())
    assert all(p.requires_grad for p in model.correction.parameters())


def test_potentials_for_other_species_do_not_add():
    other = DimeNet(("Sr", "Ti", "O"), SIZE, stream(0, "x"))
    with pytest.raises(InputError, match="same species"):
        Sum([other, prior()])


def test_file_round_trip_keeps_every_bit(tmp_path):
    s, model = distorted(), Corrected(prior(), correction())
    save_potential(tmp_path / "a.pt", model, {"made by": "a test"})
    loaded, provenance = load_potential(tmp_path / "a.pt")
    edges = edges_from(build_neighbors(s.positions, s.cell, 4.0), s.positions, s.cell)
    assert torch.equal(
        model.atom_energies(edges, s.species).detach(), loaded.atom_energies(edges, s.species)
    )
    assert provenance == {"made by": "a test"}
    assert read_header(tmp_path / "a.pt")["potential"]["type"] == "corrected"


def test_truncated_file_says_so(tmp_path):
    path = tmp_path / "a.pt"
    save_potential(path, prior(), {})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ModelFileError, match="truncated"):
        load_potential(path)


def test_missing_file_says_so(tmp_path):
    with pytest.raises(ModelFileError, match="no such file"):
        load_potential(tmp_path / "nowhere.pt")


def test_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.pt"
    save_potential(path, prior(), {"good": True})

    def full_disk(content, partial):
        partial.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full_disk)
    with pytest.raises(Exception, match="No space left"):
        save_potential(path, prior(), {"good": False})
    monkeypatch.undo()
    assert read_header(path)["provenance"] == {"good": True}
    assert [p.name for p in tmp_path.iterdir()] == ["a.pt"]
