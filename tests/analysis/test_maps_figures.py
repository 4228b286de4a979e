import numpy as np
import pytest
from maps_models import CRYSTAL, SYMBOLS, Bonds, bonds_curve

from ocvf_lmp.analysis.maps.displacements import PLANES
from ocvf_lmp.analysis.maps.figures import curves_figure, draw_maps, map_figure
from ocvf_lmp.analysis.maps.looks import change_scale, energy_scale
from ocvf_lmp.analysis.maps.survey import Energies, Survey, survey_model
from ocvf_lmp.analysis.maps.words import CAPTIONS, ORDER
from ocvf_lmp.potential.composite import Corrected
from ocvf_lmp.potential.elsewhere import Elsewhere


def painted(figure) -> bytes:
    """The picture: also runs the layout and all that is drawn late."""
    figure.set_dpi(40)
    figure.canvas.draw()
    return bytes(figure.canvas.buffer_rgba())


def survey_of(prior, correction) -> Survey:
    model = Corrected(prior, correction)
    cold, _ = survey_model(model, CRYSTAL, name="100K", temperature=100.0, discs=False)
    warm, _ = survey_model(model, CRYSTAL, name="300K", temperature=300.0)
    return Survey([cold, warm])


@pytest.fixture(scope="module")
def survey():
    return survey_of(Bonds(0.02), Bonds(-0.004))


def test_every_figure_is_drawn_has_a_caption_and_a_place(survey):
    drawn = dict(draw_maps(survey))
    assert list(drawn) == ["energy-curves", "energy-surface", "energy-map-001", "energy-map-1-10"]
    assert set(drawn) == set(CAPTIONS) <= set(ORDER)
    for name, figure in drawn.items():
        assert len(set(painted(figure))) > 50
        assert "no error bar" in CAPTIONS[name][1]


def test_curves_show_the_energies_in_mev(survey):
    panels = curves_figure(survey).axes
    assert len(panels) == 6
    sizes = survey.surfaces[0].sizes
    prior, corrected = (line.get_ydata() for line in panels[0].lines[:2])
    assert prior == pytest.approx(1000 * bonds_curve(0.02, sizes), abs=1e-9)
    assert corrected == pytest.approx(1000 * bonds_curve(0.016, sizes), abs=1e-9)
    assert panels[3].lines[0].get_ydata() == pytest.approx(1000 * bonds_curve(-0.004, sizes))


def test_without_a_prior_the_correction_is_drawn_alone():
    survey = survey_of(Elsewhere(SYMBOLS, ["pair_style buck 9"]), Bonds(-0.004))
    figures = dict(draw_maps(survey))
    assert len(figures) == 4
    assert all(painted(figure) for figure in figures.values())
    assert len(curves_figure(survey).axes) == 3
    titled = [p for p in map_figure(survey, PLANES[0]).axes if p.get_title(loc="left")]
    assert len(titled) == 2


@pytest.mark.parametrize("strength", [0.0, 1e-14])
def test_a_correction_of_zero_can_be_drawn(strength):
    survey = survey_of(Bonds(0.0), Bonds(strength))
    assert all(painted(figure) for _, figure in draw_maps(survey))
    scale = change_scale([survey.surfaces[0].maps["001"]])
    assert (scale.low, scale.high) == (-1.0, 1.0)


def test_the_scale_of_energies_reaches_from_the_wells_to_their_rims():
    u = np.linspace(-0.2, 0.2, 41)
    double_well = 10.0 * u**4 - 0.2 * u**2  # eV
    scale = energy_scale([Energies(-double_well, double_well), Energies(double_well, double_well)])
    deepest = 2 * 1000 * double_well.min()
    assert scale.low == pytest.approx(deepest)
    assert -deepest / 2 < scale.high <= 1000 * 2 * double_well.max()
    change = change_scale([Energies(double_well, None)])
    assert change.high == -change.low == pytest.approx(1000 * abs(double_well).max())
