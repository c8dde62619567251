"""SwissRoll, Peaks and GMM, read from the Ben-Gurion course's MATLAB files."""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from pathlib import Path

import numpy as np

from labkit import limits
from labkit.data.checks import check
from labkit.data.dataset import DataError, Dataset
from labkit.data.files import CHUNK, present, readable
from labkit.limits import MOST_UNFOLDED

_HEADER, _COMPRESSED = 128, 15  # bytes before the first element; the type of a compressed one
KEYS = ("Yt", "Ct", "Yv", "Cv")  # points and one-hot classes of the training and of the validation part
SOURCE = "Ben-Gurion University, Deep Learning course, exercise 1"

SHA256 = {
    "SwissRollData.mat": "e8823934dd85ba555ea3e749856c2af343f4f6eb0c663f4f0d08003e233d145e",
    "PeaksData.mat": "96a04daa1c540b5b15ae2ba76bc83c50a330f295cbd840c2481bac8fc6cf5e81",
    "GMMData.mat": "f04b30d6e81db19f0ce81046d64de78b9cca36186cb0b4c6a597c6bce7673787",
}

SIZES = {"SwissRollData.mat": (2, 2), "PeaksData.mat": (2, 5), "GMMData.mat": (5, 5)}  # features, classes


def swissroll(*, root: Path) -> Dataset:
    """Read SwissRoll: 20,000 + 5,000 points of two classes, shape (n, 2), float32; `root/bgu/SwissRollData.mat`.

    The file is stored sorted by class: shuffle before taking batches. Another version of it circulates, with other
    points: it is read too, unverified. Source: the Ben-Gurion course.

    Args:
        root: Data folder.

    Raises:
        DataError: The file is missing, unreadable, or not built as the course's.
    """
    return _load("swissroll", root / "bgu" / "SwissRollData.mat")


def peaks(*, root: Path) -> Dataset:
    """Read Peaks: 25,000 + 6,250 points of five classes, shape (n, 2), float32; `root/bgu/PeaksData.mat`.

    The file is stored sorted by class: shuffle before taking batches. Another version of it circulates, with other
    points: it is read too, unverified. Source: the Ben-Gurion course.

    Args:
        root: Data folder.

    Raises:
        DataError: The file is missing, unreadable, or not built as the course's.
    """
    return _load("peaks", root / "bgu" / "PeaksData.mat")


def gmm(*, root: Path) -> Dataset:
    """Read GMM: 25,000 + 6,250 points of five Gaussian mixtures, shape (n, 5), float32; `root/bgu/GMMData.mat`.

    The file is stored sorted by class: shuffle before taking batches. Another version of it circulates, with other
    points: it is read too, unverified. Source: the Ben-Gurion course.

    Args:
        root: Data folder.

    Raises:
        DataError: The file is missing, unreadable, or not built as the course's.
    """
    return _load("gmm", root / "bgu" / "GMMData.mat")


def read_mat(content: bytes, path: Path) -> dict[str, np.ndarray]:
    """Return the four arrays of a course file: of each part points, (features, n), and one-hot classes, (classes, n).

    Args:
        content: Bytes of the file.
        path: Path named in the error.

    Raises:
        DataError: The file cannot be read by scipy, or an array is missing, no matrix of numbers, or does not fit the
            others.
    """
    from scipy.io import loadmat  # type: ignore[import-untyped,unused-ignore]

    try:
        stored = loadmat(io.BytesIO(content), variable_names=KEYS)
    except Exception as error:  # scipy lets a dozen types through, from IndexError to its own
        raise DataError(
            f"{path}: cannot be read as a .mat file of {len(content)} bytes ({type(error).__name__}: {_first(error)})."
        ) from error
    for key in KEYS:
        if key not in stored:  # scipy returns an empty dict, and no error, for a file cut behind its header
            found = ", ".join(name for name in stored if not name.startswith("__")) or "no array"
            raise DataError(f"{path}: found {found} in {len(content)} bytes, expected the arrays {', '.join(KEYS)}.")
        if stored[key].ndim != 2 or not np.issubdtype(stored[key].dtype, np.number):
            raise DataError(
                f"{path}: {key}: found {stored[key].dtype} {stored[key].shape}, expected a matrix of numbers."
            )
    for points, classes in (KEYS[:2], KEYS[2:]):
        if stored[points].shape[1] != stored[classes].shape[1]:
            raise DataError(
                f"{path}: {classes}: found {stored[classes].shape[1]} columns, "
                f"expected {stored[points].shape[1]} as in {points}, one class per point."
            )
    for train, other in (("Yt", "Yv"), ("Ct", "Cv")):
        if stored[train].shape[0] != stored[other].shape[0]:
            raise DataError(
                f"{path}: {other}: found {stored[other].shape[0]} rows, "
                f"expected {stored[train].shape[0]} as in {train}."
            )
    return {key: stored[key] for key in KEYS}


def _first(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".") if str(error) else "no reason given"


def _check_unfolded(content: bytes, path: Path) -> None:
    """Raise DataError where the compressed elements of a file of version 5 unfold to more than a gibibyte."""
    at, total = _HEADER, 0
    while at + 8 <= len(content):
        kind, size = struct.unpack_from("<II", content, at)
        packed, unpacker = content[at + 8 : at + 8 + size], zlib.decompressobj()
        at += 8 + size
        while kind == _COMPRESSED and packed and total <= MOST_UNFOLDED:
            try:
                total += len(unpacker.decompress(packed, CHUNK))
            except zlib.error:
                break  # scipy says what is wrong with it
            packed = unpacker.unconsumed_tail
        if total > MOST_UNFOLDED:
            raise DataError(f"{path}: unfolds to more than {MOST_UNFOLDED >> 20:,} MiB, expected a file of the course.")


def _load(name: str, path: Path) -> Dataset:
    present(path, f"the course's file (sha256 {SHA256[path.name]})")
    with readable(path):
        limits.require(2 * path.stat().st_size, str(path))
        content = path.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    verified = sha256 == SHA256[path.name]
    if not verified:
        _check_unfolded(content, path)
    arrays = read_mat(content, path)
    one_hot = np.concatenate([arrays["Ct"], arrays["Cv"]], axis=1)  # (classes, n)
    if not verified:
        _check_sizes(path, len(arrays["Yt"]), len(one_hot))
    if not (np.isin(one_hot, (0, 1)).all() and (one_hot.sum(axis=0) == 1).all()):
        raise DataError(f"{path}: found classes that are not one-hot, expected one 1 in every column of Ct and Cv.")
    points = np.concatenate([arrays["Yt"], arrays["Yv"]], axis=1)
    n_train, n = arrays["Yt"].shape[1], points.shape[1]
    other = (
        f"{path.name} is another version of the course's file ({n_train:,} + {n - n_train:,} points, sha256 "
        f"{sha256[:8]}...): its numbers do not compare with those of the published one"
    )
    return check(
        Dataset(
            name=name,
            features=np.ascontiguousarray(points.T, dtype=np.float32),
            labels=one_hot.argmax(axis=0).astype(np.int64),
            class_names=tuple(str(label) for label in range(len(one_hot))),
            source=f"{SOURCE}, {path.name}",
            sha256=sha256,
            kind="vector",
            splits={"train": np.arange(n_train), "test": np.arange(n_train, n)},
            verified=verified,
            notes=() if verified else (other,),
        )
    )


def _check_sizes(path: Path, features: int, classes: int) -> None:
    """Raise DataError for a file that cannot be a version of the course's."""
    if (features, classes) != SIZES[path.name]:
        wanted = "{} features and {} classes".format(*SIZES[path.name])
        raise DataError(
            f"{path}: found {features} features and {classes} classes (rows of Yt and Ct), expected {wanted}, as in "
            "every version of the course's file."
        )
