"""Preparation against numpy: everything fitted on the training part, nothing on the rest; what is refused; memory.

It also covers normalise.py, outliers.py and pca.py.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch

from labkit.config import ConfigError
from labkit.data.dataset import Dataset
from labkit.preprocess import normalise
from labkit.preprocess.prepare import Parts, Preprocess, prepare
from labkit.preprocess.split import split

PARTS = ("train", "validation", "test")


def toy(kind: str, n: int = 90) -> Dataset:
    rng = np.random.default_rng(1)
    features: dict[str, Any] = {
        "image": rng.integers(0, 256, (n, 3, 6, 5), dtype=np.uint8),
        "vector": (rng.normal(3, 2, (n, 4)) * [1, 10, 100, 0] + 0.1).astype(np.float32),
        "sound": rng.integers(-32768, 32768, (n, 1, 20)).astype(np.int16),
        "text": rng.integers(1, 27, (n, 7), dtype=np.uint8),
    }
    return Dataset(
        name=f"toy_{kind}",
        features=features[kind],
        labels=np.arange(n, dtype=np.int64) % 3,
        class_names=("a", "b", "c"),
        source="",
        sha256="",
        kind=kind,  # type: ignore[arg-type]
        lengths=np.full(n, 7, np.int64) if kind == "text" else None,
        vocabulary=("", *"abcdefghijklmnopqrstuvwxyz") if kind == "text" else (),
    )


def prepared(dataset: Dataset, dtype: torch.dtype = torch.float32, **keys: Any) -> tuple[Parts, dict[str, np.ndarray]]:
    indices = split(dataset)
    return prepare(dataset, indices, Preprocess(**keys), dtype), indices


def features(parts: Parts, part: str) -> np.ndarray:
    return np.asarray(getattr(parts, part).features.numpy())


@pytest.mark.parametrize(("kind", "divisor"), [("image", 255), ("sound", 32768), ("vector", 1)])
@pytest.mark.parametrize("scale", [True, False])
def test_scale(kind: str, divisor: float, scale: bool) -> None:
    dataset = toy(kind)
    parts, indices = prepared(dataset, scale=scale, normalise="none")
    for part in PARTS:
        expected = dataset.features[indices[part]].astype(np.float32) / np.float32(divisor if scale else 1)
        np.testing.assert_array_equal(features(parts, part), expected)
        np.testing.assert_array_equal(getattr(parts, part).labels.numpy(), dataset.labels[indices[part]])
    assert parts.train.features.dtype == torch.float32
    assert parts.moments is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("block", [1, 100, 1 << 15])
@pytest.mark.parametrize(
    ("kind", "how", "axes"),
    [
        ("image", "feature", (0,)),
        ("image", "channel", (0, 2, 3)),
        ("sound", "feature", (0,)),
        ("sound", "channel", (0, 2)),
        ("vector", "feature", (0,)),
    ],
)
def test_normalise_by_the_training_part(
    monkeypatch: pytest.MonkeyPatch, kind: str, how: str, axes: tuple[int, ...], block: int, dtype: torch.dtype
) -> None:
    monkeypatch.setattr(normalise, "BLOCK", block)
    dataset = toy(kind)
    parts, indices = prepared(dataset, dtype, normalise=how)
    scaled = dataset.features.astype(np.float64) / {"image": 255, "sound": 32768, "vector": 1}[kind]
    train = scaled[indices["train"]]
    mean, std = train.mean(axes, keepdims=True), train.std(axes, keepdims=True)
    std = np.where(std < 1e-9, 1, std)
    tolerance = 2e-6 if dtype == torch.float32 else 1e-12
    for part in PARTS:
        np.testing.assert_allclose(features(parts, part), (scaled[indices[part]] - mean) / std, rtol=0, atol=tolerance)
    assert parts.moments is not None
    np.testing.assert_allclose(parts.moments.mean.numpy(), mean[0], atol=1e-12)
    np.testing.assert_allclose(parts.moments.std.numpy(), std[0], atol=1e-12)


def test_nothing_is_fitted_on_validation_or_test() -> None:
    dataset = toy("vector")
    before, indices = prepared(dataset, pca=2, outliers=0.1)
    dataset.features[np.concatenate([indices["validation"], indices["test"]])] *= 1000
    after, _ = prepared(dataset, pca=2, outliers=0.1)
    assert torch.equal(before.train.features, after.train.features)
    assert not torch.equal(before.test.features, after.test.features)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6, -3.7])
def test_a_constant_feature_is_only_centred(value: float) -> None:
    dataset = toy("vector")
    dataset.features[:, 1] = value
    parts, indices = prepared(dataset)
    assert (features(parts, "train")[:, 1] == 0).all()
    dataset.features[indices["test"][0], 1] = value + 1
    again, _ = prepared(dataset)
    assert features(again, "test")[0, 1] == pytest.approx(1)


def test_moments_survive_a_large_mean() -> None:
    rng = np.random.default_rng(0)
    values = (1e6 + rng.normal(size=(5000, 2))).astype(np.float32)
    found = normalise.moments(values, np.arange(5000))
    np.testing.assert_allclose(found.std.numpy(), values.astype(np.float64).std(0), rtol=1e-9)


@pytest.mark.parametrize("k", [1, 3])
def test_pca_against_a_singular_value_decomposition(k: int) -> None:
    dataset = toy("vector")
    parts, _indices = prepared(dataset, torch.float64, normalise="feature", pca=k)
    plain, _ = prepared(dataset, torch.float64, normalise="feature")
    train = features(plain, "train")
    centre = train.mean(0)
    _, deviations, axes = np.linalg.svd(train - centre, full_matrices=False)
    for part in PARTS:
        expected = (features(plain, part) - centre) @ axes[:k].T
        np.testing.assert_allclose(np.abs(features(parts, part)), np.abs(expected), atol=1e-10)
    assert parts.components is not None
    assert parts.shape == (k,)
    assert parts.kind == "vector"
    np.testing.assert_allclose(parts.components.explained.numpy(), (deviations**2 / (deviations**2).sum())[:k])


def test_pca_of_images_flattens_them() -> None:
    parts, _ = prepared(toy("image"), pca=5)
    assert parts.shape == (5,)
    assert parts.kind == "vector"
    assert parts.train.features.shape[1:] == (5,)
    assert np.abs(np.cov(features(parts, "train").T) - np.diag(features(parts, "train").var(0, ddof=1))).max() < 1e-4


def test_outliers_leave_only_the_training_part() -> None:
    dataset = toy("vector")
    indices = split(dataset)
    far = indices["train"][[4, 11, 20]]
    dataset.features[far, 0] += 1000
    dataset.features[indices["test"][:5], 0] += 1000
    parts = prepare(dataset, indices, Preprocess(outliers=3.5 / len(indices["train"])))
    assert parts.kept is not None
    assert set(indices["train"]) - set(parts.kept) == set(far)
    assert len(parts.train) == len(indices["train"]) - 3
    assert len(parts.test) == len(indices["test"])
    np.testing.assert_array_equal(parts.train.labels.numpy(), dataset.labels[parts.kept])


@pytest.mark.parametrize("block", [5, 1 << 15])
def test_class_distances_against_numpy(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    from labkit.preprocess.outliers import class_distances

    monkeypatch.setattr(normalise, "BLOCK", block)
    dataset = toy("vector")
    train = split(dataset)["train"]
    x, y = dataset.features[train].astype(np.float64), dataset.labels[train]
    deviation = x - np.stack([x[y == k].mean(0) for k in range(3)])[y]
    variance = (deviation**2).mean(0)
    varying = variance > 1e-20
    expected = (deviation[:, varying] ** 2 / variance[varying]).sum(1)
    found = class_distances(dataset.features, dataset.labels, train).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_text_keeps_its_ids_and_lengths() -> None:
    dataset = toy("text")
    parts, indices = prepared(dataset, scale=True, normalise="feature")
    assert parts.train.features.dtype == torch.uint8
    assert parts.moments is None
    assert parts.shape == (7,)
    np.testing.assert_array_equal(features(parts, "test"), dataset.features[indices["test"]])
    assert parts.test.lengths is not None
    assert parts.test.lengths.dtype == torch.int64
    assert parts.vocabulary == dataset.vocabulary


@pytest.mark.parametrize("kind", ["image", "text"])
def test_an_empty_part_is_possible(kind: str) -> None:
    dataset = toy(kind)
    parts = prepare(dataset, split(dataset, validation=0), Preprocess())
    assert parts.validation.features.shape == (0, *dataset.features.shape[1:])
    assert len(parts.validation) == 0


@pytest.mark.parametrize(
    ("kind", "keys", "said"),
    [
        ("image", {"mirror": 0.5, "pca": 3}, r"preprocess.mirror acts on images, but preprocess.pca=3"),
        ("image", {"shift": 2, "pca": 3}, r"preprocess.shift acts on images, but preprocess.pca=3"),
        ("image", {"shift": 5}, r"preprocess.shift: found 5, expected less than the image's 5"),
        ("vector", {"mirror": 0.5}, r"preprocess.mirror acts on images, but data=toy_vector holds vectors"),
        ("sound", {"shift": 2}, r"preprocess.shift acts on images, but data=toy_sound holds sounds"),
        ("text", {"mirror": 0.5}, r"preprocess.mirror acts on images, but data=toy_text holds texts"),
        ("text", {"pca": 2}, r"preprocess.pca acts on numbers, but data=toy_text holds texts"),
        ("text", {"noise": 0.1}, r"preprocess.noise acts on numbers"),
        ("text", {"outliers": 0.1}, r"preprocess.outliers acts on numbers"),
        ("vector", {"normalise": "channel"}, r"preprocess.normalise: found 'channel', .* expected 'feature' or 'none'"),
        ("vector", {"pca": 5}, r"preprocess.pca: 5 components asked for, but 57 training samples of 4 features have 4"),
        ("image", {"pca": 58}, r"preprocess.pca: 58 components asked for, but 57 training samples of 90 features"),
        ("vector", {"outliers": 1.0}, r"preprocess.outliers: leaving out 1 of 57 .* removes class 0 altogether"),
    ],
)
def test_what_makes_no_sense_is_refused(kind: str, keys: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        prepared(toy(kind), **keys)


MEASURE = """
import numpy as np, torch
from pathlib import Path
from labkit.data.dataset import Dataset
from labkit.preprocess.prepare import Preprocess, prepare

def status(field):
    return int(Path("/proc/self/status").read_text().split(field)[1].split()[0]) * 1024

torch.set_num_threads(1)
torch.ones(4096, 64).double().mean(0)  # code pages of the first operation belong to the imports
before = status("VmRSS:")
stored = np.ones((30_000, 3, 32, 32), np.uint8)
stored[::2] = 7
labels = np.arange(30_000) % 10
dataset = Dataset("toy", stored, labels, tuple("0123456789"), "", "", "image")
thirds = np.arange(30_000).reshape(3, -1)
parts = prepare(dataset, dict(zip(("train", "validation", "test"), thirds)), Preprocess())
print((status("VmHWM:") - before) / (4 * stored.size))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_peak_memory_is_the_stored_set_and_the_floats() -> None:
    """30,000 images of 3x32x32: a quarter for the bytes, one for the floats, a few MiB for all else."""
    output = subprocess.run([sys.executable, "-c", MEASURE], check=True, capture_output=True, text=True).stdout
    assert float(output) < 1.3
