"""scikit-learn's handwritten digits, read without importing scikit-learn (its import alone takes over a second)."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import warnings
import zlib
from pathlib import Path

import numpy as np

from labkit.data.dataset import DataError, Dataset

SAMPLES, SIDE, INK = 1797, 8, 16
DIGIT_NAMES = tuple(str(digit) for digit in range(10))


def digits() -> Dataset:
    """Read 1797 grey images of 8x8 pixels in 10 classes, shipped inside scikit-learn (no download).

    The file holds intensities 0..16. They are stored as `round(value * 255 / 16)` in uint8, so that an image means
    the same here as in every other set: 255 is full ink and `scale` divides by 255. The seventeen levels stay
    distinct; no information is lost.

    Returns:
        Data set with features of shape (1797, 1, 8, 8), uint8, and no published parts.

    Raises:
        DataError: The package scikit-learn or its file is missing, or the file holds something else.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits (UCI, 1998), the test part.
    """
    images, labels, sha256 = read_digits(digits_file())
    return Dataset(
        name="digits",
        features=np.rint(images[:, None] * (255 / INK)).astype(np.uint8),
        labels=labels,
        class_names=DIGIT_NAMES,
        source="scikit-learn's copy of UCI's Optical Recognition of Handwritten Digits, test part (1797 images).",
        sha256=sha256,
        kind="image",
    )


def digits_file() -> Path:
    """Return the path of scikit-learn's digits; raise DataError if scikit-learn is not installed."""
    package = importlib.util.find_spec("sklearn")  # finds the folder of a top-level package without importing it
    if package is None or not package.submodule_search_locations:
        raise DataError("data=digits: scikit-learn is not installed, and its package holds the images.")
    return Path(package.submodule_search_locations[0]) / "datasets" / "data" / "digits.csv.gz"


def read_digits(path: Path) -> tuple[np.ndarray, np.ndarray, str]:
    """Return images, shape (1797, 8, 8), uint8, 0..16; labels, shape (1797,), int64; and the SHA-256 of the file.

    Raises:
        DataError: The file cannot be read, or holds something else.
    """
    try:
        raw = path.read_bytes()
        text = gzip.decompress(raw)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: expected scikit-learn's gzipped digits, cannot read it ({error}).") from error
    table = _parse(path, text)
    images, labels = table[:, :-1].reshape(SAMPLES, SIDE, SIDE), table[:, -1].astype(np.int64)
    if images.max() > INK or labels.max() >= len(DIGIT_NAMES):
        found = f"an intensity of {images.max()} and a label of {labels.max()}"
        raise DataError(f"{path}: found {found}, expected at most {INK} and {len(DIGIT_NAMES) - 1}.")
    return images, labels, hashlib.sha256(raw).hexdigest()


def _parse(path: Path, text: bytes) -> np.ndarray:
    """Return rows of comma-separated integers as an array, shape (1797, 65), uint8; raise DataError for other text."""
    columns = SIDE * SIDE + 1
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # numpy warns, and stops, at the first character that is no number
            values = np.fromstring(text.strip().replace(b"\n", b","), dtype=np.uint8, sep=",")
    except (ValueError, DeprecationWarning) as error:
        raise DataError(f"{path}: expected comma-separated integers 0..255 ({error}).") from error
    if values.size != SAMPLES * columns:
        raise DataError(f"{path}: {values.size} numbers found, {SAMPLES} rows of {columns} expected.")
    return values.reshape(SAMPLES, columns)
