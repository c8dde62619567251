"""Splits: complete, disjoint, stratified, and moved by nothing but `split_seed`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedShuffleSplit

from labkit.config import ConfigError
from labkit.data.dataset import Dataset
from labkit.preprocess.split import allocate, split

PARTS = ("train", "validation", "test")


def labelled(labels: object, splits: Mapping[str, object] | None = None) -> Dataset:
    found = np.asarray(labels, np.int64)
    return Dataset(
        name="toy",
        features=np.zeros((len(found), 1), np.float32),
        labels=found,
        class_names=tuple(map(str, range(int(found.max()) + 1))),
        source="",
        sha256="",
        kind="vector",
        splits={part: np.asarray(indices, np.int64) for part, indices in (splits or {}).items()},
    )


def counts(dataset: Dataset, part: np.ndarray) -> np.ndarray:
    return np.bincount(dataset.labels[part], minlength=len(dataset.class_names))


many_labels = st.lists(st.integers(0, 4), min_size=40, max_size=300).map(lambda labels: labels + [0, 1, 2, 3, 4] * 4)


@settings(deadline=None)
@given(many_labels, st.integers(0, 5), st.floats(0, 0.5), st.floats(0.01, 0.5))
def test_parts_are_disjoint_complete_and_keep_every_class(
    labels: list[int], seed: int, validation: float, test: float
) -> None:
    dataset = labelled(labels)
    parts = split(dataset, split_seed=seed, validation=validation, test=test)
    assert tuple(parts) == PARTS
    assert sorted(np.concatenate(list(parts.values()))) == list(range(len(labels)))
    assert (counts(dataset, parts["train"]) > 0).all()
    for part in parts.values():
        assert part.dtype == np.int64


@settings(deadline=None)
@given(many_labels, st.integers(0, 5), st.integers(5, 20), st.integers(10, 20))
def test_stratified_within_one(labels: list[int], seed: int, validation: int, train_size: int) -> None:
    dataset = labelled(labels)
    whole = np.bincount(labels)
    without = split(dataset, split_seed=seed, validation=validation, test=0.3)
    kept = split(dataset, split_seed=seed, validation=validation, test=0.3, train_size=train_size)
    assert len(without["validation"]) == validation
    assert len(kept["train"]) == train_size
    for pool, part in (
        (whole, without["test"]),
        (whole - counts(dataset, without["test"]), without["validation"]),
        (counts(dataset, without["train"]), kept["train"]),
    ):
        share = pool * len(part) / pool.sum()
        found = counts(dataset, part)
        rare = share < 1  # a class may get its one sample out of turn, at the cost of another
        assert (np.abs(found - share)[~rare] < 1 + rare.sum()).all()
        if not rare.any():
            assert (np.abs(found - share) < 1 + 1e-9).all()
        assert (found > 0).all()


@settings(deadline=None)
@given(st.integers(0, 3), st.integers(5, 40), st.integers(5, 40))
def test_each_part_has_its_own_stream(seed: int, one: int, other: int) -> None:
    dataset = labelled(np.arange(200) % 5)
    a = split(dataset, split_seed=seed, validation=one)
    b = split(dataset, split_seed=seed, validation=other)
    c = split(dataset, split_seed=seed, validation=one, train_size=50)
    assert (a["test"] == b["test"]).all()
    assert (a["test"] == c["test"]).all()
    assert (a["validation"] == c["validation"]).all()
    assert set(c["train"]) < set(a["train"])


def test_only_the_labels_and_the_split_seed_matter() -> None:
    dataset = labelled(np.arange(300) % 3)
    np.random.seed(1)
    a = split(dataset, split_seed=3)
    np.random.seed(2)
    b = split(dataset, split_seed=3)
    other = split(dataset, split_seed=4)
    assert all((a[part] == b[part]).all() for part in PARTS)
    assert any(len(a[part]) != len(other[part]) or (a[part] != other[part]).any() for part in PARTS)


@pytest.mark.parametrize("sizes", [(50, 50), (90, 30, 12), (17, 19, 23, 29)])
@pytest.mark.parametrize("count", [10, 33])
def test_class_counts_agree_with_scikit_learn(sizes: tuple[int, ...], count: int) -> None:
    dataset = labelled(np.repeat(np.arange(len(sizes)), sizes))
    ours = counts(dataset, split(dataset, validation=count, test=0.0)["validation"])
    reference = StratifiedShuffleSplit(1, test_size=count, random_state=0)
    _, indices = next(reference.split(dataset.features, dataset.labels))
    theirs = counts(dataset, indices)
    assert ours.sum() == theirs.sum() == count
    assert np.abs(ours - theirs).max() <= 1  # ties of remainders are broken differently
    exact = np.array(sizes) * count / sum(sizes)
    assert np.abs(ours - exact).max() <= np.abs(theirs - exact).max() + 1e-9


def test_published_parts_stay() -> None:
    published = {"train": [0, 1, 2, 3, 4, 5], "test": [9, 8], "validation": [7]}
    parts = split(labelled([0, 1] * 5, published), split_seed=5, validation=0.5, test=0.9)
    assert {part: list(indices) for part, indices in parts.items()} == published


def test_validation_is_carved_from_the_published_train_part_alone() -> None:
    dataset = labelled([0, 1] * 10, {"train": range(12), "test": range(16, 20)})
    parts = split(dataset, validation=4)
    assert list(parts["test"]) == [16, 17, 18, 19]
    assert sorted(np.concatenate([parts["train"], parts["validation"]])) == list(range(12))
    assert list(counts(dataset, parts["validation"])) == [2, 2]


def test_what_is_in_no_published_part_is_for_training_when_none_is_published() -> None:
    parts = split(labelled([0, 1] * 10, {"test": range(16, 20)}), validation=0)
    assert list(parts["train"]) == list(range(16))
    assert len(parts["validation"]) == 0


@pytest.mark.parametrize(("validation", "expected"), [(0, 0), (0.0, 0), (1, 1), (7, 7), (0.1, 7), (1e-6, 1), (0.5, 35)])
def test_validation_by_count_or_by_share(validation: int | float, expected: int) -> None:
    assert len(split(labelled(np.arange(100) % 2), validation=validation)["validation"]) == expected


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"validation": 70}, "data.validation: 70 samples asked for, but only 70"),
        ({"validation": 500}, "data.validation: 500 samples asked for, but only 70"),
        ({"validation": 1.0}, "data.validation: 70 samples asked for"),
        ({"validation": 69}, "data.validation: .* a class would vanish .* at most 68"),
        ({"test": 1.0}, "data.test: 100 samples asked for"),
        ({"test": 0.99}, "data.test: .* a class would vanish"),
        ({"train_size": 1}, "data.train_size: found 1, expected at least 2"),
        ({"train_size": 64}, "data.train_size: 64 samples asked for, but only 63"),
    ],
)
def test_the_impossible_is_refused(keys: dict[str, float], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        split(labelled(np.arange(100) % 2), **keys)  # type: ignore[arg-type]


@pytest.mark.parametrize("total", range(4, 31))
def test_allocation_is_exact_within_its_bounds(total: int) -> None:
    sizes = np.array([26, 2, 1, 1])
    low, high = np.array([1, 1, 1, 1]), sizes
    seats = allocate(sizes, total, low, high)
    assert seats.sum() == total
    assert (seats >= low).all()
    assert (seats <= high).all()
