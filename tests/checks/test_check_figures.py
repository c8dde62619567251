"""The figures of the checks say what was found."""

from __future__ import annotations

import numpy as np

from labkit.checks.check_figures import finite_differences, memorised_losses, taylor_remainders
from labkit.checks.differences import COUNTS, Differences
from labkit.checks.taylor import Remainders
from labkit.report.canvas import render

STEPS = 0.1 * 0.5 ** np.arange(19)


def test_a_panel_for_each_group_with_its_slopes() -> None:
    right = Remainders(STEPS, STEPS, STEPS**2, 1.0)
    linear = Remainders(STEPS, STEPS, 0 * STEPS, 1.0)
    figure = taylor_remainders({"W": right, "all": linear}, "Taylor")
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["in W: slopes 1.000, 2.000", "in all: slopes 1.000, nan"]
    assert {axes.get_xscale() for axes in figure.axes} == {axes.get_yscale() for axes in figure.axes} == {"log"}
    assert len(figure.legends[0].get_texts()) == 3
    assert render(figure).startswith(b"\x89PNG")


def test_the_size_of_the_gradient_and_its_zeros_stand_beside_the_errors() -> None:
    counts = np.array(COUNTS)
    curve = Differences(counts, 1.0 / counts**2, np.array([0.0, 0.0, 0.25]))
    figure = finite_differences({"mlp": curve})
    (label,) = [text.get_text() for text in figure.legends[0].get_texts()]
    assert label == "mlp: 2 of 3 derivatives are 0, dotted: the largest, 0.25"
    assert figure.axes[0].get_xscale() == figure.axes[0].get_yscale() == "log"
    assert list(figure.axes[0].lines[0].get_xdata()) == list(COUNTS)
    assert render(figure).startswith(b"\x89PNG")


def test_losses_with_their_limit() -> None:
    figure = memorised_losses({"mlp": [(0, 2.3), (500, 0.004)]}, 0.01)
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert labels == ["mlp", "limit 0.01"]
    assert render(figure).startswith(b"\x89PNG")
