"""Samples on both sides of a split, classes without a sample in a part, and what is said of them.

It also covers remarks.py.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from labkit.data import Dataset
from labkit.data.digits import digits
from labkit.preprocess.overlap import Overlap, overlaps
from labkit.preprocess.remarks import remarks
from labkit.preprocess.split import missing_classes, split


def dataset(features: np.ndarray, labels: list[int], classes: int = 3) -> Dataset:
    names = tuple("abc"[:classes])
    return Dataset("mine", features, np.array(labels), names, "made here", "0" * 64, "vector")


PARTS = {"train": np.array([0, 1, 2]), "validation": np.array([3]), "test": np.array([4, 5, 6, 7])}


def test_counted_by_hand() -> None:
    """Test rows 4 and 5 copy training rows with their class, 6 copies one with another, 7 stands in validation only."""
    points = np.array([[1, 1], [2, 2], [2, 2], [9, 9], [1, 1], [2, 2], [1, 1], [9, 9]], np.float32)
    found = overlaps(dataset(points, [0, 1, 2, 0, 0, 2, 2, 0]), PARTS)
    assert found == (Overlap("validation", 1, 0, 0), Overlap("test", 4, 2, 1))
    assert found[1].share == 0.75
    assert str(found[1]) == "3 of 4 test samples (75.00%), 2 of them with the same class"


@pytest.mark.parametrize("shape", [(5,), (1, 4, 4), (3, 2, 2), (1, 50)])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_the_quadratic_way_agrees(shape: tuple[int, ...], dtype: type) -> None:
    rng = np.random.default_rng(0)
    kinds = rng.integers(0, 99, (40, *shape)).astype(dtype)
    data = dataset(kinds[rng.integers(0, 40, 90)], rng.integers(0, 3, 90).tolist())
    rows = {"train": np.arange(50), "validation": np.arange(50, 60), "test": np.arange(60, 90)}
    for found in overlaps(data, rows):
        equal = [[bool((data.features[i] == data.features[j]).all()) for j in rows["train"]] for i in rows[found.part]]
        label = data.labels[rows[found.part]][:, None] == data.labels[rows["train"]]
        assert found.same == (np.array(equal) & label).any(1).sum()
        assert found.same + found.other == np.array(equal).any(1).sum()


def test_an_empty_part_is_left_out_and_digits_have_no_copy() -> None:
    data = digits()
    (test,) = overlaps(data, split(data, validation=0))
    assert test == Overlap("test", 539, 0, 0)


def test_a_warning_begins_above_one_percent() -> None:
    quiet, loud = Overlap("validation", 100, 1, 0), Overlap("test", 100, 1, 1)
    plain = dataset(np.ones((1, 1)), [0])
    assert remarks(plain, {}, [quiet]) == ()
    said = "also in the training part: 2 of 100 test samples (2.00%), 1 of them with the same class"
    assert remarks(plain, {}, [quiet, loud]) == (said,)
    assert remarks(replace(plain, notes=("one thing",)), {}, [loud]) == ("one thing", said)


def test_a_class_of_one_sample_is_trained_on_and_missed_elsewhere() -> None:
    data = dataset(np.arange(41.0)[:, None], [0, 1] * 20 + [2])
    parts = split(data)
    assert 40 in parts["train"]
    missing = missing_classes(data, parts)
    assert missing == {"validation": ["c"], "test": ["c"]}
    assert remarks(data, missing, ()) == (
        "no sample of class c in the validation and the test part: precision and recall there are means over the "
        "other classes",
    )


def test_parts_that_miss_different_classes_have_a_sentence_each() -> None:
    data = dataset(np.ones((6, 1)), [0, 1, 2, 0, 1, 0])
    missing = missing_classes(data, {"train": np.arange(3), "validation": np.array([3, 4]), "test": np.array([5])})
    assert missing == {"validation": ["c"], "test": ["b", "c"]}
    assert [note.partition(":")[0] for note in remarks(data, missing, ())] == [
        "no sample of class c in the validation part",
        "no sample of 2 classes b, c in the test part",
    ]
