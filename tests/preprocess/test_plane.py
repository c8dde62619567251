"""The plane of two features: units and back, and when there is one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from labkit.data.dataset import Dataset, arrays_sha256
from labkit.data.digits import digits
from labkit.preprocess.plane import grid, plane
from labkit.preprocess.prepare import Parts, Preprocess, prepare
from labkit.preprocess.split import split


def points(width: int = 2) -> Dataset:
    """Features of very different sizes, far from 0."""
    rng = np.random.default_rng(0)
    features = (rng.normal(size=(90, width)) * [3, 0.01, 7][:width] + [100, -5, 0][:width]).astype(np.float32)
    labels = np.arange(90) % 2
    return Dataset("own", features, labels, ("a", "b"), "", arrays_sha256(features), "vector")


def prepared(stored: Dataset, preprocess: Preprocess) -> Parts:
    return prepare(stored, split(stored), preprocess, torch.float64)


@pytest.mark.parametrize("preprocess", [Preprocess(), Preprocess(normalise="none"), Preprocess(pca=2)], ids=str)
def test_points_are_in_the_units_of_the_stored_set_and_go_back(preprocess: Preprocess) -> None:
    stored = points()
    parts = prepared(stored, preprocess)
    view = plane(parts, (2,))
    assert view is not None
    assert view.names == ("feature 0", "feature 1")
    shown = view.points(parts.train.features)
    np.testing.assert_allclose(shown.numpy(), stored.features[parts.kept], rtol=1e-6)
    torch.testing.assert_close(view.features(shown), parts.train.features, rtol=1e-6, atol=1e-6)


def test_two_components_of_more_features_are_shown_as_such() -> None:
    parts = prepared(points(3), Preprocess(pca=2))
    view = plane(parts, (3,))
    assert view is not None
    assert view.names[0] == "principal component 1"
    torch.testing.assert_close(view.points(parts.train.features), parts.train.features)


def test_anything_but_two_features_has_no_plane() -> None:
    assert plane(prepared(points(3), Preprocess()), (3,)) is None
    assert plane(prepared(points(), Preprocess(pca=1)), (2,)) is None
    assert plane(prepared(digits(), Preprocess()), (1, 8, 8)) is None


def test_the_rectangle_has_a_margin_and_is_never_empty() -> None:
    view = plane(prepared(points(), Preprocess()), (2,))
    assert view is not None
    left, right, bottom, top = view.extent(torch.tensor([[0.0, 5.0], [10.0, 5.0]]))
    assert left < 0 < 10 < right
    assert bottom < 5 < top


def test_the_grid_goes_row_by_row_from_the_bottom() -> None:
    cells = grid((0.0, 2.0, 10.0, 14.0), 2)
    assert cells.tolist() == [[0.5, 11], [1.5, 11], [0.5, 13], [1.5, 13]]
