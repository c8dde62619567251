"""Figures of a search show every trial where it belongs, whatever its parameters are."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from matplotlib.colors import to_hex
from PIL import Image

from labkit.report.canvas import render
from labkit.report.search_axes import STAGES, axis_ends, scale
from labkit.report.search_figures import objective_by_parameter
from labkit.report.search_map import parameter_map
from labkit.report.search_table import StageFacts, search_table
from tests.report.search_rows import Search, dimension, facts, lambda_rows, lambda_search, tried

PAGE = 1124  # pixels between the margins of the report page


def png(figure) -> Image.Image:
    content = render(figure)
    assert 2_000 < len(content) < 150_000
    picture = Image.open(io.BytesIO(content))
    assert picture.width <= PAGE
    return picture


def inside(figure) -> None:
    """No text that is drawn stands over another, and none leaves the figure."""
    renderer, texts = figure.canvas.get_renderer(), []
    draw = renderer.draw_text

    def record(*args, mtext=None, **kwargs):
        texts.append(mtext)
        draw(*args, mtext=mtext, **kwargs)

    renderer.draw_text = record
    figure.draw(renderer)
    boxes = [(text, text.get_window_extent(renderer)) for text in dict.fromkeys(texts)]
    assert len(boxes) > 1
    for text, box in boxes:
        assert -1 < box.x0 < box.x1 < figure.bbox.x1 + 1, text
        assert -1 < box.y0 < box.y1 < figure.bbox.y1 + 1, text
    level = [(text, box) for text, box in boxes if text.get_rotation() % 90 == 0]
    for i, (text, box) in enumerate(level):
        for other, second in level[i + 1 :]:
            across = min(box.x1, second.x1) - max(box.x0, second.x0)
            up = min(box.y1, second.y1) - max(box.y0, second.y0)
            assert min(across, up) < 2, (text, other)


def drawn(axes) -> dict[str, list[tuple[float, float]]]:
    """Stage -> places of its trials."""
    found: dict[str, list[tuple[float, float]]] = {}
    for bar in axes.containers:
        found.setdefault(bar.get_label(), []).append(tuple(bar[0].get_xydata()[0]))
    return found


def two_parameters(stages=3):
    search, rng = Search("kth/lr_lambda"), np.random.default_rng(3)
    ranges = [((1e-4, 1), (1e-6, 1e-1)), ((5e-3, 0.3), (2e-5, 2e-2)), ((2e-2, 0.12), (2e-4, 4e-3))][:stages]
    told = []
    for name, (rate, l2) in zip(("coarse", "fine", "finest"), ranges, strict=False):
        for trial in range(15):
            lr, lam = (10 ** rng.uniform(*np.log10(ends)) for ends in (rate, l2))
            fate = {"diverged_at": "200"} if lr > 0.3 else {"pruned_at": "9"} if trial == 3 else {}
            search.run(name, trial, {"optimizer.lr": lr, "loss.l2": lam}, **fate)
        told.append(facts(name, "tpe", [dimension("optimizer.lr", *rate), dimension("loss.l2", *l2)]))
    for trial in range(3):
        for seed in range(1000, 1005):
            search.run("confirm", trial, {"optimizer.lr": 0.04 + 0.02 * trial, "loss.l2": 7e-4}, seed=seed)
    return search_table(tried(search.rows), [*told, StageFacts("confirm")])


def grid72(rates=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3)):
    search = Search("montreal/grid")
    for lr in rates:
        for activation in ("relu", "tanh", "silu"):
            for hidden in ("[50]", "[50, 50]", "[100, 100, 50]", "[500, 400]"):
                fate = {"diverged_at": "5"} if lr == 0.3 and activation == "relu" else {}
                params = {"optimizer.lr": lr, "model.activation": activation, "model.hidden": hidden}
                search.run("grid", len(search.rows), params, **fate)
    return search_table(tried(search.rows))


def one_grid(values):
    search = Search("demo")
    for trial, l2 in enumerate(values):
        search.run("", trial, {"loss.l2": l2})
    return search_table(tried(search.rows))


def test_every_trial_stands_at_its_parameter_and_its_value():
    rows, stages = lambda_rows()
    everything, closer = objective_by_parameter(search_table(tried(rows), stages)).axes
    coarse = [r for r in rows if r.stage == "coarse" and not r.diverged]
    expected = sorted((float(r.params["loss.l2"]), 100 * r.metrics["val/accuracy"]) for r in coarse)
    assert np.allclose(sorted(drawn(everything)["coarse"]), expected, rtol=1e-12)
    assert {name: len(places) for name, places in drawn(everything).items()} == {
        "coarse": 7,
        "fine": 14,
        "confirm (mean ± sd)": 3,
        "final (mean ± sd)": 1,
    }
    assert everything.get_xscale() == closer.get_xscale() == "log"
    assert len(drawn(closer)["coarse"]) == 4


def test_lost_trials_are_marks_at_the_foot():
    axes = objective_by_parameter(search_table(*lambda_search())).axes[0]
    lost = [(line.get_marker(), line.get_xdata()[0]) for line in axes.lines if line.get_marker() in ("x", "v")]
    assert sorted(mark for mark, _ in lost) == ["v", "x", "x"]
    assert ("x", pytest.approx(0.1)) in lost


def test_the_zoomed_range_is_shaded_in_its_stages_colour():
    axes = objective_by_parameter(search_table(*lambda_search())).axes[0]
    (shade,) = axes.patches
    assert (shade.get_x(), shade.get_x() + shade.get_width()) == pytest.approx((10**-4.2, 10**-2.2))
    assert to_hex(shade.get_facecolor()).upper() == STAGES[1]


def test_bars_are_one_standard_deviation_over_seeds():
    table = search_table(*lambda_search())
    axes = objective_by_parameter(table).axes[0]
    (bar,) = [container for container in axes.containers if container.get_label().startswith("final")]
    (low, high) = bar[2][0].get_segments()[0][:, 1]
    best = table.parts[0].entries[0]
    assert (low, high) == pytest.approx((100 * (best.mean - best.deviation), 100 * (best.mean + best.deviation)))


CASES = {
    "one parameter, four stages": lambda: search_table(*lambda_search()),
    "one parameter, one stage": lambda: one_grid((1e-5, 1e-4, 1e-3, 1e-2)),
    "a zero on a log axis": lambda: one_grid((0, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)),
    "two parameters, one stage": lambda: two_parameters(1),
    "two parameters, three stages": lambda: two_parameters(3),
    "72 points, categories": grid72,
    "one trial": lambda: one_grid((1e-3,)),
    "two trials": lambda: one_grid((0, 1e-3)),
    "nothing": lambda: search_table([]),
}


@pytest.mark.parametrize("case", CASES)
def test_no_label_covers_another(case):
    table = CASES[case]()
    for figure in (objective_by_parameter(table), parameter_map(table)):
        if figure is not None:
            inside(figure)
            png(figure)


def test_three_numbers_and_a_category_in_two_stages():
    search, rng = Search(), np.random.default_rng(0)
    space = [
        dimension("optimizer.lr", 1e-3, 1),
        dimension("loss.l2", 1e-5, 0.1),
        dimension("model.dropout", 0.1, 0.9, False),
    ]
    near = [
        dimension("optimizer.lr", 1e-2, 0.3),
        dimension("loss.l2", 1e-4, 0.01),
        dimension("model.dropout", 0.2, 0.5, False),
    ]
    kinds = [{"key": "model.activation", "choices": ["tanh", "relu"]}]
    for name, dims in (("coarse", space), ("fine", near)):
        for trial in range(36):
            params = {d["key"]: d["low"] * (d["high"] / d["low"]) ** rng.random() for d in dims}
            search.run(name, trial, params | {"model.activation": ["relu", "tanh"][trial % 2]})
    table = search_table(
        tried(search.rows), [facts("coarse", "random", space + kinds), facts("fine", "tpe", near + kinds)]
    )
    figure = objective_by_parameter(table)
    assert len([axes for axes in figure.axes if axes.get_visible()]) == 7
    assert len(parameter_map(table).axes) == 3 + 1
    for made in (figure, parameter_map(table)):
        inside(made)
        png(made)
    assert scale(table, "model.activation").options == ("tanh", "relu")
    assert not scale(table, "model.dropout").log


def test_a_grid_of_few_values_stands_side_by_side():
    where = scale(grid72(), "optimizer.lr")
    assert where.options == ("0.001", "0.003", "0.01", "0.03", "0.1", "0.3")
    assert where.place("0.01") == 2
    axes = next(a for a in objective_by_parameter(grid72()).axes if a.get_xlabel() == "optimizer.lr")
    assert sum(len(places) for places in drawn(axes).values()) == 68


def test_zero_stands_left_of_the_smallest_on_a_log_axis():
    table = one_grid((0, 1e-5, 1e-4, 1e-3))
    where = scale(table, "loss.l2")
    assert where.place("0") == pytest.approx(1e-6)
    assert where.place("0.0") == where.place("0")
    (axes,) = objective_by_parameter(table).axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "1e-5", "1e-4", "0.001"]


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("values", [(1.0, 2.0), (3.0, 3.0), (1e-9, 1e9)])
def test_room_on_both_sides(values, log):
    where = scale(one_grid((1, 2)), "loss.l2")
    low, high = axis_ends(type(where)("k", log, (), None, values), values)
    assert low < min(values) <= max(values) < high
    assert math.isfinite(high)


def test_the_map_marks_ranges_and_puts_the_best_on_top():
    table = two_parameters(3)
    axes = parameter_map(table).axes[0]
    assert len(axes.patches) == 3
    points = axes.collections[-1]
    values = points.get_array()
    assert len(values) == sum(1 for part in table.parts for entry in part.entries if entry.rank)
    assert values.argmax() == len(values) - 1
    assert parameter_map(search_table(*lambda_search())) is None


def test_many_parameters_leave_the_last_ones_out():
    search = Search()
    for trial in range(6):
        search.run("", trial, {f"key{i}": trial * (i + 1) for i in range(9)})
    figure = objective_by_parameter(search_table(tried(search.rows)))
    assert [axes.get_xlabel() for axes in figure.axes] == [f"key{i}" for i in range(6)]
    inside(figure)


def test_figures_of_a_search_are_the_same_bytes_again():
    table = two_parameters(2)
    assert render(objective_by_parameter(table)) == render(objective_by_parameter(table))
    assert render(parameter_map(table)) == render(parameter_map(table))
