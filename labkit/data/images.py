"""A user's own pictures: one folder per class."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Literal

import numpy as np

from labkit.config import Count
from labkit.data.checks import check
from labkit.data.dataset import DataError, Dataset
from labkit.data.files import combined_sha256, present, readable

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")


def images(*, root: Path, folder: Path = Path("images"), size: Count = 32, channels: Literal[1, 3] = 3) -> Dataset:
    """A user's own pictures, `(n, channels, size, size)` uint8; `<folder>/<class>/*.png|jpg|jpeg|bmp`.

    Every picture is turned as its camera says, converted to grey or RGB and resized (bilinear) to a square; other
    files and hidden ones are left alone.

    Args:
        root: the data folder.
        folder: where the folders of the classes are, from `root` (or absolute).
        size: height and width in pixels.
        channels: 1 for grey, 3 for red, green and blue.

    Raises:
        DataError: no folder, a class without a picture, or a file that cannot be decoded.
    """
    top = present(root / folder.expanduser(), "one folder of pictures per class (key data.folder)")
    with readable(top):
        classes = sorted(path for path in top.iterdir() if path.is_dir() and not path.name.startswith("."))
        files = [(label, path) for label, each in enumerate(classes) for path in _pictures(each)]
    features = np.empty((len(files), channels, size, size), dtype=np.uint8)
    digests = []
    for row, (_, path) in enumerate(files):
        with readable(path):
            content = path.read_bytes()
        features[row] = decode(content, path, size, channels)
        digests.append((f"{path.parent.name}/{path.name}", hashlib.sha256(content).hexdigest()))
    return check(
        Dataset(
            name="images",
            features=features,
            labels=np.array([label for label, _ in files], dtype=np.int64),
            class_names=tuple(path.name for path in classes),
            source=f"the pictures in {top.name}, {channels} x {size} x {size}",
            sha256=combined_sha256(digests),
            kind="image",
        )
    )


def decode(content: bytes, path: Path, size: int, channels: int) -> np.ndarray:
    """One picture as `(channels, size, size)` uint8.

    Args:
        content: the file's bytes.
        path: for the error.
        size: height and width in pixels.
        channels: 1 or 3.

    Raises:
        DataError: Pillow cannot decode it.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(content), formats=("PNG", "JPEG", "BMP")) as picture:
            upright = ImageOps.exif_transpose(picture).convert("L" if channels == 1 else "RGB")
            pixels = np.asarray(upright.resize((size, size), Image.Resampling.BILINEAR))
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error and more
        raise DataError(
            f"{path}: cannot be decoded ({type(error).__name__}), expected a whole PNG, JPEG or BMP picture."
        ) from error
    return pixels.reshape(size, size, channels).transpose(2, 0, 1)


def _pictures(folder: Path) -> list[Path]:
    """The class's pictures by name; an error where there is none."""
    found = sorted(
        path
        for path in folder.iterdir()
        if path.is_file() and path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    )
    if not found:
        raise DataError(f"{folder}: found no picture of this class, expected files ending in {', '.join(SUFFIXES)}.")
    return found
