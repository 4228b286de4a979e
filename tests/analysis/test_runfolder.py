import json
import shutil

import numpy as np
import pytest
from fake_run import EPOCHS, GOALS, REPEAT

from ocvf_lmp.analysis.runfolder import read_run
from ocvf_lmp.analysis.tables import lattice_table, loss_table, thermo_table
from ocvf_lmp.errors import DataError


@pytest.fixture
def copy(finished_run, tmp_path):
    return shutil.copytree(finished_run, tmp_path / "run")


def test_a_finished_run_lacks_nothing(finished_run):
    run = read_run(finished_run)
    assert run.finished
    assert run.missing == run.problems == ()
    assert [s.name for s in run.states] == ["100K", "300K"]
    assert [s.temperature for s in run.states] == [100.0, 300.0]
    assert (run.epochs, run.epochs_planned, run.repeat) == (EPOCHS, EPOCHS, REPEAT)
    assert run.log is not None
    assert run.synthetic


def test_an_unfinished_run_says_what_it_lacks(unfinished_run):
    run = read_run(unfinished_run)
    assert not run.finished
    text = "; ".join(run.missing)
    assert "corrected model at 100K, 300K" in text
    assert f"{EPOCHS // 2} of {EPOCHS} epochs" in text
    assert "potential" in text
    assert run.log is None


def test_curves_and_scores_are_those_that_were_written(finished_run):
    run = read_run(finished_run)
    with np.load(finished_run / "evaluation_after_300K.npz") as content:
        found = run.states[1].after
        assert np.array_equal(found.partials.g, content["partials"])
        assert found.partials.pairs[:3] == ("Ba-Ba", "Ba-Ti", "Ba-O")
        assert np.array_equal(found.pdfs[1].simulated, content["target1_simulated"])
        assert found.pdfs[1].radiation == "xray"
    written = json.loads((finished_run / "evaluation.json").read_text())
    assert found.loss == written["after"]["300K"]["loss"]


def test_each_target_keeps_its_own_label(unfinished_run):
    labels = [pdf.label for pdf in read_run(unfinished_run).states[0].before.pdfs]
    assert labels == ["neutron, SYNTHETIC", "X-ray, measured"]


def test_a_damaged_measurement_is_a_problem_and_not_the_end(copy):
    path = copy / "evaluation_after_100K.npz"
    path.write_bytes(path.read_bytes()[:500])
    with (copy / "metrics.jsonl").open("a") as handle:
        handle.write('{"epoch": 13, "sta')
    run = read_run(copy)
    assert run.states[0].after is None
    assert run.states[1].after is not None
    assert any("evaluation_after_100K.npz" in p for p in run.problems)
    assert any("1 damaged line" in p for p in run.problems)
    assert run.epochs == EPOCHS


def test_unreadable_configuration_and_scores_are_problems(copy):
    (copy / "config.yaml").write_text("name: [unclosed")
    (copy / "evaluation.json").write_text("{")
    run = read_run(copy)
    assert len(run.problems) == 2
    assert [s.temperature for s in run.states] == [100.0, 300.0]  # from the metrics


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(DataError, match="none of"):
        read_run(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        read_run(tmp_path / "nowhere")


def test_reference_partials_beside_a_target_are_found(copy, tmp_path):
    r, pairs = np.arange(1, 5) * 0.1, np.array(["Ba-Ba", "Ba-Ti"])
    np.savez(tmp_path / "partials_100K.npz", r=r, g=np.ones((2, 4)), pairs=pairs)
    text = (copy / "config.yaml").read_text().replace("pdf: data/", f"pdf: {tmp_path}/")
    (copy / "config.yaml").write_text(text)
    cold, warm = read_run(copy).states
    assert cold.reference.pairs == ("Ba-Ba", "Ba-Ti")
    assert warm.reference is None


def test_the_loss_table_holds_the_relative_change_and_its_significance(copy):
    scores = json.loads((copy / "evaluation.json").read_text())
    scores["before"]["100K"] |= {"loss": 10.0, "loss_error": 0.3}
    scores["after"]["100K"] |= {"loss": 9.0, "loss_error": 0.4}  # exactly two errors
    scores["before"]["300K"] |= {"loss": 10.0, "loss_error": 0.3}
    scores["after"]["300K"] |= {"loss": 12.5, "loss_error": 0.4}
    (copy / "evaluation.json").write_text(json.dumps(scores))
    fallen, risen = loss_table(read_run(copy))
    assert fallen.change == pytest.approx(-10.0)
    assert not fallen.significant
    assert risen.change == pytest.approx(25.0)
    assert risen.significant
    assert set(fallen.r_w) == {"neutron_100K", "xray_100K"}


def test_the_loss_table_of_an_unfinished_run_has_no_change(unfinished_run):
    for row in loss_table(read_run(unfinished_run)):
        assert row.before > 0
        assert row.after is row.change is row.significant is None


def test_the_lattice_table_sorts_lengths_and_their_errors_alike(copy):
    scores = json.loads((copy / "evaluation.json").read_text())
    scores["after"]["300K"] |= {
        "lattice": [4.04, 3.99, 4.00, 90.3, 89.9, 90.0],
        "lattice_error": [0.01, 0.02, 0.03, 0.1, 0.2, 0.3],
    }
    (copy / "evaluation.json").write_text(json.dumps(scores))
    rows = {(r.state, r.what): r for r in lattice_table(read_run(copy))}
    row = rows["300K", "after"]
    assert row.values == pytest.approx([3.99, 4.00, 4.04, 89.9, 90.0, 89.7])
    assert row.errors == pytest.approx([0.02, 0.03, 0.01, 0.2, 0.3, 0.1])
    goal = rows["100K", "target"].values
    assert goal == pytest.approx([*GOALS[100.0][:3], *[GOALS[100.0][3]] * 3])


def test_the_thermo_table_averages_after_the_start(finished_run):
    run = read_run(finished_run)
    mean = {name: value for name, value, _ in thermo_table(run, discard=0.5)}
    assert mean["v_c"] == pytest.approx(run.log.column("v_c")[60:].mean(), rel=1e-12)
    assert "Step" not in mean
