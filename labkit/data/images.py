"""The user's own pictures: one folder per class."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from shlex import quote
from typing import Literal

import numpy as np

from labkit.config import ConfigError, Count, nearest
from labkit.data.checks import check
from labkit.data.dataset import DataError, Dataset, listed
from labkit.data.files import combined_sha256, present, readable
from labkit.data.picture import decode, endings
from labkit.shipped import IN_FILE, defaults


@defaults("data/images")
def images(
    *,
    root: Path,
    folder: Path = IN_FILE,
    size: Count = IN_FILE,
    channels: Literal[1, 3] = IN_FILE,
    background: str = IN_FILE,
) -> Dataset:
    """Read the user's own pictures, `<folder>/<class>/...`: shape (n, channels, size, size), uint8.

    Every picture, in any usual format, is turned upright as its camera recorded, converted to grey or RGB
    (`labkit.data.picture` has the table) and resized (bilinear) to a square. Pictures in folders below their class's
    are read, too. Other files are left out and counted in the notes; hidden files and folders (`.name`) are ignored.

    Args:
        root: Data folder.
        folder: Path of the folder that holds the folders of the classes, from `root` (or absolute).
        size: Height and width in pixels.
        channels: Number of channels: 1 for grey, 3 for red, green and blue.
        background: Colour behind transparent parts: a name or `#rrggbb`.

    Raises:
        DataError: There is no folder, a class has no picture or all of them one level deeper, or a file cannot be
            decoded.
        ConfigError: `background` is no colour.
    """
    colour(background)  # before a file is read
    top = present(root / Path(folder).expanduser(), "one folder of pictures per class (key data.folder)")
    with readable(top):
        classes, loose = _inside(top)
        found = {each: _below(each) for each in classes}
    if loose and not classes:
        raise DataError(f"{top}: found {len(loose):,} files and no folder, expected one folder of pictures per class.")
    _refuse_misplaced({each: (own, len(rest)) for each, (own, rest) in found.items()})
    pictures = [path for own, _ in found.values() for path in own]
    labels = np.repeat(np.arange(len(classes)), [len(own) for own, _ in found.values()])
    features, sha256, told = _decoded(top, pictures, size, channels, background)
    deeper = sum(path.parent != classes[label] for path, label in zip(pictures, labels, strict=True))
    return check(
        Dataset(
            name="images",
            features=features,
            labels=labels.astype(np.int64),
            class_names=tuple(path.name for path in classes),
            source=f"the pictures in {top.name}, {channels} x {size} x {size}",
            sha256=sha256,
            kind="image",
            notes=(
                *_left_out([path for _, rest in found.values() for path in rest], "no pictures"),
                *_left_out(loose, "in no class's folder"),
                *_counted(deeper, len(pictures), "lie in folders below their class's and are read as that class"),
                *told,
            ),
        )
    )


def _decoded(
    top: Path, pictures: list[Path], size: int, channels: int, background: str
) -> tuple[np.ndarray, str, list[str]]:
    """Return pixels, shape (n, channels, size, size), uint8; the SHA-256 of all files; and sentences about them."""
    ground, n = colour(background), len(pictures)
    features = np.empty((n, channels, size, size), dtype=np.uint8)
    digests, transparent, several = [], 0, 0
    for row, path in enumerate(pictures):
        with readable(path):
            content = path.read_bytes()
        picture = decode(content, path, size, channels, ground)
        features[row] = picture.pixels
        transparent, several = transparent + picture.transparent, several + (picture.frames > 1)
        digests.append((path.relative_to(top).as_posix(), hashlib.sha256(content).hexdigest()))
    told = _counted(several, n, "have several frames or pages: the first of each is read")
    told += _counted(transparent, n, f"have transparent parts, laid on data.background={background}")
    return features, combined_sha256(digests), told


def colour(name: str) -> tuple[int, int, int]:
    """Return red, green and blue, 0 to 255, of a colour's name or `#rrggbb`; raise ConfigError for anything else."""
    from PIL import ImageColor

    try:
        red, green, blue, *opacity = ImageColor.getrgb(name)
    except ValueError:
        opacity = [0]
    if opacity:
        usual = ("white", "black", "grey", "red", "green", "blue")
        raise ConfigError(
            f"data.background: expected a colour such as white or '#ffffff', got {name!r}: {nearest(name, usual)}"
        )
    return red, green, blue


def _inside(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the folders and the files of a folder, each sorted, without the hidden ones."""
    shown = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    return [path for path in shown if path.is_dir()], [path for path in shown if path.is_file()]


def _below(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the pictures in a class's folder and below, and the other files there, each sorted."""
    files = sorted(_files(folder))
    known = endings()
    return (
        [path for path in files if path.suffix.lower() in known],
        [path for path in files if path.suffix.lower() not in known],
    )


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(place, name) for name in names if not name.startswith("."))


def _refuse_misplaced(found: Mapping[Path, tuple[list[Path], int]]) -> None:
    """Raise DataError for a class without a picture, or with all its pictures in folders below its own.

    Args:
        found: Pictures, and number of other files, of each class's folder.
    """
    for folder, (pictures, others) in found.items():
        if not pictures:
            among = f" among {others:,} files" if others else ""
            raise DataError(
                f"{folder}: found no picture of this class{among}, expected files ending in {listed(endings(), 12)}."
            )
    deeper = [folder for folder, (own, _) in found.items() if all(path.parent != folder for path in own)]
    if deeper:
        folder = next((each for each in deeper if each.name.casefold().startswith("train")), deeper[0])
        below = dict.fromkeys(path.relative_to(folder).parts[0] for path in found[folder][0])
        raise DataError(
            f"{folder}: found its {len(found[folder][0]):,} pictures one level deeper, in {listed(below, 5)}: if those "
            f"are the classes, say {quote(f'data.folder={folder}')}; if {folder.name!r} is one, move its pictures up."
        )


def _left_out(files: list[Path], why: str) -> list[str]:
    """Return a sentence about files that were left out, counted by ending, if there are any."""
    if not files:
        return []
    kinds = Counter(path.suffix.lower() or "no ending" for path in files)
    told = listed([f"{count:,} {ending}" for ending, count in kinds.most_common()])
    return [f"left out {len(files):,} file{'s' * (len(files) > 1)}: {why} ({told})"]


def _counted(count: int, of: int, what: str) -> list[str]:
    return [f"{count:,} of {of:,} pictures {what}"] if count else []
