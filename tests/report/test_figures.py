"""Figures hold the exact records, decode as PNG files and survive what runs do to them."""

from __future__ import annotations

import io
import math
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from labkit.report.canvas import short
from labkit.report.figures import confusion_matrix, gradient_norms, learning_curves, range_test, render
from labkit.report.published import PublishedCurves
from labkit.report.seed_bands import band, mean_history

KEYS = [f"{part}/{metric}" for part in ("train", "val") for metric in ("cost", "loss", "accuracy")]
HISTORY = [(100 * i, {key: 3.0 / (1 + i + j) for j, key in enumerate(KEYS)} | {"lr": 0.01 * i}) for i in range(11)]
PUBLISHED = PublishedCurves("a handout, figure 3", {key: [(0, 3.1), (100, 2.5)] for key in KEYS})  # type: ignore[misc]


def png(figure) -> Image.Image:
    content = render(figure)
    assert 2_000 < len(content) < 100_000
    return Image.open(io.BytesIO(content))


def curves(axes) -> dict[str, list[tuple[float, float]]]:
    return {line.get_label(): list(zip(*line.get_data(), strict=True)) for line in axes.lines}


def test_learning_curves_are_three_panels_and_a_twin_axis_with_the_exact_data():
    cost, loss, accuracy, twin = learning_curves(HISTORY, "kth/ex3").axes
    for axes, metric in ((cost, "cost"), (loss, "loss"), (accuracy, "accuracy")):
        assert metric in axes.get_ylabel()
        assert axes.get_xlabel() == "update step"
        assert curves(axes) == {
            "train": [(step, row[f"train/{metric}"]) for step, row in HISTORY],
            "validation": [(step, row[f"val/{metric}"]) for step, row in HISTORY],
        }
    assert curves(twin) == {"learning rate (right axis)": [(step, row["lr"]) for step, row in HISTORY]}
    assert twin.get_shared_x_axes().joined(twin, accuracy)
    assert twin.get_zorder() < accuracy.get_zorder()


def test_means_over_seeds_stand_on_the_range_of_the_seeds():
    seeds = [{"val/loss": [(0, 2.0), (100, 1.0 + i)], "lr": [(0, 0.1), (100, 0.1)]} for i in range(4)]
    bands = {metric: band(seeds, metric) for metric in ("val/loss", "val/accuracy", "lr")}
    figure = learning_curves(mean_history(bands), "four seeds", None, bands)
    loss = figure.axes[1]
    assert curves(loss) == {"validation": [(0, 2.0), (100, 2.5)]}
    (shade,) = loss.collections
    assert {tuple(corner) for corner in shade.get_paths()[0].vertices if corner[0] == 100} == {(100, 1.0), (100, 4.0)}
    assert "lowest to highest of 4 seeds" in [text.get_text() for text in figure.legends[0].get_texts()]
    png(figure)


def test_published_curves_are_dashed_and_named_in_the_legend_once():
    figure = learning_curves(HISTORY, "kth/ex3", PUBLISHED)
    lines = {line.get_label(): line for line in figure.axes[1].lines}
    assert lines["train, published"].get_linestyle() == "--"
    assert lines["validation, published"].get_xydata().tolist() == [[0, 3.1], [100, 2.5]]
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    expected = ["train", "train, published", "validation", "validation, published", "learning rate (right axis)"]
    assert names == expected
    assert any("a handout, figure 3" in text.get_text() for text in figure.texts)
    png(figure)


def test_the_test_set_is_one_point_at_the_end():
    history = [*HISTORY[:-1], (1000, HISTORY[-1][1] | {"test/accuracy": 0.4629})]
    assert curves(learning_curves(history, "x").axes[2])["test"] == [(1000, 0.4629)]


def test_a_diverged_run_is_marked_where_it_broke():
    bad = dict.fromkeys(KEYS, math.nan) | {"train/cost": math.inf, "lr": 0.1}
    figure = learning_curves([*HISTORY[:3], (300, bad)], "diverged")
    assert figure.axes[0].lines[-1].get_label() == "not finite from update 300"
    png(figure)


@pytest.mark.parametrize("history", [[], [(0, {})], [(0, {"train/loss": 2.3})], [(0, {"train/loss": math.nan})]])
def test_scant_histories_still_make_a_figure(history):
    png(learning_curves(history, "a long title " * 30))


def test_a_loss_over_three_decades_gets_a_log_axis():
    figure = learning_curves([(0, {"train/loss": 2.3}), (10, {"train/loss": 1e-4})], "overfit")
    assert figure.axes[1].get_yscale() == "log"
    assert figure.axes[1].get_ylabel().endswith(", log")


def test_figures_are_the_same_bytes_again():
    assert render(learning_curves(HISTORY, "x")) == render(learning_curves(HISTORY, "x"))


@pytest.mark.parametrize("k", [2, 20, 21, 100])
def test_confusion_matrix_annotates_up_to_twenty_classes(k):
    counts = np.full((k, k), 2) + np.diag(np.arange(k))
    figure = confusion_matrix(counts, [f"class {i}" for i in range(k)])
    axes = figure.axes[0]
    assert len(axes.texts) == (k * k if k <= 20 else 0)
    assert len(axes.get_xticklabels()) == len(axes.get_yticklabels()) == k
    assert np.allclose(axes.images[0].get_array(), counts / counts.sum(1, keepdims=True))
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("true class", "predicted class")
    png(figure)


def test_beyond_a_hundred_classes_some_names_are_left_out():
    axes = confusion_matrix(np.eye(250, dtype=int), [f"class {i}" for i in range(250)]).axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == [f"class {i}" for i in range(0, 250, 3)]


def test_confusion_matrix_says_what_was_never_predicted_and_never_there():
    counts = np.array([[5, 0, 1], [0, 0, 0], [2, 0, 3]])
    axes = confusion_matrix(counts, ["a", "b", "c"]).axes[0]
    assert axes.get_xlabel() == "predicted class\n1 never predicted: b"
    assert np.isnan(axes.images[0].get_array().filled(np.nan)[1]).all()
    assert [text.get_text() for text in axes.texts] == ["5", "1", "2", "3"]


def test_names_are_shown_as_they_are():
    figure = confusion_matrix(np.eye(3, dtype=int), ["$x^2$", "山田", "a_very_long_name_of_a_class"])
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["$x^2$", "山田", "a_very_long_name_..."]
    png(figure)


def test_gradient_norms_keep_the_order_of_layers_and_total_in_the_title():
    figure = gradient_norms({"conv1": 3.0, "linear2": 2.0, "total": 5.0, "mean": 2.5})
    axes = figure.axes[0]
    assert [bar.get_width() for bar in axes.patches] == [3.0, 2.0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["conv1", "linear2"]
    assert figure.texts[0].get_text() == "Gradient norms of epoch 1 (total 5, mean 2.5)"
    assert axes.yaxis_inverted()
    assert axes.get_xscale() == "linear"


def test_vanishing_gradients_get_a_log_axis_and_their_number():
    figure = gradient_norms({"a": 1e-5, "b": 1.0, "dead": 0.0, "broken": math.nan})
    axes = figure.axes[0]
    assert axes.get_xscale() == "log"
    assert [text.get_text() for text in axes.texts] == ["1e-5", "1", "0", "nan"]
    png(figure)


@pytest.mark.parametrize("layers", [0, 1, 80])
def test_any_number_of_layers(layers):
    render(gradient_norms({f"layer{i}": 1.0 for i in range(layers)}))


def test_range_test_shades_the_suggestion_and_cuts_an_explosion():
    rates, loss = np.geomspace(1e-4, 1, 50), np.r_[np.linspace(2.3, 1.5, 49), 1e6]
    figure = range_test(rates, loss, [(0.01, 0.2), (0.1, 0.3)], (0.01, 0.2))
    losses, accuracy = figure.axes
    assert losses.get_xscale() == "log"
    assert losses.get_ylim()[1] == 2 * 2.3
    assert losses.lines[0].get_ydata().tolist() == loss.tolist()
    assert accuracy.lines[0].get_xydata().tolist() == [[0.01, 0.2], [0.1, 0.3]]
    assert accuracy.patches[0].get_x() == 0.01
    png(figure)


def test_range_test_takes_one_accuracy_per_rate_or_none_at_all():
    assert range_test([0.1, 0.2], [2, 1], [0.3, 0.4], None).axes[1].lines[0].get_xydata().tolist() == [
        [0.1, 0.3],
        [0.2, 0.4],
    ]
    png(range_test([0.1, 0.2], [2, math.nan], [], None))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.1 + 0.2, "0.3"),
        (1e-5, "1e-5"),
        (2.5e-4, "2.5e-4"),
        (99999, "99999"),
        (1e5, "1e5"),
        (math.inf, "inf"),
    ],
)
def test_short_numbers(value, text):
    assert short(value) == text


def test_importing_reports_loads_neither_matplotlib_nor_rich():
    code = (
        "import sys; from labkit.report import *; import labkit.report.samples; "
        "print([name for name in ('matplotlib', 'rich', 'torch', 'PIL', 'mlflow') if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_pyplot_is_never_imported():
    code = "import sys; import labkit.report.figures as f; f.render(f.gradient_norms({})); print(*sys.modules)"
    modules = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert "matplotlib.figure" in modules
    assert "matplotlib.pyplot" not in modules
