import re
import shutil
from html.parser import HTMLParser

import pytest
import yaml
from ase.build import bulk

from ocvf_lmp.analysis.figures import FIGURES
from ocvf_lmp.analysis.maps import words
from ocvf_lmp.analysis.report import write_report
from ocvf_lmp.analysis.report_tables import with_error
from ocvf_lmp.errors import DataError

VOID = {"meta", "img", "br", "link", "hr"}


class Checker(HTMLParser):
    """Collects text and sources, and refuses tags that are not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []
        self.text: list[str] = []
        self.rows: list[list[str]] = []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        self.sources += [v for k, v in attrs if k in ("src", "href") and v]
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text.append(data)
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += " ".join(data.split())


def checked(path) -> Checker:
    checker = Checker()
    checker.feed(path.read_text())
    assert checker.open == []
    return checker


@pytest.fixture(scope="module")
def page(finished_run, tmp_path_factory):
    out = tmp_path_factory.mktemp("page") / "report.html"
    return checked(write_report(finished_run, out))


def test_the_page_is_complete_in_itself(page):
    assert len(page.sources) == len(FIGURES) + len(words.CAPTIONS)
    assert all(s.startswith("data:image/svg+xml;base64,") for s in page.sources)
    assert "http" not in "".join(page.text)


def test_the_page_says_that_targets_are_synthetic_and_how_the_loss_changed(page):
    text = " ".join(page.text)
    assert "Synthetic targets." in text
    row = next(r for r in page.rows if r and r[0] == "100K" and r[3].endswith("%"))
    assert row[3].startswith("\N{MINUS SIGN}")
    assert re.fullmatch(r"[\d.]+\([\d.]+\)", row[1])
    assert "not finished" not in text
    assert "SYNTHETIC test data, 100 K" in text


def test_r_w_before_and_after_carry_errors(page):
    row = next(row for row in page.rows if "neutronSYNTHETIC" in row)
    assert all(re.fullmatch(r"0\.\d+\(\d+\)", text) for text in row[-2:])


def test_the_energy_surface_is_on_the_page_of_a_finished_run_alone(page, unfinished_run, tmp_path):
    title = "What the correction does to the energy surface"
    text = " ".join(page.text)
    assert title in text
    assert "no error bar" in text
    row = next(r for r in page.rows if r[:2] == ["100K", "meV/f.u."])
    assert row[2:] == ["0"] * 7  # the correction of this run ends before the first neighbours
    other = checked(write_report(unfinished_run, tmp_path / "report.html"))
    assert title not in " ".join(other.text)


def test_a_sample_that_is_no_perovskite_gets_a_word_and_no_map(finished_run, tmp_path):
    folder = shutil.copytree(finished_run, tmp_path / "run")
    config = yaml.safe_load((folder / "config.yaml").read_text())
    bulk("NaCl", "rocksalt", 5.6).write(tmp_path / "salt.extxyz")
    config["sample"]["structure"] = str(tmp_path / "salt.extxyz")
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    page = checked(write_report(folder))
    assert len(page.sources) == len(FIGURES)
    assert "found a sample with Na1 Cl1, which is not ABO3" in " ".join(page.text)


def test_an_unfinished_run_says_so_and_labels_measured_targets(unfinished_run, tmp_path):
    page = checked(write_report(unfinished_run, tmp_path / "report.html"))
    text = " ".join(page.text)
    assert "This run is not finished." in text
    assert any(row[2:3] == ["X-raymeasured"] for row in page.rows)
    assert "LAMMPS run" not in text


def test_a_run_that_has_just_begun_gets_a_page(unfinished_run, tmp_path):
    shutil.copy(unfinished_run / "config.yaml", tmp_path)
    path = write_report(tmp_path)
    assert path == tmp_path / "report.html"
    assert "the measurement of the prior" in " ".join(checked(path).text)


def test_a_log_from_elsewhere_is_shown_and_a_wrong_one_refused(finished_run, tmp_path):
    shutil.copy(finished_run / "config.yaml", tmp_path)
    log = finished_run / "lammps" / "log.lammps"
    page = checked(write_report(tmp_path, tmp_path / "report.html", log))
    assert any(row[0] == "v_c" for row in page.rows if row)
    with pytest.raises(DataError, match="no such file"):
        write_report(tmp_path, tmp_path / "other.html", tmp_path / "none")
    assert not (tmp_path / "other.html").exists()


def test_the_page_leads_to_an_analysis_that_is_there(unfinished_run, tmp_path):
    shutil.copy(unfinished_run / "config.yaml", tmp_path)
    analysis = tmp_path.parent / "analysis.html"
    with pytest.raises(DataError, match="found no such file"):
        write_report(tmp_path, analysis=analysis)
    analysis.write_text("<p>phases</p>")
    page = checked(write_report(tmp_path, analysis=analysis))
    assert "../analysis.html" in page.sources
    assert "Phases and transitions" in page.text
    with pytest.raises(DataError, match="a file that is no page"):
        write_report(tmp_path, tmp_path / "other.html", analysis=tmp_path / "config.yaml")
    assert not (tmp_path / "other.html").exists()


def test_names_cannot_break_the_page(unfinished_run, tmp_path):
    config = (unfinished_run / "config.yaml").read_text()
    (tmp_path / "config.yaml").write_text(config.replace("made-up", "<script>a & b</script>", 1))
    page = checked(write_report(tmp_path))
    assert "Training report: <script>a & b</script>" in " ".join(page.text)


@pytest.mark.parametrize(
    ("value", "error", "shown"),
    [
        (4.00213, 0.00042, "4.0021(4)"),
        (4.00213, 0.0017, "4.0021(17)"),
        (275.31, 19.7, "275(20)"),
        (300.41, 1.23, "300.4(1.2)"),
        (-2649.982, 0.146, "\N{MINUS SIGN}2649.98(15)"),
        (1.0, 0.0, "1"),
        (1.0, float("nan"), "1"),
        (None, 0.1, "–"),
    ],
)
def test_numbers_carry_their_errors_in_brackets(value, error, shown):
    assert with_error(value, error) == shown
