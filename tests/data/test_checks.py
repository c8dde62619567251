"""What every data set must satisfy, a user's own included.

It also covers dataset.py.
"""

from dataclasses import replace

import numpy as np
import pytest

from labkit.data import DataError, Dataset, check


def dataset() -> Dataset:
    return Dataset(
        name="mine",
        features=np.ones((6, 3), dtype=np.float32),
        labels=np.array([0, 1, 2, 0, 1, 2]),
        class_names=("a", "b", "c"),
        source="made here",
        sha256="0" * 64,
        kind="vector",
        splits={"train": np.arange(4), "test": np.array([5])},
        lengths=np.array([1, 2, 3, 3, 2, 1]),
    )


def with_value(value: float) -> np.ndarray:
    features = np.ones((6, 3), dtype=np.float32)
    features[4, 2] = value
    return features


def test_a_good_set_passes_unchanged():
    good = dataset()
    assert check(good) is good
    assert check(replace(good, lengths=None, splits={}, features=np.ones((6, 1, 2, 2), np.uint8))).kind == "vector"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"features": np.ones((0, 3)), "labels": np.zeros(0, int)}, "found no sample"),
        ({"labels": np.zeros(5, int)}, r"found labels of shape \(5,\) and type int64, expected \(6,\) and int64"),
        ({"labels": np.zeros((6, 3), int)}, r"found labels of shape \(6, 3\)"),
        ({"labels": np.array([0, 1, 2, 0, 1, 2.0])}, "type float64, expected"),
        ({"labels": np.array([0, 1, 2, 0, 3, 2])}, "sample 4: found label 3, expected 0 to 2"),
        ({"labels": np.array([0, -1, 2, 0, 1, 2])}, "sample 1: found label -1, expected 0 to 2"),
        ({"labels": np.array([0, 2, 2, 0, 2, 2])}, "found no sample of class 'b'"),
        ({"class_names": ("a",), "labels": np.zeros(6, int)}, r"found only one class \(a\), expected at least two"),
        ({"features": with_value(np.nan)}, "sample 4, feature 2: found nan, expected a finite number"),
        ({"features": with_value(-np.inf)}, "sample 4, feature 2: found -inf, expected a finite number"),
        ({"lengths": np.array([1, 2, 3, 4, 2, 1])}, "lengths that are not one number from 1 to 3"),
        ({"lengths": np.array([1, 2, 0, 3, 2, 1])}, "lengths that are not one number from 1 to 3"),
        ({"lengths": np.array([1, 2])}, "lengths that are not one number"),
        ({"splits": {"train": np.arange(4), "test": np.array([3])}}, "sample 3: found in 2 parts, expected in one"),
        ({"splits": {"train": np.arange(4), "test": np.array([6])}}, "the part 'test' points outside the 6 samples"),
        ({"splits": {"train": np.arange(4), "test": np.array([], int)}}, "found no sample in the part 'test'"),
    ],
)
def test_refused_in_one_sentence(change, sentence):
    with pytest.raises(DataError, match=f"^mine: .*{sentence}") as caught:
        check(replace(dataset(), **change))
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)
