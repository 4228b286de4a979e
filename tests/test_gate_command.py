"""``ocvf-lmp gate``: experts of several trainings in one file."""

import pytest
import torch

from ocvf_lmp.cli import main
from ocvf_lmp.potential.blocks import DimeNetSize
from ocvf_lmp.potential.composite import Corrected
from ocvf_lmp.potential.dimenet import DimeNet
from ocvf_lmp.potential.experts import Experts, experts_of
from ocvf_lmp.potential.weights import load_potential, save_potential
from ocvf_lmp.seeding import stream

SYMBOLS = ("Ba", "Ti", "O")
SIZE = DimeNetSize(cutoff=4.0, n_features=8, n_angular=4, n_radial=4, l_max=1)


def network(name):
    return DimeNet(SYMBOLS, SIZE, stream(1, name))


@pytest.fixture
def files(tmp_path):
    prior = network("prior")
    one = Corrected(prior, network("one"))
    several = Corrected(prior, Experts([network("250"), network("300")], [250.0, 300.0], 20.0))
    paths = tmp_path / "one.pt", tmp_path / "several.pt"
    save_potential(paths[0], one, {"prior": {"sha256": "p"}, "synthetic_targets": True})
    save_potential(paths[1], several, {"prior": {"sha256": "p"}})
    return paths


def test_experts_of_several_files_become_one_potential(files, tmp_path, capsys):
    out, (one, several) = tmp_path / "all.pt", files
    command = ["gate", str(out), "--expert", str(several), "300", "250"]
    assert main([*command, "--expert", str(one), "100", "150", "--width", "25"]) == 0
    assert "SYNTHETIC" in capsys.readouterr().out
    potential, provenance = load_potential(out)
    experts = experts_of(potential)
    assert experts.anchors == (100.0, 150.0, 250.0, 300.0)
    assert experts.width == 25.0
    for expert, name in zip(experts.experts, ("one", "one", "250", "300"), strict=True):
        wanted = network(name).state_dict()
        assert all(torch.equal(value, wanted[k]) for k, value in expert.state_dict().items())
    assert provenance["temperatures"] == [100.0, 150.0, 250.0, 300.0]
    assert provenance["prior"] == {"sha256": "p"}
    assert provenance["synthetic_targets"]
    assert main(["export", str(tmp_path / "model.pt"), "--potential", str(out)]) == 0


def test_what_does_not_fit_is_refused_and_nothing_written(files, tmp_path, capsys):
    out, (one, several) = tmp_path / "all.pt", files
    other = tmp_path / "other.pt"
    save_potential(other, Corrected(network("another prior"), network("one")), {})
    save_potential(tmp_path / "bare.pt", network("prior"), {})
    input_file = tmp_path / "input_file.pt"  # a prior without weights is told by its sum alone
    same = Corrected(network("prior"), network("one"))
    save_potential(input_file, same, {"prior": {"sha256": "q"}})
    for words, message in (
        ([[one, "100"], [several, "200"]], "for 200 K"),
        ([[one, "100"], [several, "300"], [one, "300"]], "found two"),
        ([[one, "100"], [other, "200"]], "another one in"),
        ([[tmp_path / "bare.pt", "100"]], "expected a corrected potential"),
        ([[one]], "the temperatures in K"),
        ([[one, "cold"]], "the temperatures in K"),
        ([[one, "100", "nan"]], "the temperatures in K"),
        ([[one, "100"], [input_file, "200"]], "another one in"),
    ):
        experts = [word for each in words for word in ("--expert", *map(str, each))]
        assert main(["gate", str(out), *experts]) == 1
        assert message in capsys.readouterr().err
        assert not out.exists()
