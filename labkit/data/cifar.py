"""CIFAR-10 and CIFAR-100, read from the published tar.gz of the binary version or from its extracted folder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import numpy as np

from labkit.data.archive import read_members
from labkit.data.checks import check, check_labels
from labkit.data.cifar_names import CIFAR10, CIFAR100_COARSE, CIFAR100_FINE
from labkit.data.dataset import DataError, Dataset
from labkit.data.download import Published, fetch, verify
from labkit.data.files import Stream, combined_sha256, ended, fill, present, readable
from labkit.shipped import IN_FILE, defaults

PIXELS = 3 * 32 * 32
RECORDS = 512  # records read together, 1.5 MB: the only memory besides the result
BASE = "https://www.cs.toronto.edu/~kriz"

Cifar10Split = Literal["published", "kth", "batch_1", "batch_2", "batch_3", "batch_4", "batch_5"]


@dataclass(frozen=True)
class ArchiveLayout:
    """The way in which one of the two sets is stored.

    Attributes:
        archive: Published archive.
        folder: Name of the folder inside it.
        records: Number of records of each file; a record is the label bytes, then three planes of 32 x 32 bytes.
        label_bytes: Number of label bytes in a record.
    """

    archive: Published
    folder: str
    records: Mapping[str, int]
    label_bytes: int


LAYOUT10 = ArchiveLayout(
    Published(BASE, "cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530"),
    "cifar-10-batches-bin",
    {**{f"data_batch_{i}.bin": 10_000 for i in range(1, 6)}, "test_batch.bin": 10_000},
    label_bytes=1,
)
LAYOUT100 = ArchiveLayout(
    Published(BASE, "cifar-100-binary.tar.gz", "03b5dce01913d631647c71ecec9e9cb8"),
    "cifar-100-binary",
    {"train.bin": 50_000, "test.bin": 10_000},
    label_bytes=2,
)


@defaults("data/cifar10")
def cifar10(
    *, root: Path, split: Cifar10Split = IN_FILE, download: bool = IN_FILE, mirror: str | None = None
) -> Dataset:
    """Read CIFAR-10: 60,000 colour pictures of ten classes, shape (n, 3, 32, 32), uint8.

    Source: Krizhevsky (2009), www.cs.toronto.edu/~kriz/cifar.html; read from `root/cifar-10-binary.tar.gz` (checked
    against its published md5) or `root/cifar-10-batches-bin` (checked for structure, hashed, unverified).

    Args:
        root: Data folder.
        split: Choice of parts: `published` trains on batches 1 to 5; `kth` trains on batch 1 and validates on batch 2,
            as the course's exercises do; `batch_<i>` trains on one batch alone. The test part is always test_batch.
            Files that are in no part are not read.
        download: True to fetch the archive when neither it nor the folder is there.
        mirror: Base address, instead of the publisher's, that holds the same archive.

    Raises:
        DataError: A file is missing, damaged or not the published one.
    """
    batches = [f"data_batch_{i}.bin" for i in range(1, 6)]
    parts = {"train": batches, "test": ["test_batch.bin"]}
    if split == "kth":
        parts = {"train": batches[:1], "validation": batches[1:2], "test": ["test_batch.bin"]}
    elif split != "published":
        parts["train"] = [f"data_{split}.bin"]
    return _load("cifar10", LAYOUT10, parts, 0, CIFAR10, root, download, mirror)


@defaults("data/cifar100")
def cifar100(
    *, root: Path, labels: Literal["fine", "coarse"] = IN_FILE, download: bool = IN_FILE, mirror: str | None = None
) -> Dataset:
    """Read CIFAR-100: 50,000 + 10,000 colour pictures of 100 classes in 20 groups, shape (n, 3, 32, 32), uint8.

    Source: Krizhevsky (2009), www.cs.toronto.edu/~kriz/cifar.html; read from `root/cifar-100-binary.tar.gz` (checked
    against its published md5) or `root/cifar-100-binary` (checked for structure, hashed, unverified).

    Args:
        root: Data folder.
        labels: Choice of classes: `fine` for the 100 classes, `coarse` for the 20 groups.
        download: True to fetch the archive when neither it nor the folder is there.
        mirror: Base address, instead of the publisher's, that holds the same archive.

    Raises:
        DataError: A file is missing, damaged or not the published one.
    """
    column, names = (1, CIFAR100_FINE) if labels == "fine" else (0, CIFAR100_COARSE)
    parts = {"train": ["train.bin"], "test": ["test.bin"]}
    return _load("cifar100", LAYOUT100, parts, column, names, root, download, mirror)


def _load(
    name: str,
    layout: ArchiveLayout,
    parts: Mapping[str, list[str]],
    column: int,
    class_names: tuple[str, ...],
    root: Path,
    download: bool,
    mirror: str | None,
) -> Dataset:
    rows = _rows(layout, parts)
    n = max(stop for _, stop in rows.values())
    features, labels = np.empty((n, PIXELS), dtype=np.uint8), np.empty((n, layout.label_bytes), dtype=np.uint8)
    archive = _locate(layout, root, download, mirror)
    digests: dict[str, str] = {}

    def read(file: str, place: str, stream: Stream) -> None:
        start, stop = rows[file]
        digests[file] = _read_records(stream, place, features[start:stop], labels[start:stop])

    _read_files(layout, root, archive, rows, read)
    if archive is not None:
        # After reading, because a message about the damage says more than a wrong checksum.
        verify(archive, layout.archive.md5)
    size, folder = layout.label_bytes + PIXELS, archive or root / layout.folder
    for file, (start, stop) in rows.items():
        check_labels(labels[start:stop, column], len(class_names), f"{folder}/{file}", first=column, step=size)
    state = "published archive" if archive else "extracted folder, unverified"
    return check(
        Dataset(
            name=name,
            features=features.reshape(n, 3, 32, 32),
            labels=labels[:, column].astype(np.int64),
            class_names=class_names,
            source=f"CIFAR, Krizhevsky 2009, www.cs.toronto.edu/~kriz/cifar.html ({state})",
            sha256=combined_sha256((file, digests[file]) for file in rows),
            kind="image",
            splits={part: np.concatenate([np.arange(*rows[file]) for file in files]) for part, files in parts.items()},
            verified=archive is not None,
        )
    )


def _rows(layout: ArchiveLayout, parts: Mapping[str, list[str]]) -> dict[str, tuple[int, int]]:
    """Return the first row of each file, and the row behind its last, in the arrays of all parts."""
    rows, start = {}, 0
    for file in (file for files in parts.values() for file in files):
        rows[file] = (start, start + layout.records[file])
        start += layout.records[file]
    return rows


def _locate(layout: ArchiveLayout, root: Path, download: bool, mirror: str | None) -> Path | None:
    """Return the archive, which is preferred because it can be verified, or None to read the folder."""
    if not (root / layout.archive.name).exists() and (root / layout.folder).is_dir():
        return None
    return fetch(layout.archive, root, download=download, mirror=mirror)


def _read_files(
    layout: ArchiveLayout,
    root: Path,
    archive: Path | None,
    files: Collection[str],
    read: Callable[[str, str, Stream], None],
) -> None:
    """Call `read(file, its place for an error, its open stream)` for each file."""
    if archive is not None:
        wanted = {f"{layout.folder}/{file}": file for file in files}
        read_members(
            archive, wanted, lambda name, stream: read(wanted[name], f"{archive}/{name}", cast(Stream, stream))
        )
        return
    for file in files:
        path = present(root / layout.folder / file, f"the file from {layout.archive.name}")
        size, expected = path.stat().st_size, layout.records[file] * (layout.label_bytes + PIXELS)
        if size != expected:
            raise DataError(f"{path}: ends at byte {size}, expected {expected} bytes ({layout.records[file]} records).")
        with readable(path), path.open("rb", buffering=0) as raw:
            read(file, str(path), raw)


def _read_records(stream: Stream, place: str, features: np.ndarray, labels: np.ndarray) -> str:
    """Fill features, shape (n, 3072), and labels, shape (n, label_bytes); return the SHA-256 of the file."""
    width = labels.shape[1]
    buffer, digest = np.empty((RECORDS, width + PIXELS), dtype=np.uint8), hashlib.sha256()
    for start in range(0, len(features), RECORDS):
        records = buffer[: len(features) - start]
        fill(stream, records, digest, place, start * buffer.shape[1])
        labels[start : start + RECORDS] = records[:, :width]
        features[start : start + RECORDS] = records[:, width:]
    ended(stream, place, len(features) * buffer.shape[1])
    return digest.hexdigest()
