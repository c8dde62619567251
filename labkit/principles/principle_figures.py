"""Figures of the principles: one function each, from what its experiment measured to a matplotlib `Figure`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from labkit.principles import (
    convolution_arithmetic,
    dying_relu,
    initialisation,
    or_xor,
    pooling_arithmetic,
    pooling_robustness,
)
from labkit.principles.xor_search import CORNERS
from labkit.report.canvas import TRAIN, VALIDATION, blank, legend_below, margins, plain_numbers, style
from labkit.report.samples import COLOURS

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.container import ErrorbarContainer
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

_LOOKS = {
    "relu, zero": (TRAIN, "--"),
    "relu, random": (TRAIN, "-"),
    "sigmoid, zero": (VALIDATION, "--"),
    "sigmoid, random": (VALIDATION, "-"),
}


def initialisation_figure(courses: Sequence[initialisation.TrainingCourse]) -> Figure:
    """Draw loss and spread of the hidden units against the update, and each layer's gradient in update 1."""
    with style():
        figure = blank(11.5, 4.3, "Zero and random weights, ReLU and sigmoid, on the circle")
        loss, spread, bars = figure.subplots(1, 3)
        handles: dict[str, Artist] = {}
        for course in courses:
            colour, line = _LOOKS[course.name]
            x = [max(step, 0.5) for step in course.updates]
            thin = 1.0 if course.seed else 1.8
            (handle,) = loss.plot(x, course.loss, line, color=colour, linewidth=thin)
            spread.plot(x, course.spread, line, color=colour, linewidth=thin)
            handles.setdefault(course.name, handle)
        for axes, label in ((loss, "training loss (nats per sample)"), (spread, "largest difference of two units")):
            axes.set(xscale="log", xlabel="update (at the left edge: before the first)", ylabel=label)
            plain_numbers(axes.xaxis)
        loss.set_title("loss: both zeros stay at ln 2", loc="left")
        spread.set_title("spread of hidden units: exactly 0 from zero", loc="left")
        _gradient_bars(bars, [course for course in courses if course.seed == 0])
        legend_below(figure, handles)
        margins(figure, 0.65, 0.2, 0.75, 0.85, gap=0.75)
    return figure


def _gradient_bars(axes: Axes, courses: Sequence[initialisation.TrainingCourse]) -> None:
    layers = list(courses[0].first_gradients)
    for i, course in enumerate(courses):
        colour, line = _LOOKS[course.name]
        values = list(course.first_gradients.values())
        places = [layer + 0.2 * (i - 1.5) for layer in range(len(layers))]
        filled = line == "-"
        axes.bar(
            places, values, 0.18, color=colour if filled else "white", edgecolor=colour, hatch="" if filled else "//"
        )
        for place, value in zip(places, values, strict=True):
            if value == 0:
                axes.text(place, 0.02, "0", ha="center", fontsize=8, color=colour)
    axes.set_xticks(range(len(layers)), [f"layer {i + 1}" for i in range(len(layers) - 1)] + ["output"])
    axes.set(ylabel="L1 norm of the gradient, seed 0")
    axes.set_title("gradients in update 1", loc="left")
    axes.grid(False, axis="x")
    plain_numbers(axes.yaxis)


def dying_relu_figure(courses: Sequence[dying_relu.DeadUnitCourse]) -> Figure:
    """Draw the share of dead scores, of dead hidden units and the accuracy over time, negatives first and shuffled."""
    with style():
        figure = blank(11.5, 4.5, "Dying ReLU: negatives first (grey: negatives only) against shuffled samples")
        panels = figure.subplots(1, 3)
        handles: dict[str, Artist] = {}
        shown = (
            ("ReLU scores: dead scores", "relu", "output", "share of dead scores (%)"),
            ("linear scores: dead hidden units", "linear", "hidden", "share of dead hidden units (%)"),
            ("linear scores: accuracy", "linear", "accuracy", "accuracy on all samples (%)"),
        )
        for axes, (title, scores, quantity, label) in zip(panels, shown, strict=True):
            for course in (course for course in courses if course.scores == scores):
                handles |= _band(axes, course, 100 * getattr(course, quantity))
            _phases(axes, courses[0].updates[-1])
            axes.set_title(title, loc="left")
            axes.set(xlabel="update", ylabel=label)
            plain_numbers(axes.xaxis, integer=True)
            plain_numbers(axes.yaxis)
        below = legend_below(figure, handles)
        margins(figure, 0.65, 0.3, 0.75, 0.6 + below, gap=0.7)
    return figure


def _band(axes: Axes, course: dying_relu.DeadUnitCourse, values: np.ndarray) -> dict[str, Artist]:
    """Draw the mean over the seeds with its standard error.

    Args:
        axes: Panel.
        course: Course that the values are of.
        values: Values in the panel's unit, shape (T, seeds).
    """
    middle, error = values.mean(1), values.std(1, ddof=1) / values.shape[1] ** 0.5
    colour = TRAIN if course.order == dying_relu.ORDERS[1] else VALIDATION
    line = "--" if course.rate == dying_relu.RATES[0] else "-"
    (handle,) = axes.plot(course.updates, middle, line, color=colour, linewidth=1.5)
    axes.fill_between(course.updates, middle - error, middle + error, color=colour, alpha=0.15, linewidth=0)
    return {f"{course.order}, rate {course.rate:g} (mean, standard error)": handle}


def _phases(axes: Axes, updates: int) -> None:
    half = dying_relu.SAMPLES // 2
    for start in range(0, updates, 2 * half):
        axes.axvspan(start, start + half, color="#efefef", linewidth=0, zorder=0)
    axes.set_xlim(0, updates)


def or_xor_figure(record: or_xor.OrXorResult) -> Figure:
    """Draw the outputs of the networks written down over the square, with their values at the corners."""
    left, right, bottom, top = or_xor.EXTENT
    with style():
        figure = blank(11, 4.1, "Networks written down: OR with one ReLU unit or none, XOR with two")
        panels = figure.subplots(1, len(record.constructions))
        margins(figure, 0.6, 0.95, 0.8, 0.55, gap=0.55)
        for axes, made in zip(panels, record.constructions, strict=True):
            image = axes.imshow(made.surface, extent=or_xor.EXTENT, origin="lower", cmap="RdBu", vmin=-2.8, vmax=2.8)
            x, y = np.linspace(left, right, len(made.surface)), np.linspace(bottom, top, len(made.surface))
            axes.contour(x, y, made.surface, levels=[0.999], colors=VALIDATION, linewidths=1.2)
            for (x1, x2), value, wanted in zip(CORNERS, made.values, made.wanted, strict=True):
                axes.plot(x1, x2, "o", color="black" if wanted else "white", markeredgecolor="black", markersize=8)
                axes.annotate(f"{value:g}", (x1, x2), (7, 6), textcoords="offset points", weight="bold")
            axes.set_title(made.name, loc="left", fontsize=9)
            axes.set(xlabel="x1 (black corner: at least 1 is asked)", ylabel="x2", xticks=(0, 1), yticks=(0, 1))
            axes.grid(False)
        _colour_bar(figure, image, "output (line: 1)")
        figure.axes[-1].set_ylim(-0.8, 2.8)  # the scale is even about 0, the values are not
    return figure


def _colour_bar(figure: Figure, image: AxesImage, label: str) -> None:
    """Draw a colour bar to the right of the last panel, as tall as it."""
    place, width = figure.axes[-1].get_position(), figure.get_figwidth()
    bar = figure.add_axes((place.x1 + 0.2 / width, place.y0, 0.14 / width, place.height))
    figure.colorbar(image, cax=bar)
    bar.set_ylabel(label)
    bar.grid(False)
    plain_numbers(bar.yaxis)


def convolution_figure(record: convolution_arithmetic.ConvolutionArithmetic) -> Figure:
    """Draw the number of outputs that each pixel contributes to, for each padding."""
    side = convolution_arithmetic.SIDE
    with style():
        patch = f"{convolution_arithmetic.KERNEL} x {convolution_arithmetic.KERNEL}"
        title = f"How many outputs a pixel contributes to: {patch} patches of {side} x {side}"
        figure = blank(11, 4.3, title)
        panels = figure.subplots(1, len(record.paddings))
        margins(figure, 0.55, 0.95, 0.9, 0.55, gap=0.5)
        for axes, padding in zip(panels, record.paddings, strict=True):
            image = axes.imshow(padding.contributions, cmap="viridis", vmin=0, vmax=convolution_arithmetic.KERNEL**2)
            axes.set_title(
                f"{padding.zeros} zeros on each side: output {padding.side} x {padding.side}\n"
                f"{padding.multiply_adds:,} multiply-adds, {padding.wasted_share:.0%} with a zero",
                loc="left",
                fontsize=9,
            )
            for row, column in ((0, 0), (0, side // 2), (side // 2, side // 2)):
                value = padding.contributions[row, column]
                colour = "white" if value < 40 else "black"
                axes.text(
                    max(column, 0.6), max(row, 0.4), f"{value:g}", ha="center", va="center", color=colour, fontsize=8
                )
            axes.set(
                xlabel="column (pixels)", ylabel="row (pixels)", xticks=(0, 5, 10, 15, 19), yticks=(0, 5, 10, 15, 19)
            )
            axes.grid(False)
        _colour_bar(figure, image, "outputs")
    return figure


def pooling_figure(record: pooling_arithmetic.PooledImages) -> Figure:
    """Draw the four images, and what 2 x 2 pooling makes of them, with every value."""
    rows = (("image", record.images), ("average pooling", record.average), ("max pooling", record.maximum))
    with style():
        figure = blank(8.4, 6.6, "2 x 2 pooling with stride 2 of the four images")
        grid = figure.subplots(3, 4)
        margins(figure, 0.9, 0.2, 0.6, 0.2, gap=0.2)
        for panels, (name, matrices) in zip(grid, rows, strict=True):
            for i, (axes, matrix) in enumerate(zip(panels, matrices.numpy(), strict=True)):
                axes.imshow(matrix, cmap="Blues", vmin=0, vmax=1.3)
                for (row, column), value in np.ndenumerate(matrix):
                    colour = "white" if value > 0.6 else "black"
                    axes.text(column, row, f"{value:g}", ha="center", va="center", fontsize=9, color=colour)
                axes.set(xticks=[], yticks=[])
                axes.grid(False)
                if i == 0:
                    axes.set_ylabel(name, fontsize=10)
                if name == "image":
                    axes.set_title(f"{i + 1}")
    return figure


def pooling_robustness_figure(results: Sequence[pooling_robustness.Robustness]) -> Figure:
    """Draw accuracy against the shift and against the share of missing pixels, mean and deviation over the seeds."""
    with style():
        figure = blank(9.6, 4.3, "Pooling against none on distorted digits, trained on whole, centred ones")
        left, right = figure.subplots(1, 2, sharey=True)
        handles: dict[str, ErrorbarContainer] = {}
        for i, result in enumerate(results):
            for axes, x, rows in (
                (left, np.array(pooling_robustness.SHIFTS, float), result.shifted),
                (right, 100 * np.array(pooling_robustness.MISSING), result.missing),
            ):
                values = 100 * np.array(rows)
                offset = (i - 1.5) * 0.012 * x[-1]  # bars side by side
                handles[result.name] = axes.errorbar(
                    x + offset,
                    values.mean(1),
                    values.std(1, ddof=1),
                    color=COLOURS[i],
                    marker="o",
                    markersize=4,
                    capsize=2,
                )
        left.axhline(10, color="#8c8c8c", linewidth=1, linestyle=":")
        left.text(0, 11, "guessing", fontsize=8, color="#666666")
        left.set(
            xlabel="shift (pixels; a digit is 8 wide)",
            ylabel="validation accuracy (%)",
            xticks=pooling_robustness.SHIFTS,
            ylim=(0, 100),
        )
        right.set(xlabel="missing pixels (%)")
        plain_numbers(right.xaxis)
        plain_numbers(left.yaxis)
        legend_below(figure, handles)
        margins(figure, 0.65, 0.2, 0.5, 0.85, gap=0.5)
    return figure
