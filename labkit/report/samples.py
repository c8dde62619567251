"""A picture of samples as stored and as the network gets them, for `labkit task=info`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from labkit.report.canvas import TRAIN, blank, margins, plain_numbers, short, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

IMAGES, SOUNDS, TEXTS, POINTS = 16, 8, 12, 2000  # at most this many of each, points in a scatter plot
# Okabe and Ito's eight colours; with more classes the marker changes as well.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#B8A900")
MARKERS = "os^Dv"
Texts: TypeAlias = np.ndarray | Sequence[str | Sequence[int]]  # strings, or rows of token ids
_TITLES = ("as stored", "as the network gets it")


def samples(
    before: np.ndarray | Sequence[str], after: Texts, labels: Sequence[int] | np.ndarray, class_names: Sequence[str]
) -> Figure:
    """Draw the same samples side by side, before and after preprocessing and augmentation.

    The shape of one sample decides on the drawing: `(channels, height, width)` an image, `(1, length)` a waveform,
    `(features,)` a point of a scatter plot, or a curve where the samples before were something else (images after PCA);
    a string is a line of a table.

    Args:
        before: Samples as stored, an array of shape (n, ...), or n strings.
        after: The same samples as the network gets them, an array of shape (n, ...), n strings, or n sequences of token
            ids.
        labels: Class of each sample, integers, shape (n,).
        class_names: Names, one for each class.
    """
    strings, dimensions = isinstance(before[0], str), np.ndim(before[0])
    limit = TEXTS if strings else POINTS if dimensions == 1 else IMAGES if dimensions == 3 else SOUNDS
    count = min(limit, len(labels), len(before))
    names = [class_names[int(label)] for label in labels[:count]]
    with style():
        if strings:
            return _table([str(text) for text in before[:count]], after[:count], names)
        if dimensions == 1:
            return _sides(_scatter, before[:count], after[:count], names, "Samples by class", 4.2)
        if dimensions == 3:
            return _sides(_montage, before[:count], after[:count], names, "Images", 5.2)
        return _sides(_curves, before[:count], after[:count], names, "Sounds", 1.1 + 0.55 * count)


def _sides(
    draw: Callable[[Axes, np.ndarray, list[str]], None],
    before: ArrayLike,
    after: ArrayLike,
    names: list[str],
    title: str,
    height: float,
) -> Figure:
    figure = blank(10, height, title)
    for axes, values, side in zip(figure.subplots(1, 2), (before, after), _TITLES, strict=True):
        array = np.asarray(values)
        drawing = _curves if array.ndim == 2 and draw is not _scatter else draw
        low, high = (float(f"{value:.3g}") for value in (array.min(), array.max()))
        shape = " x ".join(map(str, array.shape[1:])) + " values" * (array.ndim == 2)
        axes.set_title(f"{side}: {shape}, {array.dtype}, {short(low)} to {short(high)}", loc="left", fontsize=9)
        drawing(axes, array, names)
    pictures = np.ndim(before) == np.ndim(after) == 4
    margins(figure, 0.15 if pictures else 0.9, 0.2, 0.75, 0.1 if pictures else 0.55, gap=0.9)
    return figure


def _montage(axes: Axes, images: np.ndarray, names: list[str]) -> None:
    """Draw images `(n, channels, height, width)` in a square grid, the darkest value black and the brightest white."""
    count, channels, height, width = images.shape
    columns = int(np.ceil(np.sqrt(count)))
    values = images.astype(np.float64)
    values = (values - values.min()) / (np.ptp(values) or 1.0)
    values = values if channels == 3 else np.repeat(values[:, :1], 3, axis=1)
    strip = max(2, round(height * 0.22))  # room for a name above each image
    tall, broad = height + strip, width + max(1, width // 16)
    sheet = np.ones((-(-count // columns) * tall, columns * broad, 3))
    for i, (image, name) in enumerate(zip(values, names, strict=True)):
        top, left = i // columns * tall + strip, i % columns * broad
        sheet[top : top + height, left : left + width] = image.transpose(1, 2, 0)
        label = name if len(name) <= 14 else f"{name[:11]}..."
        axes.text(left - 0.5, top - 0.5 - strip * 0.15, label, fontsize=8, va="bottom")
    axes.imshow(sheet, interpolation="nearest")
    axes.set_anchor("NW")
    axes.set_axis_off()


def _curves(axes: Axes, waves: np.ndarray, names: list[str]) -> None:
    """Draw a curve for each sample, one below the other, all on one scale."""
    flat = waves.reshape(len(waves), -1).astype(np.float64)
    centred = flat - np.median(flat)
    scale = float(np.abs(centred).max(initial=0.0)) or 1.0
    for row, wave in enumerate(centred / (2.1 * scale)):
        axes.plot(row - wave, color=TRAIN, linewidth=0.6)
    axes.set_yticks(range(len(names)), [name[:14] for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlabel("sample of the signal" if waves.ndim == 3 else "component")
    plain_numbers(axes.xaxis, integer=True)


def _scatter(axes: Axes, points: np.ndarray, names: list[str]) -> None:
    """Draw the first two features by class; a single feature against its class."""
    classes = sorted(set(names), key=names.index) if len(set(names)) > 12 else sorted(set(names))
    chosen = np.asarray(names)
    width = points.shape[1]
    for i, name in enumerate(classes):
        x, y = points[chosen == name, 0], points[chosen == name, 1] if width > 1 else None
        y = np.full(len(x), i) if y is None else y
        marker = MARKERS[i // len(COLOURS) % len(MARKERS)]
        colour = COLOURS[i % len(COLOURS)]
        axes.scatter(x, y, s=9, marker=marker, color=colour, linewidths=0, alpha=0.75, label=name[:18])
    note = f" (first two of {width})" if width > 2 else ""
    axes.set(xlabel=f"feature 0{note}", ylabel="feature 1" if width > 1 else "class, in the order of the legend")
    plain_numbers(axes.xaxis)
    plain_numbers(axes.yaxis)
    if len(classes) <= 24:
        axes.legend(
            fontsize=7.5, markerscale=1.8, loc="best", ncols=1 + len(classes) // 9, frameon=True, framealpha=0.8
        )


def _table(before: list[str], after: Texts, names: list[str]) -> Figure:
    shown = [text if isinstance(text, str) else " ".join(str(int(token)) for token in text) for text in after]
    columns = ((0.15, "class", names, 18), (1.75, _TITLES[0], before, 40), (5.2, _TITLES[1], shown, 68))
    height = 0.9 + 0.24 * len(before)
    figure = blank(11, height, "Texts")
    for left, head, cells, width in columns:
        figure.text(left / 11, 1 - 0.5 / height, head, weight="bold")
        for row, cell in enumerate(cells):
            text = cell if len(cell) <= width else f"{cell[: width - 3]}..."
            figure.text(left / 11, 1 - (0.78 + 0.24 * row) / height, text, family="monospace", fontsize=8.5)
    return figure
