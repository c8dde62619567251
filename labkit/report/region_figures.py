"""Decision regions in the plane of two features, with the data: a figure, and an animation over the updates."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from labkit.report.canvas import blank, legend_below, margins, plain_numbers, style
from labkit.report.samples import COLOURS, MARKERS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.collections import PathCollection
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage
    from PIL import Image

_PALE = 0.35  # strength of a region's colour: its samples stand out from it
_SECONDS, _LAST_SECONDS = 0.2, 2.0  # how long a frame, and the last one, is shown
_MOST_NAMED = 20  # classes in the legend


@dataclass(frozen=True)
class Scene:
    """Samples and axes around the regions.

    Attributes:
        extent: Left, right, bottom and top edge, in the units of the axes.
        points: Samples in those units, shape (n, 2).
        labels: Class of each sample, integers, shape (n,).
        class_names: Names, one for each class.
        axis_names: Names of the horizontal and the vertical axis.
        note: Words that say which samples are shown.
    """

    extent: tuple[float, float, float, float]
    points: np.ndarray
    labels: np.ndarray
    class_names: Sequence[str]
    axis_names: tuple[str, str]
    note: str = ""


def decision_regions(classes: np.ndarray, scene: Scene, title: str, updates: int) -> Figure:
    """Draw the plane coloured by the class that the network gives each place, and the samples coloured by their own.

    Args:
        classes: Class of each cell of a grid over `scene.extent`, bottom row first, integers, shape (height, width).
        scene: Samples and axes.
        title: Words that say what was run.
        updates: Updates done when the network was asked.
    """
    return _draw(classes, scene, title, updates)[0]


def animation(frames: Sequence[tuple[int, np.ndarray]], scene: Scene, title: str) -> bytes:
    """Return the bytes of a GIF that shows one grid after another and repeats from its beginning.

    Args:
        frames: Pairs of updates done and classes of shape (height, width) as in `decision_regions`, at least one.
        scene: Samples and axes.
        title: Words that say what was run.
    """
    from PIL import Image

    figure, image = _draw(frames[0][1], scene, title, frames[0][0])
    pictures = []
    for step, classes in frames:
        image.set_data(_pale_colours(classes, len(scene.class_names)))
        image.axes.set_title(_when(step), loc="left")
        pictures.append(_picture(figure))
    palette = pictures[-1].quantize(128)  # one for all: colours do not flicker from frame to frame
    shown = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    milliseconds = [round(1000 * _SECONDS)] * (len(frames) - 1) + [round(1000 * _LAST_SECONDS)]
    buffer = io.BytesIO()
    shown[0].save(buffer, "gif", save_all=True, append_images=shown[1:], duration=milliseconds, loop=0)
    return buffer.getvalue()


def _draw(classes: np.ndarray, scene: Scene, title: str, updates: int) -> tuple[Figure, AxesImage]:
    left, right, bottom, top = scene.extent
    named = min(len(scene.class_names), _MOST_NAMED)
    ratio = (top - bottom) / (right - left)
    tall = 5.0 * min(max(ratio, 0.6), 1.4) if 0.5 < ratio < 2 else 5.0  # units of one size where the ranges are alike
    with style():
        figure = blank(6.0, tall + 1.35, title)
        axes = figure.subplots()
        image = axes.imshow(
            _pale_colours(classes, len(scene.class_names)),
            extent=scene.extent, origin="lower", aspect="equal" if 0.5 < ratio < 2 else "auto", interpolation="nearest",
        )  # fmt: skip
        handles = {_label(name): _scatter(axes, scene, k) for k, name in enumerate(scene.class_names)}
        axes.set_title(_when(updates), loc="left")
        axes.set_title(scene.note, loc="right", fontsize=8.5)
        axes.set(xlabel=scene.axis_names[0], ylabel=scene.axis_names[1], xlim=(left, right), ylim=(bottom, top))
        axes.grid(False)
        plain_numbers(axes.xaxis)
        plain_numbers(axes.yaxis)
        below = legend_below(figure, dict(list(handles.items())[:named]))
        margins(figure, 0.7, 0.25, 0.65, 0.55 + below)
    return figure, image


def _label(name: str) -> str:
    return f"class {name}" if name.isdigit() else name[:18]


def _when(updates: int) -> str:
    return "before training" if updates == 0 else f"after {updates:,} update{'s' * (updates > 1)}"


def _scatter(axes: Axes, scene: Scene, label: int) -> PathCollection:
    own = scene.points[scene.labels == label]
    colour = tuple(_colours(len(scene.class_names))[label])
    marker = MARKERS[label // len(COLOURS) % len(MARKERS)]
    return axes.scatter(
        own[:, 0], own[:, 1], s=16, marker=marker, color=[colour], edgecolors="white", linewidths=0.4, zorder=2
    )


def _colours(count: int) -> np.ndarray:
    """Return colours `(count, 3)`, one for a class's region and its samples; beyond eight classes round the hues."""
    from matplotlib.colors import hsv_to_rgb, to_rgb

    if count <= len(COLOURS):
        return np.array([to_rgb(colour) for colour in COLOURS[:count]])
    turns = np.arange(count) / count
    return hsv_to_rgb(np.stack([turns, np.full(count, 0.85), np.where(np.arange(count) % 2, 0.6, 0.9)], 1))


def _pale_colours(classes: np.ndarray, count: int) -> np.ndarray:
    """Return the grid as pale colours, shape (height, width, 3)."""
    return np.asarray((1 - _PALE * (1 - _colours(count)))[classes])


def _picture(figure: Figure) -> Image.Image:
    from PIL import Image

    canvas = cast("FigureCanvasAgg", figure.canvas)  # `blank` gives every figure one
    with style():
        canvas.draw()
    return Image.frombuffer("RGBA", canvas.get_width_height(), bytes(canvas.buffer_rgba())).convert("RGB")
