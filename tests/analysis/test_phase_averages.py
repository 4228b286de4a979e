"""Averages over phases, where polarization and cell tell different things."""

import dataclasses

import numpy as np
import pytest
from fake_sweep import CHARGES, Fake, steps_of

from ocvf_lmp.analysis.phases.alignment import align
from ocvf_lmp.analysis.phases.analyse import Settings, read_series
from ocvf_lmp.analysis.phases.by_phase import phase_results
from ocvf_lmp.analysis.phases.classify import PHASES, by_polarization, window_length
from ocvf_lmp.analysis.phases.strain import by_strain
from ocvf_lmp.observables.born_charges import read_born_charges


@pytest.fixture(scope="module")
def legs(tmp_path_factory):
    """Of 50, 75 (R), 150 (O), 250 K (T): series, alignment, phases by polarization and strain."""
    fake = Fake(steps_of({"heating": (110, 210, 310)}), (50, 75, 150, 250), branches=("heating",))
    path = fake.write(tmp_path_factory.mktemp("sweep") / "a.h5")
    series, _ = read_series(path, read_born_charges(CHARGES, "cubic_wu_cohen"), 10)
    criteria = Settings().criteria
    window = window_length(series, criteria)
    polar = by_polarization(series, criteria, window)
    strain = by_strain(series, criteria, window)
    aligned = [align(leg, own.parts) for leg, own in zip(series, polar, strict=True)]
    return list(zip(series, aligned, polar, strain, strict=True))


def read_as(labels, phase):
    return dataclasses.replace(labels, frames=np.full_like(labels.frames, PHASES.index(phase)))


def table(legs):
    return {one.phase: one for one in phase_results(legs)}


def test_a_polarization_that_the_cell_contradicts_counts_for_no_phase(legs):
    series, aligned, polar, strain = legs[-1]
    hopping = [*legs[:-1], (series, aligned, read_as(polar, "R"), strain)]
    found, expected = table(hopping), table(legs[:-1])
    assert found["R"] == expected["R"]
    assert found["R"].warmest == 75
    assert "T" not in found


def test_small_shears_need_not_be_seen(legs):
    series, aligned, polar, strain = legs[0]
    unseen = [(series, aligned, polar, read_as(strain, "C")), *legs[1:]]
    assert table(unseen)["R"] == table(legs)["R"]


def test_without_a_cell_that_confirms_it_the_polarization_decides(legs):
    blind = [
        (series, aligned, polar, read_as(strain, "C")) for series, aligned, polar, strain in legs
    ]
    found, expected = table(blind), table(legs)
    assert found.keys() == expected.keys() == {"R", "O", "T"}
    assert found["T"].size.value == pytest.approx(expected["T"].size.value, rel=0.05)
