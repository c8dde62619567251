"""Figures of `task=check`: Taylor remainders, finite differences against N, and the losses of memorising runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from labkit.checks.differences import Differences
from labkit.checks.taylor import Remainders
from labkit.report.canvas import (
    RATE,
    TEST,
    TRAIN,
    VALIDATION,
    blank,
    legend_below,
    margins,
    plain_numbers,
    short,
    style,
)

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = (TRAIN, VALIDATION, TEST, "#CC79A7", "#56B4E9", "#E69F00")


def taylor_remainders(curves: Mapping[str, Remainders], title: str) -> Figure:
    """Draw both remainders against the step on logarithmic axes, a panel for each group of variables.

    Args:
        curves: Group of variables -> its remainders.
        title: Title of the figure.
    """
    with style():
        figure = blank(max(2.4 * len(curves) + 0.8, 6.0), 3.6, title)
        panels = figure.subplots(1, len(curves), squeeze=False, sharey=True)[0]
        handles: dict[str, Artist] = {}
        for axes, (group, curve) in zip(panels, curves.items(), strict=True):
            handles |= _remainders(axes, curve)
            axes.set_title(f"in {group}: slopes {curve.slopes[0]:.3f}, {curve.slopes[1]:.3f}", fontsize=8.5)
        panels[0].set_ylabel("remainder")
        margins(figure, 0.75, 0.15, 0.65, 0.6 + legend_below(figure, handles), gap=0.2)
    return figure


def _remainders(axes: Axes, curve: Remainders) -> dict[str, Artist]:
    """Draw a panel; return what its legend has to explain."""
    from matplotlib.ticker import LogLocator

    handles: dict[str, Artist] = {}
    middle = curve.steps[curve.middle]
    labels = ("|f(x + e d) - f(x)|, slope 1", "|f(x + e d) - f(x) - e J d|, slope 2 if J is right")
    for values, label, colour in zip((curve.zeroth, curve.first), labels, (TRAIN, VALIDATION), strict=True):
        shown = np.where(values > 0, values, np.nan)
        (handles[label],) = axes.plot(curve.steps, shown, "o-", color=colour, markersize=3)
    if len(middle):
        handles["fitted decade"] = axes.axvspan(middle[-1], middle[0], color=RATE, alpha=0.25, linewidth=0)
    axes.set(xscale="log", yscale="log", xlabel="step e")
    for axis in (axes.xaxis, axes.yaxis):
        plain_numbers(axis)
    axes.xaxis.set_major_locator(LogLocator(numticks=5))
    return handles


def finite_differences(curves: Mapping[str, Differences]) -> Figure:
    """Draw the largest error over the entries against N on logarithmic axes, the size of the gradient as a line.

    Args:
        curves: Network -> its differences.
    """
    with style():
        figure = blank(6.8, 4.3, "Central differences against the derivative by hand")
        axes = figure.subplots()
        handles: dict[str, Artist] = {}
        for colour, (name, curve) in zip(COLOURS, curves.items(), strict=False):
            size, zeros = float(np.abs(curve.gradient).max()), int((curve.gradient == 0).sum())
            shown = np.where(curve.errors > 0, curve.errors, np.nan)
            label = f"{name}: {zeros} of {len(curve.gradient)} derivatives are 0, dotted: the largest, {short(size)}"
            (handles[label],) = axes.plot(curve.counts, shown, "o-", color=colour, markersize=4)
            axes.axhline(size, color=colour, linestyle=":", linewidth=1)
        axes.set(xscale="log", yscale="log", xlabel="N; the step is 1/N", ylabel="largest error of ten derivatives")
        for axis in (axes.xaxis, axes.yaxis):
            plain_numbers(axis)
        margins(figure, 0.8, 0.25, 0.5, 0.6 + legend_below(figure, handles))
    return figure


def memorised_losses(losses: Mapping[str, Sequence[tuple[int, float]]], limit: float) -> Figure:
    """Draw the training loss of 100 examples against updates, with the limit it has to fall below.

    Args:
        losses: Model -> pairs (updates done, loss in nats per sample).
        limit: Loss to reach, nats per sample.
    """
    with style():
        figure = blank(6.2, 3.8, "100 examples learnt by heart")
        axes = figure.subplots()
        for colour, (name, rows) in zip(COLOURS, losses.items(), strict=False):
            axes.plot(*zip(*rows, strict=True), "o-", color=colour, markersize=3, label=name)
        axes.axhline(limit, color="black", linestyle=":", linewidth=1, label=f"limit {short(limit)}")
        axes.set(yscale="log", xlabel="update step", ylabel="training loss (nats per sample), log")
        axes.legend(loc="best", fontsize=8)
        for axis in (axes.xaxis, axes.yaxis):
            plain_numbers(axis)
        margins(figure, 0.75, 0.2, 0.5, 0.55)
    return figure
