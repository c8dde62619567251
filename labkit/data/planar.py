"""Seeded two-dimensional sets: spirals, and stand-ins for the Ben-Gurion course's SwissRoll and Peaks."""

from __future__ import annotations

import numpy as np

from labkit import limits
from labkit.config import ConfigError, Count, Fraction, Natural, NonNegative, Positive
from labkit.data.dataset import Dataset, arrays_sha256
from labkit.shipped import IN_FILE, defaults


@defaults("data/spirals")
def spirals(
    *,
    samples: Count = IN_FILE,
    classes: Count = IN_FILE,
    turns: Positive = IN_FILE,
    noise: NonNegative = IN_FILE,
    data_seed: Natural = IN_FILE,
) -> Dataset:
    """Generate spiral arms that leave the origin at equal angles, one per class.

    An arm is `r = t`, `angle = 2 pi (turns t + class / classes)`, t in (0, 1].

    Args:
        samples: Number of points of all classes together.
        classes: Number of classes.
        turns: Number of times that an arm winds round the origin.
        noise: Standard deviation of the Gaussian displacement of each coordinate; the arms end at radius 1.
        data_seed: Seed of the set.

    Returns:
        Data set with features of shape (samples, 2), float32, shuffled; class sizes differ by one at most.
    """
    rng = np.random.default_rng(data_seed)
    labels = balanced_labels(rng, samples, classes, "spirals")
    radius = np.sqrt(rng.uniform(0.0025, 1, samples))  # even density over the disc, and a gap of 0.05 at the origin
    angle = 2 * np.pi * (turns * radius + labels / classes)
    points = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1) + rng.normal(0, noise, (samples, 2))
    return vectors("spirals", points, labels, classes, data_seed)


@defaults("data/swissroll_generated")
def swissroll_generated(
    *,
    samples: Count = IN_FILE,
    noise: NonNegative = IN_FILE,
    mislabelled: Fraction = IN_FILE,
    data_seed: Natural = IN_FILE,
) -> Dataset:
    """Generate two interleaved spirals of two turns, modelled on the course's SwissRollData.mat.

    Class 0 runs along `r = t`, class 1 along `r = t + 0.2`, both at angle `4 pi t`, t in [0, 1]. A share
    `mislabelled` of the labels is flipped, as in the file, so that no honest classifier passes about 1 - mislabelled.

    Args:
        samples: Number of points of both classes together.
        noise: Standard deviation of the Gaussian displacement of each coordinate.
        mislabelled: Share of the samples whose label is flipped.
        data_seed: Seed of the set.

    Returns:
        Data set with features of shape (samples, 2), float32, shuffled; the course's own file is sorted by class.
    """
    rng = np.random.default_rng(data_seed)
    labels = balanced_labels(rng, samples, 2, "swissroll_generated")
    t = rng.uniform(0, 1, samples)
    radius, angle = t + 0.2 * labels, 4 * np.pi * t
    points = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    points += rng.normal(0, noise, points.shape)
    return vectors("swissroll_generated", points, mislabel(rng, labels, 2, mislabelled), 2, data_seed)


PEAKS_LEVELS = (-3.3, -0.65, 2.0, 4.7)


def peaks(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return MATLAB's test surface `peaks(x, y)`, in the shape of x and y; -6.55 to 8.11 on [-3, 3]^2."""
    return np.asarray(
        3 * (1 - x) ** 2 * np.exp(-(x**2) - (y + 1) ** 2)
        - 10 * (x / 5 - x**3 - y**5) * np.exp(-(x**2) - y**2)
        - np.exp(-((x + 1) ** 2) - y**2) / 3
    )


@defaults("data/peaks_generated")
def peaks_generated(
    *,
    samples: Count = IN_FILE,
    noise: NonNegative = IN_FILE,
    mislabelled: Fraction = IN_FILE,
    data_seed: Natural = IN_FILE,
) -> Dataset:
    """Generate five level sets of MATLAB's peaks over [-3, 3]^2, modelled on the course's PeaksData.mat.

    Class k holds the points whose height lies between `PEAKS_LEVELS[k - 1]` and `PEAKS_LEVELS[k]`; every class is
    equally large, so the small summits are densely and the plain is thinly sampled, as in the file.

    Args:
        samples: Number of points of all classes together.
        noise: Standard deviation of the Gaussian displacement of each coordinate, added after the class was found.
        mislabelled: Share of the samples whose label is replaced by another.
        data_seed: Seed of the set.

    Returns:
        Data set with features of shape (samples, 2), float32, shuffled; the course's own file is sorted by class.
    """
    rng = np.random.default_rng(data_seed)
    labels = balanced_labels(rng, samples, 5, "peaks_generated")
    points = np.empty((samples, 2))
    for level, count in enumerate(np.bincount(labels, minlength=5)):
        points[labels == level] = _points_on_level(rng, level, int(count))
    points += rng.normal(0, noise, points.shape)
    return vectors("peaks_generated", points, mislabel(rng, labels, 5, mislabelled), 5, data_seed)


def _points_on_level(rng: np.random.Generator, level: int, count: int) -> np.ndarray:
    """Return points, shape (count, 2), uniform over the part of [-3, 3]^2 at this level of peaks, by rejection."""
    found = np.empty((0, 2))
    while len(found) < count:  # the smallest level covers 3% of the square
        candidates = rng.uniform(-3, 3, (16 * count, 2))
        height = np.digitize(peaks(candidates[:, 0], candidates[:, 1]), PEAKS_LEVELS)
        found = np.concatenate([found, candidates[height == level]])
    return found[:count]


def balanced_labels(rng: np.random.Generator, samples: int, classes: int, name: str) -> np.ndarray:
    """Return shuffled labels, shape (samples,), int64, of classes whose sizes differ by one at most.

    Raise ConfigError if there are fewer than two classes or one stays empty.
    """
    if samples < classes or classes < 2:
        raise ConfigError(f"data={name}: samples={samples} and classes={classes}, expected 2 <= classes <= samples.")
    limits.require_samples(name, samples, 2, size=8)
    return rng.permutation(np.arange(samples, dtype=np.int64) % classes)


def mislabel(rng: np.random.Generator, labels: np.ndarray, classes: int, share: float) -> np.ndarray:
    """Return the labels, shape (n,), with `round(share * n)` of them, drawn at random, moved to another class."""
    moved = rng.permutation(len(labels))[: round(share * len(labels))]
    noisy = labels.copy()
    noisy[moved] = (labels[moved] + rng.integers(1, classes, len(moved))) % classes
    return noisy


def vectors(name: str, points: np.ndarray, labels: np.ndarray, classes: int, data_seed: int) -> Dataset:
    """Return a generated `Dataset` of points, shape (n, d), stored as float32, and labels, shape (n,), int64."""
    features = points.astype(np.float32)
    return Dataset(
        name=name,
        features=features,
        labels=labels,
        class_names=tuple(str(label) for label in range(classes)),
        source=f"Generated by labkit ({name}, data_seed={data_seed}).",
        sha256=arrays_sha256(features, labels),
        kind="vector",
    )
