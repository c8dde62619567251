"""Learning curves of many members, and the spread of their seeds."""

from __future__ import annotations

import math

import pytest
import scipy.stats
from scipy.special import expit, logit

from labkit.report.member_figures import Member, member_curves, seed_spread
from labkit.report.search_table import search_table
from tests.report.search_rows import lambda_search
from tests.report.test_search_figures import inside, one_grid, png


def member(number, label="", broken=False):
    steps = range(0, 1001, 100)
    loss = [(k, 2.3 * 5 ** (k / 100) if k < 500 else math.nan) for k in steps]
    good = [(k, 2.3 - (1 - 0.01 * number) * (1 - math.exp(-k / 200))) for k in steps]
    accuracy = [(k, 0.1 + (0.4 - 0.01 * number) * (1 - math.exp(-k / 200))) for k in steps]
    return Member(label or f"loss.l2 {number}", [{"val/accuracy": accuracy, "train/loss": loss if broken else good}])


def lines(axes):
    return {line.get_label(): line for line in axes.lines}


@pytest.mark.parametrize("count", [0, 1, 2, 5, 6, 7, 72])
def test_any_number_of_members(count):
    figure = member_curves([member(i) for i in range(count)], "kth/lambda")
    assert [len(axes.lines) for axes in figure.axes] == [count, count]
    inside(figure)
    png(figure)


def test_the_best_are_named_and_the_rest_counted():
    figure = member_curves([member(i) for i in range(9)])
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == [f"loss.l2 {i}" for i in range(5)] + ["4 others"]
    accuracy, loss = figure.axes
    assert lines(accuracy)["loss.l2 3"].get_ydata()[-1] == pytest.approx(
        100 * member(3).seeds[0]["val/accuracy"][-1][1]
    )
    assert lines(loss)["loss.l2 0"].get_xydata().tolist() == [list(p) for p in member(0).seeds[0]["train/loss"]]
    assert (accuracy.get_ylabel(), loss.get_ylabel()) == ("val/accuracy (%)", "train/loss")


def test_a_member_that_explodes_is_cut_and_crossed():
    figure = member_curves([member(0), member(1), member(2, broken=True)])
    loss = figure.axes[1]
    assert loss.get_ylabel() == "train/loss, cut at 3.45"
    assert loss.get_ylim()[1] == pytest.approx(1.5 * 2.3)
    (cross,) = [line for line in loss.lines if line.get_marker() == "x"]
    assert cross.get_xydata().tolist() == [[400, pytest.approx(3.45)]]
    assert [text.get_text() for text in figure.legends[0].get_texts()][-1] == "not finite from here"
    inside(figure)


def test_long_names_make_more_rows_of_legend():
    long = [member(i, f"optimizer.lr 0.0123, loss.l2 0.00123, model.activation relu {i}") for i in range(7)]
    figure = member_curves(long)
    inside(figure)
    png(figure)


def test_several_seeds_are_their_mean_on_a_band_from_the_lowest_to_the_highest():
    seeds = [
        {"val/accuracy": [(0, 0.1), (10, value)], "train/loss": [(0, 2.0), (10, 1.0)]} for value in (0.3, 0.5, 0.7)
    ]
    figure = member_curves([Member("lr 0.1", seeds), Member("lr 1", seeds[:1])])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["lr 0.1 (n=3)", "lr 1"]
    axes = figure.axes[0]
    assert lines(axes)["lr 0.1 (n=3)"].get_xydata().tolist() == [[0, pytest.approx(10.0)], [10, pytest.approx(50.0)]]
    (shade,) = axes.collections  # one seed has no band
    corners = shade.get_paths()[0].vertices
    assert {tuple(corner) for corner in corners if corner[0] == 10} == {(10, 100 * 0.3), (10, 100 * 0.7)}
    png(figure)


def test_a_metric_that_nobody_has_is_said():
    axes = member_curves([Member("x", [{"train/loss": [(0, 2.3), (10, 1.0)]}])]).axes[0]
    assert axes.texts[0].get_text() == "not recorded"


def test_the_spread_of_seeds_shows_every_value_and_the_interval():
    table = search_table(*lambda_search())
    figure = seed_spread(table)
    (axes,) = figure.axes
    values = list(table.parts[0].entries[0].values.values())
    dots = next(line for line in axes.lines if line.get_marker() == "o" and line.get_ydata()[0] == 0)
    assert dots.get_xdata().tolist() == pytest.approx([100 * value for value in values])
    mean = sum(values) / 5
    size = scipy.stats.sem(values) / (mean * (1 - mean))
    low, high = expit(scipy.stats.t.interval(0.95, 4, loc=logit(mean), scale=size))
    assert axes.containers[0][2][0].get_segments()[0][:, 0] == pytest.approx([100 * low, 100 * high])
    assert [label.get_text() for label in axes.get_yticklabels()][:2] == ["final 1: l2 0.0008", "confirm 1: l2 0.0008"]
    inside(figure)
    png(figure)


def test_one_seed_each_has_no_spread():
    assert seed_spread(one_grid((1e-3, 1e-2))) is None
