"""Decision regions: every cell where it belongs, the data over it, and a GIF with every frame."""

from __future__ import annotations

import io
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from labkit.report.figures import render
from labkit.report.region_figures import Scene, animation, decision_regions

CLASSES = np.array([[0, 1], [2, 2]])  # bottom row first


def scene(classes: int = 3, **keys) -> Scene:
    rng = np.random.default_rng(0)
    points = rng.uniform([-1, 0], [1, 3], (40, 2))
    facts = {"class_names": [str(k) for k in range(classes)], "axis_names": ("width (cm)", "height (cm)")}
    return Scene((-1.0, 1.0, 0.0, 3.0), points, np.arange(40) % classes, **(facts | keys))


def test_each_cell_has_its_class_s_colour_at_its_place() -> None:
    axes = decision_regions(CLASSES, scene(), "run", 7).axes[0]
    (image,) = axes.images
    painted = image.get_array()
    assert image.origin == "lower"
    assert image.get_extent() == [-1, 1, 0, 3]
    assert (painted[1, 0] == painted[1, 1]).all()
    assert len({tuple(cell) for cell in painted.reshape(-1, 3)}) == 3
    assert axes.get_title("left") == "after 7 updates"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("width (cm)", "height (cm)")


def test_the_samples_lie_over_it_by_class() -> None:
    shown = scene()
    drawn = decision_regions(CLASSES, shown, "run", 0).axes[0].collections
    for k, dots in enumerate(drawn):
        np.testing.assert_array_equal(dots.get_offsets(), shown.points[shown.labels == k])


@pytest.mark.parametrize("classes", [2, 10, 60])
def test_many_classes_and_long_names_still_make_a_figure(classes: int) -> None:
    names = [f"a rather long name of a class {k}" for k in range(classes)]
    figure = decision_regions(CLASSES % classes, scene(classes, class_names=names), "run " * 60, 1)
    assert len(render(figure)) > 5_000


def test_a_gif_holds_every_frame_and_repeats() -> None:
    frames = [(0, CLASSES), (10, CLASSES[::-1]), (20, CLASSES.T)]
    made = animation(frames, scene(), "run")
    gif = Image.open(io.BytesIO(made))
    assert (gif.n_frames, gif.info["loop"]) == (3, 0)
    pictures = []
    for place in range(3):
        gif.seek(place)
        pictures.append(np.asarray(gif.convert("RGB")))
    assert all((a != b).any() for a, b in pairwise(pictures))
    assert gif.info["duration"] > 1000, "the last frame stays"
    assert made == animation(frames, scene(), "run"), "equal records give equal files"
