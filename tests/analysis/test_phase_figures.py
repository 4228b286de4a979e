"""Figures of a sweep show no number without its error."""

import dataclasses
import math

import numpy as np
import pytest
from fake_sweep import CHARGES, Fake, steps_of
from matplotlib.collections import PathCollection
from matplotlib.container import ErrorbarContainer

from ocvf_lmp.analysis.phases.analyse import Settings, analyse
from ocvf_lmp.analysis.phases.figures import FIGURES, balance_figure, comparison_figure
from ocvf_lmp.analysis.phases.results import Balance, Value
from ocvf_lmp.observables.born_charges import read_born_charges

CAPS = ("_", "|")
"""Markers at the ends of error bars."""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    truth = steps_of({"heating": (110, 210, 310), "cooling": (90, 190, 290)})
    path = Fake(truth, range(75, 375, 50), frames=40).write(tmp_path_factory.mktemp("s") / "s.h5")
    made = analyse(path, read_born_charges(CHARGES, "cubic_wu_cohen"), Settings(samples=20))
    differences = [Value(0.2, 0.1), Value(0.1, math.nan), Value(math.nan, 0.1), Value(-0.2, 0.1)]
    one = Balance(
        "heating", "O-T", [175.0, 200.0, 225.0, 250.0], differences, Value(210.0, 3.0), "equal"
    )
    bare = dataclasses.replace(
        one, differences=[Value(0.3, math.nan)] * 4, crossing=Value(math.nan, math.nan)
    )
    return dataclasses.replace(made, balances=[one, bare])


def with_errors(panel):
    """Places of an axes that have a bar of an error, rounded."""
    places = set()
    for container in panel.containers:
        if not isinstance(container, ErrorbarContainer):
            continue
        for bars in container.lines[2]:
            for start, end in bars.get_segments():
                if np.isfinite([start, end]).all() and np.any(start != end):
                    places.add(tuple(np.round(0.5 * (start + end), 9)))
    return places


def marked(panel):
    """Places of an axes that have a symbol, rounded."""
    places = set()
    for line in panel.lines:
        if line.get_marker() not in (*CAPS, "", " ", "None", None):
            places |= {tuple(np.round(xy, 9)) for xy in line.get_xydata() if np.isfinite(xy).all()}
    for cloud in panel.collections:
        if isinstance(cloud, PathCollection):
            places |= {tuple(np.round(xy, 9)) for xy in cloud.get_offsets()}
    return places


@pytest.mark.parametrize("name", FIGURES)
def test_every_symbol_has_its_error(found, name):
    figure = FIGURES[name](found)
    assert sum(len(with_errors(panel)) for panel in figure.axes) > 0
    for panel in figure.axes:
        assert marked(panel) <= with_errors(panel)


def test_every_symbol_of_a_comparison_has_its_error(found):
    figure = comparison_figure([found, found])
    for panel in figure.axes:
        assert len(marked(panel)) == 4
        assert marked(panel) <= with_errors(panel)


def test_a_number_whose_error_is_not_known_is_not_drawn(found):
    legs = [dataclasses.replace(x, ratio=Value(x.ratio.value, math.nan)) for x in found.legs[:1]]
    figure = FIGURES["axis_ratio"](dataclasses.replace(found, legs=[*legs, *found.legs[1:]]))
    (panel,) = figure.axes
    assert len(marked(panel)) == len(found.legs) - 1


def test_a_balance_is_drawn_where_its_error_is_known(found):
    (panel,) = balance_figure(found).axes
    assert marked(panel) == {(175.0, 0.2), (250.0, -0.2), (210.0, 0.0)}
    bare = dataclasses.replace(found, balances=found.balances[1:])
    assert balance_figure(bare) is None
