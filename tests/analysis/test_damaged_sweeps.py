"""Legs that cannot be read, and frames that are not sound, in the analysis and in G(r)."""

import dataclasses

import h5py
import numpy as np
import pytest
from fake_sweep import CHARGES, Fake, spoil, steps_of, unsound

from ocvf_lmp.analysis.phases.analyse import Settings, analyse
from ocvf_lmp.analysis.phases.pair_distributions import Diffractometer, curves
from ocvf_lmp.analysis.phases.tables import left_out_table
from ocvf_lmp.cli import main
from ocvf_lmp.errors import DataError
from ocvf_lmp.observables.born_charges import read_born_charges

TRUTH = steps_of({"heating": (110, 210, 310)})
INSTRUMENT = Diffractometer(r_range=(1.5, 4.0), dr=0.05, frames=1000)
FRAMES = ("step", "cell", "positions", "kinetic_temperature", "potential_energy", "pressure")


def analysed(path):
    return analyse(path, read_born_charges(CHARGES, "cubic_wu_cohen"), Settings(samples=20))


def without(leg):
    """The same leg without the frames that `unsound` spoils."""
    return spoil(leg, **{name: np.delete(getattr(leg, name), range(30, 35), 0) for name in FRAMES})


def test_g_of_r_uses_the_frames_that_the_analysis_counts(tmp_path):
    clean = Fake(TRUTH, (250,), branches=("heating",), frames=40, change=without)
    spoiled = dataclasses.replace(clean, change=unsound)
    a, b = clean.write(tmp_path / "a.h5"), spoiled.write(tmp_path / "b.h5")
    (leg,) = analysed(b).legs
    assert sum(leg.skipped.values()) == 5
    assert leg.frames == analysed(a).legs[0].frames == 35
    expected, found = curves(a, INSTRUMENT), curves(b, INSTRUMENT)
    np.testing.assert_array_equal(found["heating", 250.0], expected["heating", 250.0])


@pytest.fixture
def sweep(tmp_path):
    fake = Fake(TRUTH, (75, 150, 200, 250, 300), branches=("heating",), frames=40)
    return fake.write(tmp_path / "sweep.h5")


def lose_array(file):
    del file["legs/heating/0150.000/cell"]


def lose_place(file):
    del file["legs/heating/0150.000"].attrs["order"]


def shorten(file):
    leg = file["legs/heating/0150.000"]
    short = leg["cell"][:-3]
    del leg["cell"]
    leg["cell"] = short


def replaced(name, change):
    def damage(file):
        leg = file["legs/heating/0150.000"]
        values = change(leg[name][:])
        del leg[name]
        leg[name] = values

    return damage


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lose_array, "'cell'"),
        (lose_place, "'order'"),
        (shorten, "cell is of float64 (57, 3, 3), expected numbers of the shape (60, 3, 3)"),
        (replaced("positions", lambda x: x[:, :-5]), "positions is of float32"),
        (replaced("cell", lambda x: x[:, 0]), "cell is of float64 (60, 3)"),
        (replaced("potential_energy", lambda x: x.astype("S8")), "potential_energy is of"),
        (replaced("step", lambda x: x[:0]), "no frames"),
    ],
)
def test_a_leg_that_cannot_be_read_is_left_out_told_and_counted(sweep, damage, reason):
    with h5py.File(sweep, "r+") as file:
        damage(file)
    found = analysed(sweep)
    assert [leg.temperature for leg in found.legs] == [75, 200, 250, 300]
    (row,) = left_out_table(found).rows
    assert row[0] == "heating 150 K"
    assert row[1].startswith("cannot be read")
    assert reason in row[1]
    assert any("1 of 5 temperatures were left out" in remark for remark in found.remarks)
    assert {t for _, t in curves(sweep, INSTRUMENT)} == {75, 200, 250, 300}


def no_branch(file):
    del file["legs/heating"]
    file["legs/heating"] = np.zeros(3)


def no_temperature(file):
    file.move("legs/heating/0150.000", "legs/heating/warm")


@pytest.mark.parametrize(
    ("damage", "found"), [(no_branch, "branch heating"), (no_temperature, "heating/warm")]
)
def test_a_sweep_of_another_form_is_damaged(sweep, damage, found):
    with h5py.File(sweep, "r+") as file:
        damage(file)
    with pytest.raises(DataError, match=found):
        analysed(sweep)


def test_a_sweep_without_a_readable_leg_is_an_error_that_says_what_to_do(sweep, capsys):
    with h5py.File(sweep, "r+") as file:
        for leg in file["legs/heating"].values():
            del leg["positions"]
    for read in (analysed, lambda path: curves(path, INSTRUMENT)):
        with pytest.raises(DataError, match=r"heating 75 K.*'positions'.*run the sweep again"):
            read(sweep)
    assert main(["analyze", str(sweep), "--no-figures", "--charges-file", str(CHARGES)]) == 1
    assert "run the sweep again" in " ".join(capsys.readouterr().err.split())
