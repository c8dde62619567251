"""Real files under $LABKIT_DATA to arrays, read and normalised as a user with numpy would."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.sweeps.start import Start
from benchmarks.sweeps.work import Work


@dataclass(frozen=True)
class Part:
    """Features `(n, *shape)` float32 and labels `(n,)` int64."""

    features: np.ndarray
    labels: np.ndarray


def load(work: Work, start: Start) -> tuple[Part, Part]:
    """The training and the validation part; images are flattened where the network begins with a linear layer."""
    features, labels = _READERS[work.data](Path(os.environ["LABKIT_DATA"]))
    train, validation = (_floats(features[rows]) for rows in (start.train, start.validation))
    if work.normalise:
        mean = train.mean(0, dtype=np.float64).astype(np.float32)
        train -= mean
        deviation = np.sqrt(np.square(train).mean(0, dtype=np.float64)).astype(np.float32)
        deviation[deviation < 1e-8] = 1
        train /= deviation
        validation = (validation - mean) / deviation
    if not work.channels:
        train, validation = train.reshape(len(train), -1), validation.reshape(len(validation), -1)
    return Part(train, labels[start.train]), Part(validation, labels[start.validation])


def _floats(features: np.ndarray) -> np.ndarray:
    if features.dtype != np.uint8:
        return features
    floats = features.astype(np.float32)
    floats /= 255
    return floats


def _cifar10(root: Path) -> tuple[np.ndarray, np.ndarray]:
    files = [root / "cifar-10-batches-bin" / f"data_batch_{i}.bin" for i in range(1, 6)]
    records = np.concatenate([np.fromfile(file, np.uint8).reshape(-1, 3073) for file in files])
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0].astype(np.int64)


def _mnist(root: Path) -> tuple[np.ndarray, np.ndarray]:
    def content(name: str, header: int) -> np.ndarray:
        return np.frombuffer(gzip.decompress((root / "mnist" / f"{name}-ubyte.gz").read_bytes()), np.uint8)[header:]

    images, labels = content("train-images-idx3", 16), content("train-labels-idx1", 8)
    return images.reshape(-1, 1, 28, 28), labels.astype(np.int64)


def _peaks(root: Path) -> tuple[np.ndarray, np.ndarray]:
    from scipy.io import loadmat

    stored = loadmat(root / "bgu" / "PeaksData.mat")
    return np.ascontiguousarray(stored["Yt"].T, dtype=np.float32), stored["Ct"].argmax(0)


_READERS: dict[str, Callable[[Path], tuple[np.ndarray, np.ndarray]]] = {
    "cifar10": _cifar10,
    "mnist": _mnist,
    "peaks": _peaks,
}
