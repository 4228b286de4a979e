import json
import re
import shutil

import numpy as np
import pytest
from fake_run import REPEAT, WINDOW
from matplotlib.colors import to_rgb

from ocvf_lmp.analysis.cell_figures import cell_figure, production_figure
from ocvf_lmp.analysis.figures import FIGURES, draw_figures, save_figures
from ocvf_lmp.analysis.pdf_figures import partials_figure, pdf_figure
from ocvf_lmp.analysis.runfolder import read_run
from ocvf_lmp.analysis.style import AFTER, BEFORE, REFERENCE, broken_line
from ocvf_lmp.analysis.training_figures import lattice_figure, training_figure
from ocvf_lmp.system.trajectory import read_trajectory


def lines_of(panel, colour):
    return [line for line in panel.lines if to_rgb(line.get_color()) == to_rgb(colour)]


def test_a_finished_run_has_all_figures_and_a_bare_one_those_it_has_data_for(
    finished_run, unfinished_run, tmp_path
):
    assert [name for name, _ in draw_figures(read_run(finished_run))] == list(FIGURES)
    names = [name for name, _ in draw_figures(read_run(unfinished_run))]
    assert "production" not in names
    shutil.copy(unfinished_run / "config.yaml", tmp_path)
    assert list(draw_figures(read_run(tmp_path))) == []


def test_pdf_panels_show_the_curves_their_difference_and_what_the_target_is(unfinished_run):
    run = read_run(unfinished_run)
    figure = pdf_figure(run)
    titles = [panel.get_title() for panel in figure.axes if panel.get_title()]
    assert titles == [
        "100 K · neutron, SYNTHETIC", "100 K · X-ray, measured",
        "300 K · neutron, SYNTHETIC", "300 K · X-ray, measured",
    ]  # fmt: skip
    upper, lower = figure.axes[:2]
    curve = run.states[0].before.pdfs[0]
    assert np.array_equal(lines_of(upper, BEFORE)[0].get_ydata(), curve.simulated)
    difference = lines_of(lower, BEFORE)[0].get_ydata()
    assert difference == pytest.approx(curve.simulated - curve.target, abs=1e-12)
    assert lines_of(upper, AFTER) == []


def test_partials_have_a_row_a_pair_and_show_a_reference_only_where_there_is_one(finished_run):
    run = read_run(finished_run)
    figure = partials_figure(run)
    assert len(figure.axes) == 6 * 2
    assert all(len(lines_of(p, BEFORE)) == len(lines_of(p, AFTER)) == 1 for p in figure.axes)
    assert not any(lines_of(p, REFERENCE) for p in figure.axes)


def test_the_loss_is_drawn_over_the_epochs_with_the_measurements_around(finished_run):
    run = read_run(finished_run)
    loss = training_figure(run).axes[0]
    drawn = loss.lines[0].get_ydata()
    assert drawn.tolist() == [m["loss"] for m in run.states[0].metrics]
    marks = {float(x) for line in loss.lines for x in np.atleast_1d(line.get_xdata())}
    assert {0.0, run.epochs + 1.0} <= marks


def test_losses_and_parts_carry_the_errors_that_their_records_know(finished_run, tmp_path):
    plain = training_figure(read_run(finished_run))
    folder = shutil.copytree(finished_run, tmp_path / "run")
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    for k, record in enumerate(records):
        if k % 3:
            record |= {"loss_error": 700.0, "part_errors": dict.fromkeys(record["parts"], 0.2)}
    (folder / "metrics.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    run = read_run(folder)
    figure = training_figure(run)
    assert [len(p.containers) for p in plain.axes[:2]] == [4, 0]  # the measurements alone
    assert [len(p.containers) for p in figure.axes[:2]] == [6, 4]
    (bars,) = figure.axes[0].containers[0].lines[2]
    known = [m for m in run.states[0].metrics if m.get("loss_error")]
    drawn = bars.get_segments()
    assert [s[:, 0].mean() for s in drawn] == [m["epoch"] for m in known]
    assert [s[:, 1].mean() for s in drawn] == pytest.approx([m["loss"] for m in known])
    assert [np.ptp(s[:, 1]) for s in drawn] == pytest.approx([1400.0] * len(known))
    # bars that reach below zero do not take the logarithmic scale away
    assert figure.axes[0].get_yscale() == plain.axes[0].get_yscale() == "log"


def test_r_w_has_its_error_unless_the_run_is_older(finished_run, tmp_path):
    remark = r"\$R_w\$ = [\d.]+\(\d+\) → [\d.]+\(\d+\)"
    panel = pdf_figure(read_run(finished_run)).axes[0]
    assert re.fullmatch(remark, panel.texts[0].get_text())
    folder = shutil.copytree(finished_run, tmp_path / "run")
    scores = json.loads((folder / "evaluation.json").read_text())
    for states in scores.values():
        for found in states.values():
            del found["r_w_error"]
    (folder / "evaluation.json").write_text(json.dumps(scores))
    panel = pdf_figure(read_run(folder)).axes[0]
    assert re.fullmatch(r"\$R_w\$ = \d\.\d{3} → \d\.\d{3}", panel.texts[0].get_text())


def test_simulated_curves_have_the_band_of_their_error(unfinished_run):
    run = read_run(unfinished_run)
    upper, lower = pdf_figure(run).axes[:2]
    curve = run.states[0].before.pdfs[0]
    assert len(upper.collections) == 1
    assert len(lower.collections) == 2  # and the target's
    path = upper.collections[0].get_paths()[0].vertices
    expected = (curve.simulated + curve.simulated_error).max()
    assert path[:, 1].max() == pytest.approx(expected)


def test_a_window_without_limit_has_no_cross(finished_run):
    run = read_run(finished_run)
    horizon = training_figure(run).axes[3]
    used, usable = horizon.lines[:2]
    assert used.get_ydata()[0] == pytest.approx(WINDOW * 0.002)
    limited = [m["usable_ps"] for m in run.states[0].metrics if m["usable_ps"] < 1e6]
    assert usable.get_ydata().tolist() == limited


def test_the_cell_figure_shows_the_unit_cell_and_the_windows_in_the_gap(finished_run):
    run = read_run(finished_run)
    lengths = cell_figure(run).axes[0]
    trajectory = read_trajectory(finished_run / "trajectory_100K.h5")
    first = lengths.lines[0].get_ydata()
    expected = np.linalg.norm(trajectory.cells[:, 0], axis=1) / REPEAT[0]
    assert first[np.isfinite(first)] == pytest.approx(expected, rel=1e-12)
    assert np.isnan(first).sum() == 1  # the gap of the training
    dots = lengths.lines[3]
    gap = trajectory.time[75 - 1], trajectory.time[75]
    assert gap[0] < dots.get_xdata().min() < dots.get_xdata().max() < gap[1]
    assert dots.get_ydata().tolist() == [m["a"] for m in run.states[0].metrics]


def test_a_damaged_trajectory_only_costs_its_own_column(finished_run, tmp_path):
    folder = shutil.copytree(finished_run, tmp_path / "run")
    (folder / "trajectory_100K.h5").write_bytes(b"\x89HDF\r\n\x1a\n nothing more")
    figure = cell_figure(read_run(folder))
    assert [p.get_title() for p in figure.axes if p.get_title()] == ["300K"]


def test_lengths_of_a_whole_cell_become_those_of_the_unit_cell(finished_run, tmp_path):
    folder = shutil.copytree(finished_run, tmp_path / "run")
    log = folder / "lammps" / "log.lammps"
    head = "LAMMPS (1 Jan 2025)\ntimestep 0.001\nStep Temp Lx Ly Lz\n"
    log.write_text(head + "".join(f"{k} 300 15.97 15.98 20.2\n" for k in range(9)))
    panels = production_figure(read_run(folder)).axes
    shown = [line.get_ydata()[0] for line in panels[0].lines]
    assert shown == pytest.approx([15.97 / 4, 15.98 / 4, 20.2 / 5])


def test_the_lattice_figure_puts_states_at_their_temperatures(finished_run):
    lengths = lattice_figure(read_run(finished_run)).axes[0]
    for line in lengths.lines:
        x = np.asarray(line.get_xdata())
        assert x == pytest.approx([100, 300], abs=5) or len(x) != 2


def test_a_number_whose_error_is_not_known_is_not_drawn(finished_run, tmp_path):
    folder = shutil.copytree(finished_run, tmp_path / "run")
    scores = json.loads((folder / "evaluation.json").read_text())
    scores["before"]["100K"]["lattice_error"] = [float("nan")] * 6
    (folder / "evaluation.json").write_text(json.dumps(scores))
    for panel in lattice_figure(read_run(folder)).axes:
        drawn = [len(bars.lines[0].get_xdata()) for bars in panel.containers]
        assert drawn == [1] * 3 + [2] * 6


def test_lines_break_where_time_jumps():
    time, values = broken_line(np.array([0.0, 1, 2, 9, 10]), np.arange(5.0))
    assert np.isnan(time).tolist() == [False] * 3 + [True] + [False] * 2
    assert values[[0, 1, 2, 4, 5]].tolist() == [0, 1, 2, 3, 4]
    assert np.isnan(values[3])


def test_figures_are_saved_in_three_formats(finished_run, tmp_path):
    shutil.copy(finished_run / "config.yaml", tmp_path)
    shutil.copytree(finished_run / "lammps", tmp_path / "lammps")
    paths = save_figures(draw_figures(read_run(tmp_path)), tmp_path / "figures")
    begins = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}
    assert [p.name for p in paths] == ["production.png", "production.svg", "production.pdf"]
    for path in paths:
        assert path.read_bytes().startswith(begins[path.suffix])
