"""Figures of the principles: the records, on labelled axes, as PNG files."""

from __future__ import annotations

import numpy as np

from labkit.principles import (
    convolution_arithmetic,
    dying_relu,
    initialisation,
    or_xor,
    pooling_arithmetic,
    pooling_robustness,
)
from labkit.principles import principle_figures as figures
from labkit.report.figures import render


def course(activation: str, start: str, seed: int = 0) -> initialisation.TrainingCourse:
    norms = {f"linear_{i}": 0.0 if start == "zero" else 0.1 * i for i in (1, 2, 3)}
    return initialisation.TrainingCourse(
        activation, start, seed, [0, 1, 40], [0.7, 0.6, 0.5], [0.0, 0.0, 0.1], norms, {}, 0.5
    )


def test_loss_spread_and_gradients_of_all_courses() -> None:
    courses = [
        course(a, s, seed) for a in ("relu", "sigmoid") for s, seed in (("zero", 0), ("random", 0), ("random", 1))
    ]
    figure = figures.initialisation_figure(courses)
    loss, spread, bars = figure.axes
    assert len(loss.lines) == len(spread.lines) == 6
    assert [line.get_ydata()[-1] for line in loss.lines] == [0.5] * 6
    assert len(bars.patches) == 4 * 3, "seed 0 of each"
    assert all("update" in axes.get_xlabel() and axes.get_ylabel() for axes in (loss, spread))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(figures._LOOKS)
    render(figure)


def test_dead_units_over_time_are_the_mean_in_per_cent() -> None:
    values = np.array([[0.0, 0.0], [0.25, 0.75]])
    made = [
        dying_relu.DeadUnitCourse(scores, rate, order, [0, 1000], values, values, values)
        for scores in dying_relu.SCORES
        for rate in dying_relu.RATES
        for order in dying_relu.ORDERS
    ]
    figure = figures.dying_relu_figure(made)
    for axes in figure.axes:
        assert len(axes.lines) == 4
        assert axes.lines[0].get_ydata().tolist() == [0, 50]
        assert "%" in axes.get_ylabel()
    render(figure)


def test_exact_records_are_drawn_with_their_numbers() -> None:
    record = or_xor.OrXorResult(or_xor.constructions(), [])
    for figure, texts in (
        (figures.or_xor_figure(record), {"0", "1", "2"}),
        (figures.convolution_figure(convolution_arithmetic.measure()), {"1", "8", "16", "32", "64"}),
        (figures.pooling_figure(pooling_arithmetic.measure()), {"0", "1", "0.5", "0.25"}),
    ):
        assert {text.get_text() for axes in figure.axes for text in axes.texts} == texts
        assert len(render(figure)) > 5_000


def test_accuracy_against_both_distortions() -> None:
    rows = [[0.9, 0.8], [0.5, 0.6], [0.2, 0.3], [0.1, 0.1]]
    results = [pooling_robustness.Robustness(name, 1, 1, rows, rows) for name in pooling_robustness.networks()]
    figure = figures.pooling_robustness_figure(results)
    left, right = figure.axes
    np.testing.assert_allclose(left.containers[0].lines[0].get_ydata(), [85, 55, 25, 10])
    assert ("shift" in left.get_xlabel(), "%" in right.get_xlabel(), "%" in left.get_ylabel()) == (True, True, True)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [result.name for result in results]
    render(figure)
