"""Models against a known truth: another sweep, or the facts of an experiment."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from fake_sweep import Fake, steps_of

from ocvf_lmp.analysis.phases.analyse import Settings, analyse
from ocvf_lmp.analysis.phases.literature import method_table, read_literature
from ocvf_lmp.analysis.phases.pair_distributions import BLOCKS, Diffractometer, misfit, misfits
from ocvf_lmp.analysis.phases.pdf_figure import pdf_figure
from ocvf_lmp.analysis.phases.references import Reference, of_experiment
from ocvf_lmp.analysis.phases.results import Value
from ocvf_lmp.analysis.phases.verdict import Comparison, verdict_table
from ocvf_lmp.cli import main
from ocvf_lmp.errors import DataError
from ocvf_lmp.observables.born_charges import read_born_charges

TEMPERATURES = range(75, 425, 25)


def sweep(folder, name, transitions):
    truth = steps_of({"heating": transitions})
    return Fake(truth, TEMPERATURES, branches=("heating",), frames=60).write(folder / f"{name}.h5")


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    folder = tmp_path_factory.mktemp("verdict")
    world = sweep(folder, "world", (187.0, 287.0, 387.0))
    good = sweep(folder, "good", (162.0, 262.0, 387.0))
    prior = sweep(folder, "prior", (112.0, 162.0, 212.0))
    options = ["--no-figures", "--bootstrap", "50", "--out", str(folder), "--reference"]
    assert main(["analyze", str(good), str(prior), *options, str(world)]) == 0
    against_world = json.loads((folder / "verdict.json").read_text())
    facts = "data/bto/experiment.yaml"  # literature.yaml is beside it
    assert main(["analyze", str(good), str(prior), *options, facts]) == 0
    against_experiment = json.loads((folder / "verdict.json").read_text())
    (known,) = folder.glob("*good_analysis.json")
    assert main(["analyze", str(prior), *options, str(known)]) == 0
    return against_world, against_experiment, json.loads((folder / "verdict.json").read_text())


def test_transitions_against_another_sweep(judged):
    rows = {row["quantity"]: row for row in judged[0]["quantities"]}
    for name, true, good, prior in (
        ("R-O, heating", 187.5, 162.5, 112.5),
        ("O-T, heating", 287.5, 262.5, 162.5),
        ("T-C, heating", 387.5, 387.5, 212.5),
    ):
        assert rows[name]["reference"]["value"] == pytest.approx(true, abs=13)
        found = [x["value"] for x in rows[name]["models"]]
        assert found == pytest.approx([good, prior], abs=13)
        by_strain = rows[f"{name}, by strain"]
        assert by_strain["reference"]["value"] == pytest.approx(true, abs=13)
        assert by_strain["models"][1]["value"] == pytest.approx(prior, abs=13)
    assert rows["R_w of G(r), heating 75 K"]["models"][0]["value"] < 0.1
    assert "V, heating 100 K" in rows


def test_transitions_against_the_experiment(judged):
    rows = {row["quantity"]: row for row in judged[1]["quantities"]}
    assert rows["O-T, heating"]["reference"] == {"value": 278.0, "error": None}
    assert rows["O-T, heating, by strain"]["reference"] == {"value": 278.0, "error": None}
    assert rows["P, T"]["reference"]["value"] == 0.27
    assert rows["a=b, T"]["reference"] == {"value": 3.9915, "error": 0.005}
    assert rows["a, C"]["reference"]["value"] == 4.0095


def test_results_of_an_analysis_are_a_reference_too(judged):
    rows = {row["quantity"]: row for row in judged[2]["quantities"]}
    first = {row["quantity"]: row for row in judged[0]["quantities"]}
    assert rows["O-T, heating"]["reference"] == first["O-T, heating"]["models"][0]


def test_two_branches_are_compared_by_the_middle_of_their_bracket(tmp_path):
    def both(name, warm, cold):
        truth = steps_of({"heating": warm, "cooling": cold})
        branches = ("heating", "cooling")
        return Fake(truth, TEMPERATURES, branches=branches, frames=60).write(
            tmp_path / f"{name}.h5"
        )

    world = both("world", (187.0, 287.0, 387.0), (137.0, 287.0, 387.0))
    model = both("model", (212.0, 287.0, 387.0), (187.0, 287.0, 387.0))
    options = ["--no-figures", "--bootstrap", "50", "--out", str(tmp_path), "--reference"]
    assert main(["analyze", str(model), *options, str(world)]) == 0
    verdict = json.loads((tmp_path / "verdict.json").read_text())
    rows = {row["quantity"]: row for row in verdict["quantities"]}
    row = rows["R-O, heating and cooling"]
    assert row["reference"]["value"] == pytest.approx(162.5, abs=1)
    assert row["reference"]["error"] == pytest.approx(math.hypot(5.1, 50 / 12**0.5), abs=1)
    assert row["models"][0]["value"] == pytest.approx(200.0, abs=1)
    assert {"R-O, heating", "R-O, cooling", "R-O, heating and cooling, by strain"} <= set(rows)
    facts = "data/bto/experiment.yaml"
    assert main(["analyze", str(model), *options, facts]) == 0
    verdict = json.loads((tmp_path / "verdict.json").read_text())
    rows = {row["quantity"]: row for row in verdict["quantities"]}
    assert rows["R-O, heating and cooling"]["reference"]["value"] == 183.0


def test_the_share_of_an_error_that_goes():
    row = Comparison("x", "K", Value(100.0, math.nan), (Value(90.0, 3.0), Value(60.0, 4.0)), ("",))
    assert row.deviation(0) == Value(-10.0, 3.0)
    cut = row.cut(0)
    assert cut.value == pytest.approx(0.75)
    # error of 1 - x/y by hand: x = 10 ± 3, y = 40 ± 4
    assert cut.error == pytest.approx(0.25 * math.hypot(3 / 10, 4 / 40))


@pytest.mark.parametrize(("error", "said"), [(math.nan, True), (2.0, False)])
def test_the_table_says_where_the_truth_has_no_error(tmp_path, error, said):
    charges = read_born_charges(Path("data/bto/born_charges.yaml"), "cubic_wu_cohen")
    path = sweep(tmp_path, "model", (162.0, 262.0, 387.0))
    found = analyse(path, charges, Settings(samples=20))
    truth = Reference("truth", {}, {}, {}, {})
    row = Comparison("x", "K", Value(100.0, error), (Value(90.0, 3.0), Value(60.0, 4.0)), ("", ""))
    table = verdict_table([found, found], truth, [row])
    assert ("nobody states" in table.note) == said


def test_an_error_within_its_uncertainty_is_not_cut():
    row = Comparison("x", "K", Value(100.0, 1.0), (Value(90.0, 3.0), Value(98.0, 4.0)), ("", ""))
    assert math.isnan(row.cut(0).value)


def test_the_misfit_of_a_curve_and_its_floor():
    """A known difference in noise: R_w is both added in quadrature, the floor the noise alone."""
    random = np.random.default_rng(3)
    r = np.linspace(1.5, 10.0, 400)
    true = np.sin(4 * r)
    other = true + 0.2 * np.cos(4 * r)
    noise = [0.1 * random.standard_normal((BLOCKS, 400)) for _ in range(2)]
    found = misfit(other + noise[0], true + noise[1])
    floor = (2 * 400 * 0.1**2 / BLOCKS / np.square(true).sum()) ** 0.5
    assert found.floor == pytest.approx(floor, rel=0.1)
    assert found.r_w.value == pytest.approx(math.hypot(0.2, floor), rel=0.05)
    assert 0 < found.r_w.error < 0.03


def test_the_figure_of_pdfs_has_curves_differences_and_every_misfit():
    random = np.random.default_rng(1)
    instrument = Diffractometer(r_range=(1.5, 5.0))
    r = instrument.dr * np.arange(75, 251)
    keys = [("heating", float(t)) for t in range(100, 400, 50)]
    noise = 0.01 * random.standard_normal((3, BLOCKS, len(r)))
    true = {key: np.sin(r) + noise[0] for key in keys}
    good = {key: np.sin(r + 0.02) + noise[1] for key in keys}
    prior = {key: np.sin(r + 0.2) + noise[2] for key in keys[:-1]}
    found = [misfits(each, true) for each in (good, prior)]
    figure = pdf_figure(("good", "prior"), instrument, (good, prior), true, found)
    assert figure is not None
    *panels, last = figure.axes
    assert len(panels) == 4
    of_prior, of_good = last.containers
    assert [len(x.lines[0].get_xdata()) for x in (of_prior, of_good)] == [5, 6]
    assert of_prior.lines[0].get_ydata().min() > of_good.lines[0].get_ydata().max()
    assert pdf_figure(("good",), instrument, (good,), true, [{}]) is None


def test_the_branches_of_a_model_differ_by_mark_and_line():
    instrument = Diffractometer(r_range=(1.5, 5.0))
    r = instrument.dr * np.arange(75, 251)
    noise = 0.01 * np.random.default_rng(1).standard_normal((BLOCKS, len(r)))
    keys = [(branch, float(t)) for branch in ("heating", "cooling") for t in (100, 200)]
    true = {key: np.sin(r) + noise for key in keys}
    models = [{key: np.sin(r + shift) + noise for key in keys} for shift in (0.02, 0.2)]
    found = [misfits(each, true) for each in models]
    figure = pdf_figure(("good", "prior"), instrument, models, true, found)
    assert figure is not None
    drawn = [bars.lines[0] for bars in figure.axes[-1].containers]
    looks = {(x.get_color(), x.get_marker(), x.get_linestyle()) for x in drawn}
    assert len(looks) == 4
    assert {look[1:] for look in looks} == {("^", "-"), ("v", "--")}


def test_facts_of_another_form_are_refused(tmp_path):
    path = tmp_path / "facts.yaml"
    path.write_text("transitions: 3\n")
    with pytest.raises(DataError, match=r"data/bto/experiment\.yaml"):
        of_experiment(path)


def test_the_literature_stands_beside_ours_with_its_sources(tmp_path):
    charges = read_born_charges(Path("data/bto/born_charges.yaml"), "cubic_wu_cohen")
    ours = analyse(sweep(tmp_path, "ours", (162.0, 262.0, 387.0)), charges, Settings(samples=20))
    literature = read_literature(Path("data/bto/literature.yaml"))
    made = method_table([ours], of_experiment(Path("data/bto/experiment.yaml")), literature)
    rows = {row[0]: row for row in made.rows}
    assert rows["experiment"][2:5] == ["183 ± ?", "278 ± ?", "403 ± ?"]
    assert rows[f"{ours.name}, heating"][2].startswith("16")
    assert "±" in rows[f"{ours.name}, heating"][2]
    assert rows["GAP (PBEsol) [2]"][1:5] == ["4×4×4", "18.6 ± 0.4", "91.4 ± 0.5", "182 ± 0.7"]
    assert rows["the same, corrected (OCVF paper) [2]"][2:] == [
        "125", "275", "400", "0.52", "0.46", "0.36",
    ]  # fmt: skip
    assert "[2] arXiv:2512.10315" in made.note


@pytest.mark.parametrize(
    "line",
    [
        "{model: x, cells: null, transitions: {R-T: 100}, reading: read, seen_in: a}",
        "{model: x, cells: null, transitions: {R-O: 100}, reading: read, seen_in: b}",
        "{model: x, cells: null, transitions: {R-O: warm}, reading: read, seen_in: a}",
    ],
)
def test_literature_of_another_form_is_refused(tmp_path, line):
    path = tmp_path / "literature.yaml"
    path.write_text(f"sources: {{a: somewhere}}\nmodels:\n  - {line}\n")
    with pytest.raises(DataError, match="--literature"):
        read_literature(path)
