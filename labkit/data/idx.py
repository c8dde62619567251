"""MNIST and Fashion-MNIST, read from the idx format, plain or gzipped."""

from __future__ import annotations

import gzip
import hashlib
import math
import struct
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np

from labkit import limits
from labkit.config import Natural
from labkit.data.checks import check, check_labels
from labkit.data.dataset import DataError, Dataset
from labkit.data.download import Published, fetch, verify
from labkit.data.files import Digest, Stream, combined_sha256, ended, fill, plain, readable
from labkit.shipped import IN_FILE, defaults

UNSIGNED_BYTE = 0x08
DEFLATE_LIMIT = 1032  # one compressed byte cannot stand for more (RFC 1951)

MNIST_CLASSES = tuple("0123456789")
FASHION_CLASSES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)

# The order of reading: images, then labels; train, then test.
NAMES = (
    "train-images-idx3-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)


def _published(base: str, md5s: Sequence[str]) -> tuple[Published, ...]:
    return tuple(Published(base, name, md5) for name, md5 in zip(NAMES, md5s, strict=True))


MNIST = _published(
    "https://ossci-datasets.s3.amazonaws.com/mnist",
    [
        "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "9fb629c4189551a2d022fa330f9573f3",
        "d53e105ee54ea40749a09fcbcd1e9432",
        "ec29112dd5afa0611ce80d1b7f02629c",
    ],
)
FASHION_MNIST = _published(
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
    [
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "bef4ecab320f06d8554ea6380940ec79",
        "25c81989df183df01b3e8a0aad5dffbe",
        "bb300cfdad3c16e7a12a480ee83cd310",
    ],
)


@defaults("data/mnist")
def mnist(*, root: Path, held_out: Natural = 0, download: bool = IN_FILE, mirror: str | None = None) -> Dataset:
    """Read MNIST: 60,000 + 10,000 handwritten digits, shape (n, 1, 28, 28), uint8; files in `root/mnist`.

    Source: LeCun, Cortes and Burges (1998), yann.lecun.com/exdb/mnist.

    Args:
        root: Data folder.
        held_out: Number of training images, the last ones, that form the validation part; 0 to draw that part.
        download: True to fetch missing files from the publisher.
        mirror: Base address, instead of the publisher's, that holds the same files.

    Raises:
        DataError: A file is missing, damaged or not the published one, or nothing would be left to train on.
    """
    source = "MNIST, LeCun, Cortes and Burges 1998, yann.lecun.com/exdb/mnist"
    whole = _load("mnist", MNIST, MNIST_CLASSES, source, root / "mnist", download, mirror)
    if not held_out:
        return whole
    train = whole.splits["train"]
    if held_out >= len(train):
        raise DataError(f"data.held_out: expected fewer than the {len(train)} training images, got {held_out}.")
    parts = {"train": train[:-held_out], "validation": train[-held_out:], "test": whole.splits["test"]}
    return check(replace(whole, splits=parts))


@defaults("data/fashion_mnist")
def fashion_mnist(*, root: Path, download: bool = IN_FILE, mirror: str | None = None) -> Dataset:
    """Read Fashion-MNIST: 60,000 + 10,000 pictures of clothes, shape (n, 1, 28, 28), uint8.

    The files lie in `root/fashion_mnist`.

    Source: Xiao, Rasul and Vollgraf (2017), arXiv 1708.07747.

    Args:
        root: Data folder.
        download: True to fetch missing files from the publisher.
        mirror: Base address, instead of the publisher's, that holds the same files.

    Raises:
        DataError: A file is missing, damaged or not the published one.
    """
    source = "Fashion-MNIST, Xiao, Rasul and Vollgraf 2017, arXiv 1708.07747"
    return _load("fashion_mnist", FASHION_MNIST, FASHION_CLASSES, source, root / "fashion_mnist", download, mirror)


def read_idx(paths: Sequence[Path], axes: int) -> tuple[np.ndarray, list[int], list[str]]:
    """Read several idx files of unsigned bytes into one array, one behind the other.

    Args:
        paths: Paths of the files; those that end in `.gz` are unpacked while reading.
        axes: Number of axes that each must have; all axes but the first must agree.

    Returns:
        Samples of all files, shape (n, ...), uint8; the number of samples of each file; the SHA-256 of each content.

    Raises:
        DataError: A file is no idx file of unsigned bytes with `axes` axes, is truncated or too long, or shapes differ.
    """
    # All headers first: they give the size of the one array that every file is then read into.
    with ExitStack() as stack:
        streams, digests, shapes = [], [hashlib.sha256() for _ in paths], []
        for path, digest in zip(paths, digests, strict=True):
            stack.enter_context(readable(path))
            plain(path)
            opened = gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # noqa: SIM115 - the stack closes it
            stream = cast(Stream, stack.enter_context(opened))
            streams.append(stream)
            with readable(path):
                shapes.append(_header(stream, path, axes, digest))
            if shapes[-1][1:] != shapes[0][1:]:
                raise DataError(f"{path}: found samples of shape {shapes[-1][1:]}, expected {shapes[0][1:]}.")
        counts = [shape[0] for shape in shapes]
        limits.require(sum(map(math.prod, shapes)), str(paths[0]))
        array = np.empty((sum(counts), *shapes[0][1:]), dtype=np.uint8)
        start = 0
        for path, stream, digest, count in zip(paths, streams, digests, counts, strict=True):
            part, offset = array[start : start + count], 4 + 4 * axes
            with readable(path):
                fill(stream, part, digest, path, offset)
                ended(stream, path, offset + part.nbytes)
            start += count
    return array, counts, [digest.hexdigest() for digest in digests]


def _header(stream: Stream, path: Path, axes: int, digest: Digest) -> tuple[int, ...]:
    """Return the shape in the header: magic `00 00 type axes`, then one big-endian int32 per axis.

    Raise DataError for another magic, or for a shape that the file is too small to hold.
    """
    magic = np.empty(4, dtype=np.uint8)
    fill(stream, magic, digest, path, 0)
    expected = bytes((0, 0, UNSIGNED_BYTE, axes))
    if magic.tobytes() != expected:
        raise DataError(f"{path}: byte 0: found magic {magic.tobytes().hex()}, expected {expected.hex()}.")
    sizes = np.empty(4 * axes, dtype=np.uint8)
    fill(stream, sizes, digest, path, 4)
    shape = struct.unpack(f">{axes}I", sizes.tobytes())
    limit = path.stat().st_size * (DEFLATE_LIMIT if path.suffix == ".gz" else 1)
    claimed = int(np.prod(shape, dtype=object))
    if claimed > limit:  # before memory is allocated: a damaged header can claim terabytes
        raise DataError(f"{path}: byte 4: found the shape {shape} of {claimed} bytes, expected at most {limit} bytes.")
    return shape


def _load(
    name: str,
    published: tuple[Published, ...],
    class_names: tuple[str, ...],
    source: str,
    folder: Path,
    download: bool,
    mirror: str | None,
) -> Dataset:
    paths = [_locate(file, folder, download, mirror) for file in published]
    images, counts, image_digests = read_idx(paths[:2], axes=3)
    labels, label_counts, label_digests = read_idx(paths[2:], axes=1)
    for path, found, expected in zip(paths[2:], label_counts, counts, strict=True):
        if found != expected:
            raise DataError(f"{path}: found {found} labels, expected {expected}, one per image.")
    verified = True
    # After reading, because a message about the damage says more than a wrong checksum.
    for file, path in zip(published, paths, strict=True):
        if path.name == file.name:
            verify(path, file.md5)
        else:
            verified = False  # the published checksum is of the published file
    n_train = counts[0]
    for path, part in zip(paths[2:], (labels[:n_train], labels[n_train:]), strict=True):
        check_labels(part, len(class_names), str(path), first=8, step=1)
    return check(
        Dataset(
            name=name,
            features=images[:, None],
            labels=labels.astype(np.int64),
            class_names=class_names,
            source=source,
            sha256=combined_sha256(zip(NAMES, image_digests + label_digests, strict=True)),
            kind="image",
            splits={"train": np.arange(n_train), "test": np.arange(n_train, len(labels))},
            verified=verified,
        )
    )


def _locate(file: Published, folder: Path, download: bool, mirror: str | None) -> Path:
    """Return the path of the published file, or of an unpacked one; fetch the published one if neither is there.

    Some unpackers write `train-images.idx3-ubyte`, or a folder of the file's name with the file in it.
    """
    if (folder / file.name).exists():
        return folder / file.name
    plain = file.name.removesuffix(".gz")
    dotted = plain.replace("-idx", ".idx")
    for name in (plain, dotted, f"{dotted}.gz", f"{plain}/{plain}", f"{dotted}/{dotted}", f"{plain}/{dotted}"):
        if (folder / name).is_file():
            return folder / name
    return fetch(file, folder, download=download, mirror=mirror)
