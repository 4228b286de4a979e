"""The page of a potential without its run."""

import pytest
import torch
from maps_models import LATTICE, SYMBOLS
from test_report import checked

from ocvf_lmp.analysis.maps import words
from ocvf_lmp.analysis.maps.displacements import B_ALONE
from ocvf_lmp.analysis.maps.of_potential import survey_potential
from ocvf_lmp.analysis.maps.survey import survey_run
from ocvf_lmp.analysis.potential_report import write_potential_report
from ocvf_lmp.analysis.runfolder import read_run
from ocvf_lmp.cli import main
from ocvf_lmp.commands.report import _potential
from ocvf_lmp.errors import DataError, InputError, ModelFileError
from ocvf_lmp.lammps.model_file import export_model
from ocvf_lmp.potential.blocks import DimeNetSize
from ocvf_lmp.potential.composite import Corrected
from ocvf_lmp.potential.dimenet import DimeNet
from ocvf_lmp.potential.experts import Experts
from ocvf_lmp.potential.repulsion import Repulsion
from ocvf_lmp.potential.weights import save_potential
from ocvf_lmp.seeding import stream

CONFIG = {
    "name": "maps",
    "sample": {"symbols": list(SYMBOLS), "lattice": [4.0, 4.0, 4.02], "structure": None},
    "states": [{"temperature": t, "targets": []} for t in (100.0, 300.0)],
}
SHARED = {"configuration": CONFIG, "temperatures": [100.0, 300.0], "synthetic_targets": True}


def network(seed):
    sizes = DimeNetSize(cutoff=4.5, n_features=6, n_angular=4, n_radial=4, l_max=2, n_blocks=1)
    return DimeNet(SYMBOLS, sizes, stream(seed, "maps"))


def saved(path, potential, provenance):
    save_potential(path, potential, provenance)
    return path


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    path = tmp_path_factory.mktemp("results") / "corrected.pt"
    return saved(path, Corrected(network(7), network(8)), SHARED)


def test_a_folder_of_results_gets_a_page_of_its_potential(shared, tmp_path):
    out = tmp_path / "page.html"
    options = ["--out", str(out), "--figures", str(tmp_path / "figures")]
    assert main(["report", str(shared.parent), *options]) == 0
    page = checked(out)
    assert len(page.sources) == len(words.CAPTIONS)
    text = " ".join(page.text)
    assert "One correction serves all states" in text
    assert "Synthetic targets." in text
    assert "from: temperatures" in text
    assert "Configuration as it was resolved" in text
    assert any(row[:2] == ["100 to 300 K", "meV/f.u."] for row in page.rows)
    assert any("Depth, corrected" in row for row in page.rows)
    drawn = {path.name for path in (tmp_path / "figures").iterdir()}
    assert {f"{name}.png" for name in words.CAPTIONS} <= drawn


def test_one_expert_of_several_is_not_said_to_serve_all(tmp_path):
    provenance = SHARED | {"state": "300K"}
    path = saved(tmp_path / "potential_300K.pt", Corrected(network(7), network(8)), provenance)
    assert not survey_potential(path).shared


def test_a_run_folder_with_an_exported_model_is_a_run_folder(finished_run, shared):
    (finished_run / "corrected.pt").write_bytes(shared.read_bytes())
    assert _potential(finished_run) is None
    assert _potential(shared.parent) == shared


def test_the_energies_are_those_of_the_run_that_it_comes_from(shared, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    sample = "{symbols: [Ba, Ti, O], lattice: [4.0, 4.0, 4.02], structure: null}"
    (folder / "config.yaml").write_text(f"sample: {sample}\nstates: [{{temperature: 300.0}}]\n")
    (folder / "potential.pt").write_bytes(shared.read_bytes())
    of_run = survey_run(read_run(folder))
    assert of_run is not None
    one = survey_potential(shared)
    assert one.shared
    assert one.surfaces[0].crystal == of_run.surfaces[0].crystal
    for name, curve in of_run.surfaces[0].curves.items():
        found = one.surfaces[0].curves[name]
        assert found.correction == pytest.approx(curve.correction, abs=1e-14)
        assert found.prior == pytest.approx(curve.prior, abs=1e-14)


def test_experts_behind_a_gate_stand_each_at_its_temperature(tmp_path):
    experts = [network(1), network(2)]
    provenance = {
        "temperatures": [100.0, 300.0],
        "experts": [
            {"temperatures": [t], "provenance": {"configuration": CONFIG}} for t in (100.0, 300.0)
        ],
    }
    gated = Corrected(network(7), Experts(experts, (100.0, 300.0), 80.0))
    path = saved(tmp_path / "potential.pt", gated, provenance)
    survey = survey_potential(path)
    assert not survey.shared
    assert [s.state for s in survey.surfaces] == ["100K", "300K"]
    assert [bool(s.discs) for s in survey.surfaces] == [False, True]
    for surface, expert in zip(survey.surfaces, experts, strict=True):
        alone = saved(tmp_path / "alone.pt", Corrected(network(7), expert), SHARED)
        expected = survey_potential(alone).surfaces[0].curves["[111]"].correction
        assert surface.curves["[111]"].correction == pytest.approx(expected, abs=1e-14)
    written = write_potential_report(path)
    assert written == tmp_path / "potential_report.html"
    assert "experts at 100, 300 K" in " ".join(checked(written).text)


def test_a_potential_that_says_no_cell_is_told_one(tmp_path):
    path = saved(tmp_path / "bare.pt", Corrected(network(7), network(8)), {})
    with pytest.raises(DataError, match="--lattice"):
        survey_potential(path)
    surface = survey_potential(path, B_ALONE, LATTICE).surfaces[0]
    assert surface.crystal.symbols == SYMBOLS
    assert surface.crystal.lattice == LATTICE
    assert surface.state == "bare"
    with pytest.raises(InputError, match="positive edge"):
        survey_potential(path, B_ALONE, -4.0)


def test_what_is_no_corrected_potential_is_refused(shared, tmp_path):
    text = tmp_path / "notes.pt"
    text.write_text("nothing of the kind")
    with pytest.raises(ModelFileError, match="of another kind"):
        write_potential_report(text)
    prior = saved(tmp_path / "prior.pt", network(7), {})
    with pytest.raises(InputError, match="it has no ΔH"):
        write_potential_report(prior)
    model = tmp_path / "model.pt"
    export_model(model, Corrected(network(7), network(8)))
    with pytest.raises(InputError, match="exported for LAMMPS"):
        write_potential_report(model)
    symbols = ("Ar", "Kr")
    core = Repulsion(symbols, torch.full((2, 2), 1.2, dtype=torch.float64))
    gas = saved(tmp_path / "gas.pt", Corrected(core, core), {})
    with pytest.raises(DataError, match="found one for Ar, Kr"):
        write_potential_report(gas, lattice=LATTICE)
    assert not list(tmp_path.glob("*.html"))


def test_options_that_do_not_belong_together_are_refused(shared, finished_run, capsys):
    assert main(["report", str(shared), "--log", "log.lammps"]) == 1
    assert "leave --log away" in " ".join(capsys.readouterr().err.split())
    assert main(["report", str(finished_run), "--lattice", "4.0"]) == 1
    assert "leave --lattice away" in " ".join(capsys.readouterr().err.split())


def test_the_page_leads_to_an_analysis(shared, tmp_path):
    analysis = tmp_path / "sweep 1" / "analysis.html"
    analysis.parent.mkdir()
    analysis.write_text("<p>phases</p>")
    out = write_potential_report(shared, tmp_path / "page.html", analysis=analysis)
    assert "sweep%201/analysis.html" in checked(out).sources
