"""Pictures of samples: what is drawn follows from the shape of a sample."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from labkit.report.figures import render
from labkit.report.samples import samples

NAMES = [f"class {i}" for i in range(10)]
LABELS = np.arange(20) % 10
RNG = np.random.default_rng(0)


def check(figure) -> None:
    content = render(figure)
    Image.open(io.BytesIO(content)).verify()
    assert 2_000 < len(content) < 150_000


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_images_side_by_side(channels, dtype):
    images = RNG.integers(0, 255, (20, channels, 12, 8)).astype(dtype)
    figure = samples(images, images / 255.0 - 0.5, LABELS, NAMES)
    before, after = figure.axes
    assert len(before.texts) == len(after.texts) == 16
    assert [text.get_text() for text in before.texts][:3] == NAMES[:3]
    assert f"{channels} x 12 x 8" in before.get_title(loc="left")
    sheet = before.images[0].get_array()
    assert sheet.min() == 0
    assert sheet.max() == 1
    check(figure)


def test_an_image_stands_where_its_name_says():
    images = np.zeros((4, 1, 6, 6), np.uint8)
    images[3] = 255
    sheet = np.asarray(samples(images, images, range(4), NAMES).axes[0].images[0].get_array())[..., 0]
    assert sheet.shape == (16, 14)
    assert (sheet[10:16, 7:13] == 1).all()
    assert (sheet[2:8, 0:6] == 0).all()


def test_images_that_became_vectors_are_curves():
    figure = samples(RNG.integers(0, 9, (20, 1, 8, 8)), RNG.normal(size=(20, 30)), LABELS, NAMES)
    assert len(figure.axes[1].lines) == 16
    check(figure)


def test_sounds_are_waveforms():
    waves = RNG.integers(-9000, 9000, (20, 1, 400)).astype(np.int16)
    figure = samples(waves, (waves / 32768).astype(np.float32), LABELS, NAMES)
    assert [len(axes.lines) for axes in figure.axes] == [8, 8]
    assert len(figure.axes[0].lines[0].get_xdata()) == 400
    check(figure)


@pytest.mark.parametrize("width", [1, 2, 5])
def test_vectors_are_a_scatter_plot_by_class(width):
    points = RNG.normal(size=(20, width))
    figure = samples(points, points * 2, LABELS, NAMES)
    groups = figure.axes[0].collections
    assert [group.get_label() for group in groups] == NAMES
    assert sum(len(group.get_offsets()) for group in groups) == 20
    assert np.allclose(figure.axes[1].collections[3].get_offsets()[0, 0], 2 * points[3, 0])
    check(figure)


def test_texts_are_a_table():
    figure = samples(["Smith", "山田 $x$"], [[1, 2, 3], "4 5"], [0, 1], NAMES)
    assert [text.get_text() for text in figure.texts] == [
        *("Texts", "class", "class 0", "class 1"),
        *("as stored", "Smith", "山田 $x$"),
        *("as the network gets it", "1 2 3", "4 5"),
    ]
    check(figure)


def test_constant_and_single_samples():
    check(samples(np.zeros((1, 1, 4, 4), np.uint8), np.zeros((1, 1, 4, 4)), [0], NAMES))
    check(samples(np.zeros((1, 1, 50), np.int16), np.zeros((1, 1, 50)), [0], NAMES))
