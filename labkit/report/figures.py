"""Figures of one run: learning curves, confusion matrix, gradient norms, learning-rate range test.

Each function takes plain records and returns a matplotlib `Figure`; `render` turns it into the bytes of a PNG.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from labkit.report.canvas import (
    RATE,
    TEST,
    TRAIN,
    VALIDATION,
    blank,
    finite,
    margins,
    plain_numbers,
    render,
    short,
    style,
    wide,
)

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from labkit.report.published import PublishedCurves
    from labkit.report.seed_bands import Band

__all__ = ["History", "confusion_matrix", "first_broken", "gradient_norms", "learning_curves", "range_test", "render"]

History = Sequence[tuple[int, Mapping[str, float]]]

_PANELS = {  # metric: axis label
    "cost": "cost with L2 (nats per sample)",
    "loss": "loss (nats per sample)",
    "accuracy": "accuracy (share of samples)",
}
_PARTS = (("train", "train", TRAIN), ("val", "validation", VALIDATION))


def _series(history: History, key: str) -> tuple[list[int], list[float]]:
    rows = [(step, metrics[key]) for step, metrics in history if key in metrics]
    return [step for step, _ in rows], [value for _, value in rows]


def first_broken(history: History) -> int | None:
    """Return the update of the first evaluation with a metric that is NaN or infinite; None for a healthy run."""
    return next((step for step, metrics in history if not all(map(math.isfinite, metrics.values()))), None)


def _panel(
    axes: Axes, history: History, metric: str, label: str, published: PublishedCurves | None, bands: Mapping[str, Band]
) -> None:
    """Draw one metric of all parts, with its bands and the published curves."""
    values: list[float] = []
    dashed: dict[str, list[tuple[float, float]]] = dict(published.curves.items()) if published else {}
    for part, name, colour in _PARTS:
        key = f"{part}/{metric}"
        steps, series = _series(history, key)
        values += series
        if steps:
            axes.plot(steps, series, color=colour, label=name, marker="o", markersize=3 if len(steps) <= 30 else 0)
        if key in bands and bands[key].n > 1:
            own = bands[key]
            range_of = f"lowest to highest of {own.n} seeds"
            axes.fill_between(own.steps, own.low, own.high, color=colour, alpha=0.2, linewidth=0, label=range_of)
        if key in dashed:
            axes.plot(*zip(*dashed[key], strict=True), "--", color=colour, linewidth=1, label=f"{name}, published")
    steps, series = _series(history, f"test/{metric}")
    if steps:
        axes.plot(steps, series, "D", color=TEST, markersize=5, label="test", clip_on=False)
    axes.set(xlabel="update step", ylabel=label)
    if wide(values + series, 1000):
        axes.set(yscale="log", ylabel=f"{label}, log")
    broken = first_broken(history)
    if broken is not None:
        axes.axvline(broken, color="black", linestyle=":", linewidth=1, label=f"not finite from update {broken}")
    if not finite(values):
        axes.set_ylim(0, 1)
        axes.text(0.5, 0.5, "not evaluated", transform=axes.transAxes, ha="center", color=RATE)


def learning_curves(
    history: History,
    title: str,
    published: PublishedCurves | None = None,
    bands: Mapping[str, Band] = MappingProxyType({}),
) -> Figure:
    """Draw cost, loss and accuracy against the update step, the learning rate behind the accuracy on its own axis.

    Args:
        history: Rows (updates done, metrics); a metric that a row lacks is left out of its curve.
        title: Words that say what was run.
        published: Somebody else's curves, drawn dashed; None for none.
        bands: Metric -> its range over seeds, shaded behind the curves of a `history` of means.
    """
    with style():
        figure = blank(11, 4.0, title)
        panels = figure.subplots(1, 3)
        for axes, (metric, label) in zip(panels, _PANELS.items(), strict=True):
            _panel(axes, history, metric, label, published, bands)
            plain_numbers(axes.xaxis, integer=True)
            plain_numbers(axes.yaxis)
            if len(history) > 1:
                axes.set_xlim(_stretch([step for step, _ in history]))
        twin = _rate_axis(panels[2], history)
        handles: dict[str, Artist] = {}
        for axes in (*panels, twin):
            found, names = axes.get_legend_handles_labels()
            handles = dict(zip(names, found, strict=True)) | handles
        order = sorted(
            handles, key=lambda name: (name == "learning rate (right axis)", "not finite" in name, "seeds" in name)
        )
        figure.legend(
            [handles[name] for name in order], order, loc="lower center", bbox_to_anchor=(0.5, 0.035), ncols=len(order)
        )
        if published:
            note = textwrap.shorten(f"published: {published.source}", 190, placeholder=" ...")
            figure.text(0.5, 0.01, note, ha="center", fontsize=7, color="#555555")
        margins(figure, 0.65, 0.75, 0.5, 0.95, gap=0.75)
    return figure


def _stretch(steps: Sequence[int]) -> tuple[float, float]:
    low, high = min(steps), max(steps)
    return low - 0.04 * (high - low or 1), high + 0.04 * (high - low or 1)


def _rate_axis(axes: Axes, history: History) -> Axes:
    """Draw the learning rate on an axis of its own at the right, behind the curves."""
    steps, rates = _series(history, "lr")
    twin = axes.twinx()
    twin.plot(steps, rates, color=RATE, linewidth=0.9, label="learning rate (right axis)")
    twin.set_ylabel("learning rate", color="#666666")
    twin.tick_params(axis="y", colors="#666666")
    twin.grid(False)
    twin.spines["right"].set(visible=True, color=RATE)
    top = max(finite(rates), default=0.0)
    twin.set_ylim(0, top * 1.08 if top > 0 else 1.0)
    plain_numbers(twin.yaxis)
    axes.set_zorder(twin.get_zorder() + 1)  # the rate stays behind the curves
    axes.patch.set_visible(False)
    return twin


def confusion_matrix(confusion: np.ndarray, class_names: Sequence[str]) -> Figure:
    """Draw counts by true class (rows) and predicted class (columns), coloured by the share of the row.

    Args:
        confusion: Counts of samples, integers, shape (K, K).
        class_names: K names; every one is shown up to K = 100, then every second, third ...
    """
    counts = np.asarray(confusion)
    k, total = len(counts), int(counts.sum())
    side, font = (max(3.4, 0.46 * k), 9.0 if k <= 12 else 8.0) if k <= 20 else (min(6.2 + 0.045 * k, 10.7), 6.2)
    names = [name if len(name) <= 20 else f"{name[:17]}..." for name in class_names]
    longest = max(map(len, names), default=1) * font * 0.0088  # inches
    upright = longest < 0.95 * side / k
    left, below = longest + 0.45, (0.2 if upright else longest + 0.05) + 0.5
    with style():
        correct = f"{np.trace(counts) / total:.2%}" if total else "none"
        title = f"Confusion matrix: {correct} of {total:,} samples correct"
        figure = blank(side + left + 1.05, side + below + 0.5, title)
        axes = figure.subplots()
        margins(figure, left, 1.05, 0.5, below)
        _cells(figure, axes, counts, font)
        shown = range(0, k, math.ceil(k / 100))
        labels = [names[i] for i in shown]
        axes.set_xticks(shown, labels, rotation=0 if upright else 90, fontsize=font)
        axes.set_yticks(shown, labels, fontsize=font)
        axes.tick_params(length=2)
        axes.set_xlabel(_predicted_label([class_names[i] for i in range(k) if not counts[:, i].any()], int(side * 12)))
        axes.set_ylabel("true class")
    return figure


def _cells(figure: Figure, axes: Axes, counts: np.ndarray, font: float) -> None:
    """Draw the matrix, its counts up to 20 classes, and the colour bar."""
    from matplotlib.colors import PowerNorm

    rows = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, rows, out=np.full(counts.shape, np.nan), where=rows > 0)
    # The square root of the share sets the colour: confusions of a few per cent stay visible.
    image = axes.imshow(shares, cmap="Blues", norm=PowerNorm(0.5, 0, 1), aspect="auto", interpolation="nearest")
    axes.set_facecolor("#dddddd")  # seen through the row of a class without a sample
    axes.grid(False)
    if len(counts) <= 20:
        _annotate(axes, counts, shares, font)
    place, width = axes.get_position(), figure.get_figwidth()
    bar = figure.add_axes((place.x1 + 0.2 / width, place.y0, 0.14 / width, place.height))
    figure.colorbar(image, cax=bar, ticks=[0, 0.05, 0.2, 0.5, 1], format=lambda share, _: f"{share:.0%}")
    bar.set_ylabel("share of the true class")
    bar.grid(False)


def _predicted_label(names: Sequence[str], width: int) -> str:
    if not names:
        return "predicted class"
    listed = textwrap.shorten(", ".join(names), max(width - 20, 25), placeholder=" ...")
    return f"predicted class\n{len(names)} never predicted: {listed}"


def _annotate(axes: Axes, counts: np.ndarray, shares: np.ndarray, font: float) -> None:
    for row, column in np.argwhere(counts > 0):
        count, colour = counts[row, column], "white" if shares[row, column] > 0.35 else "black"
        label = f"{count}" if count < 10_000 else f"{count / 1000:.0f}k"
        axes.text(column, row, label, ha="center", va="center", color=colour, fontsize=font - 0.5)


def gradient_norms(grad_l1: Mapping[str, float]) -> Figure:
    """Draw a bar for each layer, the input's neighbour on top; `total` and `mean` stand in the title.

    Args:
        grad_l1: Layer -> L1 norm of the batch-mean data loss's gradient, averaged over the updates of epoch 1.
    """
    layers = [name for name in grad_l1 if name not in ("total", "mean")]
    values = [float(grad_l1[name]) for name in layers]
    facts = ", ".join(f"{name} {grad_l1[name]:.4g}" for name in ("total", "mean") if name in grad_l1)
    positive = [value for value in finite(values) if value > 0]
    log = wide(positive, 30)
    with style():
        bars = min(0.26 * max(len(layers), 3), 14.0)
        figure = blank(
            6.6, bars + 1.15, f"Gradient norms of epoch 1 ({facts})" if facts else "Gradient norms of epoch 1"
        )
        axes = figure.subplots()
        drawn = [value if math.isfinite(value) else 0.0 for value in values]
        axes.barh(range(len(layers)), drawn, color=TRAIN, height=0.7, log=log)
        font = 8.5 if len(layers) <= 54 else max(4.5, 460 / len(layers))
        axes.set_yticks(range(len(layers)), [name[-28:] for name in layers], fontsize=font)
        axes.set_ylim(len(layers) - 0.4, -0.6)
        axes.grid(False, axis="y")
        axes.set_xlabel("L1 norm of the loss gradient, mean over updates" + (", log scale" if log else ""))
        low, high = (min(positive) / 3, max(positive) * 3) if log else (0.0, max(positive, default=1.0) * 1.15)
        axes.set_xlim(low, high)
        for row, value in enumerate(values):
            place = value if math.isfinite(value) and value > low else low
            axes.annotate(
                short(float(f"{value:.3g}")),
                (place, row),
                (3, 0),
                textcoords="offset points",
                va="center",
                fontsize=font,
            )
        plain_numbers(axes.xaxis)
        margins(figure, 0.35 + 0.075 * min(max(map(len, layers), default=1), 28), 0.25, 0.5, 0.55)
    return figure


def range_test(
    lr: Sequence[float] | np.ndarray,
    loss: Sequence[float] | np.ndarray,
    accuracy: Sequence[float] | Sequence[tuple[float, float]] | np.ndarray,
    suggestion: tuple[float, float] | None,
) -> Figure:
    """Draw loss and accuracy against a learning rate that rose from update to update (Smith 2015, arXiv:1506.01186).

    Args:
        lr: Rates tried, rising, shape (T,).
        loss: Loss at each rate, nats per sample, shape (T,); the axis is cut where the loss explodes.
        accuracy: Accuracy at each rate, shape (T,), or (rate, accuracy) pairs where it was evaluated more rarely.
        suggestion: Lowest and highest rate to cycle between, shaded; None where the curve suggests none.
    """
    scores = np.asarray(accuracy, dtype=float)
    scores = np.column_stack([lr, scores]) if scores.ndim == 1 and len(scores) else scores.reshape(-1, 2)
    with style():
        name = "none" if suggestion is None else f"{suggestion[0]:.3g} to {suggestion[1]:.3g}"
        figure = blank(8.6, 3.5, f"Learning-rate range test, suggested range: {name}")
        panels = figure.subplots(1, 2)
        log = wide(lr, 50)
        series = (
            ("loss (nats per sample)", lr, loss, VALIDATION),
            ("accuracy (share of samples)", scores[:, 0], scores[:, 1], TRAIN),
        )
        for axes, (label, rates, values, colour) in zip(panels, series, strict=True):
            axes.plot(rates, values, color=colour, marker="o", markersize=3 if len(rates) <= 30 else 0)
            axes.set(xlabel="learning rate" + (", log scale" if log else ""), ylabel=label)
            if suggestion is not None:
                axes.axvspan(*suggestion, color=TEST, alpha=0.15, linewidth=0, label="suggested range")
                axes.legend(loc="best", fontsize=8.5)
            if log:
                axes.set_xscale("log")
            axes.set_xlim(min(lr), max(lr))
        known = finite(loss)
        if known and max(known) > 2 * known[0]:
            panels[0].set(
                ylim=(min(known) * 0.9, 2 * known[0]), ylabel=f"loss (nats per sample), cut at {2 * known[0]:.3g}"
            )
        for axes in panels:
            plain_numbers(axes.xaxis)
            plain_numbers(axes.yaxis)
        margins(figure, 0.7, 0.2, 0.5, 0.55, gap=0.8)
    return figure
