"""The real files, where `LABKIT_DATA` says they are: facts that their publishers state."""

import os
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from labkit.data import cifar, idx, mat, text, wav
from labkit.preprocess.overlap import overlaps
from labkit.preprocess.split import split

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif("LABKIT_DATA" not in os.environ, reason="LABKIT_DATA is not set"),
]


@pytest.fixture(scope="module")
def root() -> Path:
    return Path(os.environ["LABKIT_DATA"])


LOADERS = {
    loader.__name__: loader
    for loader in (idx.mnist, cifar.cifar10, mat.swissroll, mat.peaks, mat.gmm, wav.fsdd, text.names)
}
FACTS = {  # name: shape, type, sizes of the parts, verified
    "mnist": ((70_000, 1, 28, 28), np.uint8, {"train": 60_000, "test": 10_000}, True),
    "cifar10": ((60_000, 3, 32, 32), np.uint8, {"train": 50_000, "test": 10_000}, None),
    "swissroll": ((25_000, 2), np.float32, {"train": 20_000, "test": 5_000}, True),
    "peaks": ((31_250, 2), np.float32, {"train": 25_000, "test": 6_250}, True),
    "gmm": ((31_250, 5), np.float32, {"train": 25_000, "test": 6_250}, True),
    "fsdd": ((3_000, 1, 8_000), np.int16, {"train": 2_700, "test": 300}, False),
    "names": ((17_986, 20), np.uint8, {}, False),
}


@pytest.mark.parametrize("name", list(FACTS))
def test_shape_type_and_parts(root, name):
    shape, dtype, parts, verified = FACTS[name]
    found = LOADERS[name](root=root)
    assert found.features.shape == shape
    assert found.features.dtype == dtype
    assert {part: len(indices) for part, indices in found.splits.items()} == parts
    assert verified is None or found.verified is verified


def test_mnist_counts_and_mean(root):
    found = idx.mnist(root=root, download=False)
    counts = np.bincount(found.labels[found.splits["train"]])
    np.testing.assert_array_equal(counts, [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949])
    assert found.features[found.splits["train"]].mean() / 255 == pytest.approx(0.1307, abs=1e-4)


def test_cifar10_is_balanced_and_kth_is_its_part(root):
    whole = cifar.cifar10(root=root, download=False)
    np.testing.assert_array_equal(np.bincount(whole.labels), [6000] * 10)
    kth = cifar.cifar10(root=root, split="kth", download=False)
    sizes = {part: len(rows) for part, rows in kth.splits.items()}
    assert sizes == {"train": 10_000, "validation": 10_000, "test": 10_000}
    np.testing.assert_array_equal(kth.features[kth.splits["validation"]], whole.features[10_000:20_000])
    np.testing.assert_array_equal(kth.labels[kth.splits["test"]], whole.labels[whole.splits["test"]])


@pytest.mark.parametrize("name", ["swissroll", "peaks", "gmm"])
def test_course_files_are_sorted_by_class(root, name):
    found = LOADERS[name](root=root)
    assert (np.diff(found.labels[found.splits["train"]]) >= 0).mean() > 0.98


def test_fsdd_is_balanced(root):
    found = wav.fsdd(root=root)
    np.testing.assert_array_equal(np.bincount(found.labels[found.splits["test"]]), [30] * 10)


def test_names_without_repeats(root):
    whole, distinct = text.names(root=root, distinct=False), text.names(root=root)
    assert len(whole.class_names) == 18
    assert whole.vocabulary[0] == ""
    arabic = whole.class_names.index("Arabic")
    assert (whole.labels == arabic).sum() == 2000
    assert (distinct.labels == arabic).sum() == 108


def test_names_on_both_sides_of_the_split(root):
    whole = text.names(root=root, distinct=False)
    _, test = overlaps(whole, split(whole))
    assert (test.size, test.same) == (6_015, 666)
    distinct = text.names(root=root)
    assert [found.same for found in overlaps(distinct, split(distinct))] == [0, 0]


@pytest.mark.parametrize("name", ["mnist", "cifar10", "peaks", "gmm", "fsdd"])
def test_published_sets_have_no_exact_copy_on_both_sides(root, name):
    data = LOADERS[name](root=root)
    found = overlaps(data, split(data))
    assert [overlap.same + overlap.other for overlap in found] == [0, 0]


@pytest.mark.parametrize(("name", "seconds"), [("mnist", 1), ("cifar10", 1), ("fsdd", 1)])
def test_loads_fast(root, name, seconds):
    """In seconds of processor time, which other programs on the machine disturb least."""
    start = time.process_time()
    LOADERS[name](root=root)
    assert time.process_time() - start < seconds


def test_cifar10_needs_little_more_memory_than_it_stores(root):
    tracemalloc.start()
    found = cifar.cifar10(root=root, download=False)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.05 * found.features.nbytes
