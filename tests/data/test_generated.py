"""Embedded sets: well formed, seeded, and each what its docstring says.

It also covers cluttered_digits.py, digits.py, gmm.py, planar.py, syllables.py and tones.py.
"""

from __future__ import annotations

import gzip
import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf

from labkit.config import ConfigError
from labkit.data.circle import circle
from labkit.data.cluttered_digits import PARTS, cluttered_digits, source_parts
from labkit.data.dataset import DataError, Dataset
from labkit.data.digits import digits, digits_file, read_digits
from labkit.data.gmm import gmm_generated
from labkit.data.planar import PEAKS_LEVELS, peaks, peaks_generated, spirals, swissroll_generated
from labkit.data.syllables import syllables
from labkit.data.tones import tones

SEEDED: dict[str, Callable[..., Dataset]] = {
    "spirals": spirals,
    "circle": circle,
    "swissroll_generated": swissroll_generated,
    "peaks_generated": peaks_generated,
    "gmm_generated": gmm_generated,
    "cluttered_digits": cluttered_digits,
    "tones": tones,
    "syllables": syllables,
}
# kind, shape of a sample, classes
EXPECTED: dict[str, tuple[str, tuple[int, ...], int]] = {
    "digits": ("image", (1, 8, 8), 10),
    "spirals": ("vector", (2,), 3),
    "circle": ("vector", (2,), 2),
    "swissroll_generated": ("vector", (2,), 2),
    "peaks_generated": ("vector", (2,), 5),
    "gmm_generated": ("vector", (5,), 5),
    "cluttered_digits": ("image", (3, 32, 32), 10),
    "tones": ("sound", (1, 2000), 10),
    "syllables": ("text", (-1,), 6),
}
DTYPES = {"vector": np.float32, "image": np.uint8, "sound": np.int16, "text": np.uint8}
CONF = Path(__file__).parents[2] / "conf" / "data"


def constructor(name: str) -> tuple[Callable[..., Dataset], dict[Any, Any]]:
    """The constructor and its keywords from the option's file."""
    node = OmegaConf.to_container(OmegaConf.load(CONF / f"{name}.yaml"))
    assert isinstance(node, dict)
    module, function = node.pop("_target_").rsplit(".", 1)
    return getattr(importlib.import_module(module), function), node


@pytest.mark.parametrize("name", EXPECTED)
def test_default_set_is_well_formed(name: str) -> None:
    build, keys = constructor(name)
    dataset = build(**keys)
    kind, shape, classes = EXPECTED[name]
    assert dataset.name == name
    assert dataset.kind == kind
    assert dataset.features.dtype == DTYPES[kind]
    assert dataset.features.flags.c_contiguous
    assert kind == "text" or dataset.features.shape[1:] == shape
    assert dataset.labels.dtype == np.int64
    assert len(dataset.labels) == len(dataset.features)
    counts = np.bincount(dataset.labels)
    assert len(counts) == classes == len(dataset.class_names)
    assert counts.min() > 0
    assert np.isfinite(dataset.features).all()
    assert len(dataset.sha256) == 64
    if name != "digits":
        assert (np.diff(dataset.labels) != 0).mean() > 0.4  # shuffled: neighbours differ about as often as by chance
        assert len(dataset.labels) == keys["samples"]
        defaults = build()
        assert defaults.sha256 == dataset.sha256  # the file states the constructor's own defaults


@pytest.mark.parametrize("name", SEEDED)
def test_the_seed_decides_and_nothing_else_does(name: str) -> None:
    build = SEEDED[name]
    np.random.seed(0)
    one = build(samples=200, data_seed=1)
    np.random.seed(1)
    again, other = build(samples=200, data_seed=1), build(samples=200, data_seed=2)
    assert one.sha256 == again.sha256 != other.sha256
    np.testing.assert_array_equal(one.features, again.features)


@pytest.mark.parametrize("name", [name for name in SEEDED if name != "cluttered_digits"])
@pytest.mark.parametrize("samples", [1, 23])
def test_few_samples_are_refused_or_shared_evenly(name: str, samples: int) -> None:
    if samples == 1:
        with pytest.raises(ConfigError, match=f"data={name}: samples=1"):
            SEEDED[name](samples=samples)
        return
    keys = {"mislabelled": 0.0} if name in ("swissroll_generated", "peaks_generated") else {}
    counts = np.bincount(SEEDED[name](samples=samples, **keys).labels)
    assert counts.sum() == samples
    assert counts.max() - counts.min() <= 1


def test_digits_equal_scikit_learns() -> None:
    from sklearn.datasets import load_digits

    reference, dataset = load_digits(), digits()
    np.testing.assert_array_equal(dataset.labels, reference.target)
    np.testing.assert_array_equal(dataset.features[:, 0], np.rint(reference.images * 255 / 16))
    np.testing.assert_array_equal(np.rint(dataset.features[:, 0] * (16 / 255)), reference.images)


@pytest.mark.parametrize("module", ["digits", "planar", "gmm", "cluttered_digits", "tones", "syllables"])
def test_building_imports_no_heavy_package(module: str) -> None:
    name = {"planar": "spirals", "gmm": "gmm_generated"}.get(module, module)
    code = f"""
import sys
from labkit.data.{module} import {name}
{name}()
print([heavy for heavy in ("sklearn", "scipy", "torch", "pooch", "PIL", "pandas") if heavy in sys.modules])
"""
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert output.strip() == "[]"


GOOD = gzip.decompress(digits_file().read_bytes())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no gzip", "expected scikit-learn's gzipped digits"),
        (gzip.compress(GOOD, 1)[:2000], "expected scikit-learn's gzipped digits"),
        (gzip.compress(GOOD[:-1000], 1), "numbers found, 1797 rows of 65 expected"),
        (gzip.compress(GOOD.replace(b"16", b"xy", 1), 1), "expected comma-separated integers"),
        (gzip.compress(GOOD.replace(b"16", b"17", 1), 1), "found an intensity of 17 and a label of 9"),
        (b"", "expected scikit-learn's gzipped digits|numbers found"),
    ],
)
def test_a_damaged_digits_file_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "digits.csv.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=said) as caught:
        read_digits(path)
    assert str(path) in str(caught.value)


def test_missing_scikit_learn_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DataError, match="scikit-learn is not installed"):
        digits()


def test_peaks_is_matlabs_surface() -> None:
    # values of MATLAB's peaks at its documented places
    assert peaks(np.array(0.0), np.array(0.0)) == pytest.approx(3 * np.exp(-1) - np.exp(-1) / 3)
    grid = np.linspace(-3, 3, 301)
    height = peaks(*np.meshgrid(grid, grid))
    assert height.max() == pytest.approx(8.106, abs=2e-3)
    assert height.min() == pytest.approx(-6.551, abs=2e-3)


def test_without_noise_every_point_lies_where_its_class_says() -> None:
    levels = peaks_generated(noise=0.0, mislabelled=0.0)
    x, y = levels.features.astype(np.float64).T
    assert (np.digitize(peaks(x, y), PEAKS_LEVELS) == levels.labels).mean() > 0.9999  # float32 rounds at the borders
    roll = swissroll_generated(noise=0.0, mislabelled=0.0)
    radius, angle = np.hypot(*roll.features.T), np.arctan2(roll.features[:, 1], roll.features[:, 0])
    turns = radius - 0.2 * roll.labels - angle / (4 * np.pi)
    assert np.abs(turns * 2 - np.rint(turns * 2)).max() < 1e-4


@pytest.mark.parametrize("build", [swissroll_generated, peaks_generated])
def test_exactly_the_asked_share_is_mislabelled(build: Callable[..., Dataset]) -> None:
    clean, noisy = build(samples=1000, mislabelled=0.0), build(samples=1000, mislabelled=0.1)
    assert (clean.labels != noisy.labels).sum() == 100
    np.testing.assert_array_equal(clean.features, noisy.features)


def nearest_neighbour_accuracy(dataset: Dataset) -> float:
    from sklearn.neighbors import KNeighborsClassifier

    train = len(dataset.labels) * 7 // 10
    fitted = KNeighborsClassifier(15).fit(dataset.features[:train], dataset.labels[:train])
    return float(fitted.score(dataset.features[train:], dataset.labels[train:]))


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("spirals", 0.98, 1.0),
        ("swissroll_generated", 0.955, 0.985),
        ("peaks_generated", 0.90, 0.95),
        ("gmm_generated", 0.96, 0.99),
    ],
)
def test_ceilings_are_those_of_the_course(name: str, low: float, high: float) -> None:
    """The course's files reach 97.5, 93.0 and 97.4% (nearest neighbours, 5 to 6 times the samples)."""
    assert low <= nearest_neighbour_accuracy(SEEDED[name]()) <= high


@pytest.mark.parametrize(("size", "channels", "clutter"), [(28, 1, 4), (16, 3, 0), (40, 3, 1)])
def test_cluttered_shape_is_a_key(size: int, channels: Any, clutter: int) -> None:
    dataset = cluttered_digits(samples=130, size=size, channels=channels, clutter=clutter)
    assert dataset.features.shape == (130, channels, size, size)
    assert dataset.features.std() > 10


@pytest.mark.parametrize("samples", [100, 101, 777, 1003])
def test_cluttered_parts_cover_everything_with_balanced_classes(samples: int) -> None:
    dataset = cluttered_digits(samples=samples)
    assert set(dataset.splits) == {"train", "validation", "test"}
    np.testing.assert_array_equal(np.concatenate(list(dataset.splits.values())), np.arange(samples))
    for part, indices in dataset.splits.items():
        assert abs(len(indices) - PARTS[part] * samples) <= 2
        counts = np.bincount(dataset.labels[indices], minlength=10)
        assert counts.max() - counts.min() <= 1
        assert counts.min() > 0


def test_too_few_cluttered_digits_are_refused() -> None:
    with pytest.raises(ConfigError, match="data=cluttered_digits: samples=99"):
        cluttered_digits(samples=99)


def test_source_digits_are_shared_out_without_overlap() -> None:
    labels = digits().labels
    parts = source_parts(labels, np.random.default_rng(0))
    np.testing.assert_array_equal(np.sort(np.concatenate(list(parts.values()))), np.arange(len(labels)))
    for part, sources in parts.items():
        share = np.bincount(labels[sources]) / np.bincount(labels)
        assert np.abs(share - PARTS[part]).max() < 0.01


def test_no_original_of_one_part_is_used_in_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Digit and clutter alike: what reaches the drawing routine is recorded, part by part."""
    module = importlib.import_module("labkit.data.cluttered_digits")
    draw, used = module._draw, []

    def recording(ink: Any, chosen: np.ndarray, pieces: np.ndarray, *others: Any) -> np.ndarray:
        used.append((len(chosen), set(chosen) | set(pieces.ravel())))
        return np.asarray(draw(ink, chosen, pieces, *others))

    monkeypatch.setattr(module, "_draw", recording)
    monkeypatch.setattr(module, "CHUNK", 10_000)  # one call a part
    dataset = cluttered_digits(samples=3000)
    assert [size for size, _ in used] == [len(dataset.splits[part]) for part in PARTS]
    (_, train), (_, validation), (_, test) = used
    assert not train & validation
    assert not train & test
    assert not validation & test
    assert len(train | validation | test) > 1700


def test_pitch_movements_are_in_the_sounds() -> None:
    """Without noise, zero crossings count the frequency: it rises, falls or stays as the class says."""
    dataset = tones(samples=400, noise=0.0)
    sounds = dataset.features[:, 0].astype(np.float64)
    quarters = np.abs(np.fft.rfft(sounds.reshape(len(sounds), 4, -1) * np.hanning(500), n=8192))
    pitch = np.log2(quarters[:, :, 205:1100].argmax(2) + 205.0)  # 200 to 1074 Hz, below the harmonics of most
    change = pitch[:, 3] - pitch[:, 0]
    for name, low, high in (
        ("rising", 0.15, 0.8),
        ("falling", -0.8, -0.15),
        ("step up", 0.3, 0.8),
        ("steady", -0.1, 0.1),
    ):
        members = change[dataset.labels == dataset.class_names.index(name)]
        assert low < np.median(members) < high, name
    assert np.abs(dataset.features).max() > 3000


def test_words_are_padded_ids_of_their_letters() -> None:
    dataset = syllables()
    assert dataset.vocabulary == ("", *"abcdefghijklmnopqrstuvwxyz")
    assert dataset.lengths is not None
    inside = np.arange(dataset.features.shape[1]) < dataset.lengths[:, None]
    assert ((dataset.features > 0) == inside).all()
    assert dataset.features.max() <= 26
    assert dataset.lengths.min() >= 2
    assert dataset.lengths.max() == dataset.features.shape[1]
    words = ["".join(dataset.vocabulary[token] for token in row) for row in dataset.features]
    for name, ending in (("karu", "aiu"), ("aruk", "ktpsmnrl"), ("storisk", "k")):
        members = [
            word for word, label in zip(words, dataset.labels, strict=True) if dataset.class_names[label] == name
        ]
        assert all(word[-1] in ending for word in members)
