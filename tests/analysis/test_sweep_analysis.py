"""Whole sweeps with known transitions, cells, polarization, and known damage."""

import dataclasses
import json

import numpy as np
import pytest
from fake_sweep import CHARGES, EDGE, SIZES, Fake, spoil, steps_of, unsound

from ocvf_lmp.analysis.phases.analyse import Settings, analyse
from ocvf_lmp.analysis.phases.analysis_file import read_analysis, write_analysis
from ocvf_lmp.analysis.phases.page import Judgement, render
from ocvf_lmp.analysis.phases.tables import comparison_table, tables
from ocvf_lmp.cli import main
from ocvf_lmp.errors import DataError
from ocvf_lmp.observables.born_charges import read_born_charges

TRANSITIONS = {"heating": (110, 210, 310), "cooling": (90, 190, 290)}
QUICK = Settings(samples=100)


def analysed(path, settings=QUICK):
    return analyse(path, read_born_charges(CHARGES, "cubic_wu_cohen"), settings)


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep")
    return Fake(steps_of(TRANSITIONS), range(50, 400, 25)).write(folder / "sweep.h5")


@pytest.fixture(scope="module")
def found(sweep):
    return analysed(sweep)


@pytest.mark.parametrize("by", ["polarization", "strain"])
def test_transitions_of_both_branches(found, by):
    for branch, truth in TRANSITIONS.items():
        own = [t for t in found.transitions if (t.branch, t.by) == (branch, by)]
        for t, expected in zip(own, truth, strict=True):
            assert t.below < expected < t.above
            assert abs(t.temperature.value - expected) < 2.5 * t.temperature.error
            assert t.temperature.error >= 25 / 12**0.5
    for h in found.hysteresis:
        assert abs(h.width.value - 20) < 2.5 * h.width.error
    assert len(found.hysteresis) == 6


def test_polarization_by_phase_with_errors(found):
    for one in found.phases:
        if one.phase == "C":
            continue
        assert abs(one.ordered.value - SIZES[one.phase]) < 4 * one.ordered.error + 0.003
        assert one.variance == pytest.approx(one.deviation**2)
        assert 0 < one.size.error < one.deviation
    assert [one.phase for one in found.phases] == ["R", "O", "T", "C"]


def test_cells_by_phase_and_thermal_expansion(found):
    tetragonal = next(one for one in found.phases if one.phase == "T").lattice["c/a"]
    assert abs(tetragonal.value - 1.0110) < 4 * tetragonal.error
    rhombohedral = next(one for one in found.phases if one.phase == "R").lattice["alpha"]
    assert abs(rhombohedral.value - 89.8) < 4 * rhombohedral.error
    for one in found.phases:
        assert abs(one.expansion.value - 1.2e-5) < 3 * one.expansion.error
        volume = EDGE**3 * (1 + 3.6e-5 * (0.5 * (one.coldest + one.warmest) - 200))
        assert one.volume.value == pytest.approx(volume, rel=3e-3)


def test_free_energies_are_those_of_the_oscillators(found):
    """U is drawn from a harmonic crystal: Z is proportional to T^(3N/2)."""
    sharp = 0
    for step in found.free_steps:
        if step.refused:
            continue
        from ocvf_lmp.units import KB

        exact = -0.5 * 15 * np.log(step.warm / step.cold)
        exact -= step.zero * (1 / (KB * step.warm) - 1 / (KB * step.cold))
        assert abs(step.difference.value - exact) < 4.5 * step.difference.error + 0.002
        sharp += 1
    assert sharp > 15


def test_transitions_beyond_the_sweep_are_said_to_be_so(tmp_path):
    truth = steps_of({"heating": (60, 80, 900)})
    path = Fake(truth, (100, 125, 150), branches=("heating",), frames=60).write(tmp_path / "a.h5")
    said = {t.name: t.statement for t in analysed(path).transitions if t.by == "polarization"}
    assert said["T-C"] == "above 150 K"
    assert said["O-T"] == "below 100 K"
    assert "not seen" in said["R-O"]


def test_a_phase_that_is_passed_over_is_named(tmp_path):
    truth = steps_of({"heating": (110, 110, 900)})
    path = Fake(truth, (75, 100, 125, 150), branches=("heating",), frames=60)
    found = analysed(path.write(tmp_path / "a.h5"))
    texts = [t.statement for t in found.transitions if t.name == "O-T" and t.by == "polarization"]
    assert "mostly O" in texts[0]


def test_the_orientation_of_domains_does_not_matter(tmp_path):
    def domains(branch, t, n):
        axes = [2, 0, 1] if t < 150 else [1, 2, 0]
        signs = [-1, 1, -1]
        return np.tile(np.array(axes + signs, dtype=float), (n, 1))

    fake = Fake(steps_of(TRANSITIONS), (75, 150, 250), branches=("heating",), domains=domains)
    found = analysed(fake.write(tmp_path / "a.h5"))
    assert [leg.phase for leg in found.of_branch("heating")] == ["R", "O", "T"]
    r, o, t = found.of_branch("heating")
    assert all(abs(x.value - 89.8) < 5 * x.error for x in r.aligned[3:])
    assert abs(o.aligned[3].value - 89.8) < 5 * o.aligned[3].error
    assert abs(t.ratio.value - 1.0110) < 5 * t.ratio.error


def test_damaged_frames_are_left_out_and_counted(tmp_path):
    def damage(leg):
        return unsound(leg) if leg.temperature == 250 else leg

    clean = Fake(steps_of(TRANSITIONS), (225, 250, 275), branches=("heating",))
    damaged = dataclasses.replace(clean, change=damage)
    a, b = analysed(clean.write(tmp_path / "a.h5")), analysed(damaged.write(tmp_path / "b.h5"))
    leg = b.of_branch("heating")[1]
    assert leg.skipped == {"NaN or infinity": 2, "absurd cell": 1, "atoms off their sites": 2}
    assert leg.frames == a.of_branch("heating")[1].frames - 5
    assert leg.size.value == pytest.approx(a.of_branch("heating")[1].size.value, rel=0.02)
    assert any("5 frames" in remark for remark in b.remarks)


def test_a_leg_with_too_few_sound_frames_is_left_out_with_the_reason(tmp_path):
    def damage(leg):
        cell = leg.cell.copy()
        cell[-198:] = np.nan
        return spoil(leg, cell=cell) if leg.temperature == 250 else leg

    fake = Fake(steps_of(TRANSITIONS), (225, 250, 275), branches=("heating",), change=damage)
    found = analysed(fake.write(tmp_path / "a.h5"))
    assert [leg.temperature for leg in found.legs] == [225, 275]
    assert "2 sound frames of 200" in found.left_out[0].reason
    assert "198 × NaN" in found.left_out[0].reason
    all_bad = dataclasses.replace(fake, temperatures=(250,))
    with pytest.raises(DataError, match="198 × NaN"):
        analysed(all_bad.write(tmp_path / "b.h5"))


def test_gated_models_have_no_free_energies(tmp_path):
    fake = Fake(
        steps_of(TRANSITIONS), (225, 250), branches=("heating",), source={"gated": True}, frames=60
    )
    found = analysed(fake.write(tmp_path / "a.h5"))
    assert found.free_steps == []
    assert found.balances == []
    assert any("not defined" in remark for remark in found.remarks)


def test_results_survive_the_file(found, tmp_path):
    write_analysis(tmp_path / "analysis.json", found)
    text = (tmp_path / "analysis.json").read_text("utf-8")
    json.loads(text, parse_constant=lambda x: pytest.fail(f"{x} is no JSON"))
    assert read_analysis(tmp_path / "analysis.json").to_json() == found.to_json()
    (tmp_path / "analysis.json").write_text(text[:1000], "utf-8")
    with pytest.raises(DataError, match="analyze"):
        read_analysis(tmp_path / "analysis.json")


def test_results_of_earlier_versions_can_be_read(found, tmp_path):
    """They do not say how many bootstrap samples have a balance."""
    older = json.loads(found.to_json())
    assert older["balances"]
    for one in older["balances"]:
        del one["sound"]
    (tmp_path / "analysis.json").write_text(json.dumps(older), "utf-8")
    read = read_analysis(tmp_path / "analysis.json")
    assert all(np.isnan(one.sound) for one in read.balances)
    assert read.transitions == found.transitions


def test_every_temperature_is_in_the_tables(found):
    drawn = {one.title: one for one in tables(found)}
    assert len(drawn["Phases"].rows) == len(drawn["Cell"].rows) == 28
    assert all(len(row) == len(one.columns) for one in drawn.values() for row in one.rows)
    both = comparison_table([found, found])
    assert len(both.rows) == 4
    assert "±" in both.rows[0][4]


def test_cells_of_two_sizes_stand_beside_each_other(tmp_path):
    truths = {(2, 2, 2): (110, 210, 310), (3, 3, 3): (160, 260, 360)}
    all_found = []
    for repeat, truth in truths.items():
        fake = Fake(
            steps_of({"heating": truth}), range(75, 425, 50), branches=("heating",), repeat=repeat,
            frames=60,
        )  # fmt: skip
        all_found.append(analysed(fake.write(tmp_path / f"cells{repeat[0]}.h5")))
    table = comparison_table(all_found)
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    assert [(row["Sweep"], row["Cells"], row["Atoms"], row["Branch"]) for row in rows] == [
        ("cells2", "2×2×2", "40", "heating"), ("cells3", "3×3×3", "135", "heating"),
    ]  # fmt: skip
    for row, truth in zip(rows, truths.values(), strict=True):
        for name, true in zip(("R-O", "O-T", "T-C"), truth, strict=True):
            value, error = map(float, row[f"{name} (K)"].split(" ± "))
            assert 50 / 12**0.5 - 1 < error < 25
            assert abs(value - true) < 2 * error


def test_the_command_writes_results_and_figures(tmp_path, capsys):
    fake = Fake(steps_of(TRANSITIONS), (75, 150, 250, 350), frames=40)
    paths = [fake.write(tmp_path / name / "sweep.h5") for name in ("a", "b")
             if not (tmp_path / name).mkdir()]  # fmt: skip
    code = main(["analyze", *map(str, paths), "--bootstrap", "50",
                 "--charges-file", str(CHARGES)])  # fmt: skip
    assert code == 0
    assert "overestimates" in capsys.readouterr().out
    assert read_analysis(tmp_path / "a" / "analysis.json").name == "sweep"
    names = {path.name for path in (tmp_path / "b" / "figures").iterdir()}
    for name in ("lattice_violins", "axis_ratio", "axis_difference", "polarization", "phases"):
        assert {f"{name}.png", f"{name}.svg", f"{name}.pdf"} <= names
    assert (tmp_path / "a" / "comparison.json").is_file()
    assert (tmp_path / "a" / "figures" / "comparison.png").is_file()


def test_results_and_their_pdfs_stand_in_for_the_sweeps(tmp_path, capsys):
    """The verdict is the same, R_w of G(r) included, once the sweeps are gone."""
    options = ["--bootstrap", "50", "--charges-file", str(CHARGES), "--no-figures"]
    sweeps = {}
    for k, name in enumerate(("world", "model")):
        (tmp_path / name).mkdir()
        moved = {b: tuple(t + 60 * k for t in ts) for b, ts in TRANSITIONS.items()}
        fake = Fake(steps_of(moved), (75, 250, 350), frames=40)
        sweeps[name] = fake.write(tmp_path / name / "sweep.h5")
        assert main(["analyze", str(sweeps[name]), *options, "--pdfs"]) == 0

    def verdict(model, world, out):
        command = ["analyze", str(model), "--reference", str(world), "--out", str(tmp_path / out)]
        assert main([*command, *options]) == 0
        return json.loads((tmp_path / out / "verdict.json").read_text())

    first = verdict(sweeps["model"], sweeps["world"], "from_sweeps")
    for path in sweeps.values():
        path.unlink()
    kept = [path.with_name("analysis.json") for path in sweeps.values()]
    before = kept[1].read_bytes()
    second = verdict(kept[1], kept[0], "from_results")
    assert kept[1].read_bytes() == before
    rows = [{row["quantity"]: row for row in v["quantities"]} for v in (first, second)]
    assert rows[0].keys() == rows[1].keys()
    assert sum(name.startswith("R_w") for name in rows[0]) >= 3
    for name, row in rows[0].items():
        old, new = (r["models"][0]["value"] for r in (row, rows[1][name]))
        assert new == (old and pytest.approx(old, rel=1e-5, abs=1e-6)), name
    pdfs = kept[0].with_name("analysis_pdfs.npz")
    again = ["analyze", str(kept[1]), "--reference", str(kept[0]), *options]
    for damaged in (b"no such thing", b"", pdfs.read_bytes()[:-100]):
        pdfs.write_bytes(damaged)
        assert main(again) == 1
        assert "--pdfs" in capsys.readouterr().err
    pdfs.unlink()
    assert main(again) == 0
    assert "no G(r) beside" in " ".join(capsys.readouterr().out.split())


def test_a_reference_is_not_replaced_by_what_it_is_to_judge(tmp_path, capsys):
    fake = Fake(steps_of(TRANSITIONS), (75, 150), frames=20)
    sweep = fake.write(tmp_path / "sweep.h5")
    truth = tmp_path / "analysis.json"
    truth.write_text("precious")
    assert main(["analyze", str(sweep), "--reference", str(truth), "--no-figures"]) == 1
    assert "would replace" in " ".join(capsys.readouterr().err.split())
    assert truth.read_text() == "precious"


def test_the_page_says_how_a_sweep_was_run_as_far_as_its_file_does(found):
    settings = {"seed": 5, "steps": 2000, "equilibration": 900, "timestep": 0.002}
    told = dataclasses.replace(found, source={"ocvf_lmp": "0.1.0", "settings": settings})
    size = "2×2×2 cells, 40 atoms; heating and cooling"
    known = "ocvf-lmp 0.1.0; seed 5; 2000 steps of 0.002 ps at each temperature after 900 of"
    page = render([told], Judgement())
    assert f"<dd>{known} equilibration; {size}</dd>" in page
    assert f"<dd>{size}</dd>" in render([found], Judgement())
