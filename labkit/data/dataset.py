"""`Dataset`: one labelled set in memory, as its publisher stored it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from labkit.config import ConfigError


class DataError(ConfigError):
    """A data file or array is not what it should be: names the file, the place, what was found and expected."""


class MissingFileError(DataError):
    """A file that has to be put where it is expected, or that could not be downloaded."""


@dataclass(frozen=True)
class Dataset:
    """One labelled set in memory.

    Attributes:
        name: the option of the `data` group.
        features: as stored. Images `(n, channels, height, width)` uint8, vectors `(n, features)` float32,
            sounds `(n, 1, samples)` int16, texts `(n, length)` uint8 token ids padded with 0.
        labels: `(n,)` int64 in `0 .. len(class_names) - 1`.
        class_names: one name per label.
        splits: the publisher's parts, if any: indices `(n_part,)` int64 under `train`, `test` and perhaps
            `validation`; parts are disjoint.
        source: one sentence: where it comes from.
        sha256: of the files read, or of the generated arrays; where reading joined classes or left samples out, of
            that too: results on both are results on different data.
        verified: whether the published checksum was met.
        kind: what one sample is.
        lengths: `(n,)` int64, the true length of each text; None elsewhere.
        vocabulary: the token of each id of a text; empty elsewhere.
        notes: one sentence, without its full stop, for each thing about the reading that a user should know: what was
            left out, joined or laid on a ground.
    """

    name: str
    features: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    source: str
    sha256: str
    kind: Literal["vector", "image", "sound", "text"]
    splits: Mapping[str, np.ndarray] = field(default_factory=dict)
    verified: bool = False
    lengths: np.ndarray | None = None
    vocabulary: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def arrays_sha256(*arrays: np.ndarray) -> str:
    """SHA-256 of the arrays' dtypes, shapes and bytes, in order."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def listed(names: Iterable[str], most: int = 10) -> str:
    """`a, b, c and 12 more`: names for a sentence, each of at most 40 characters."""
    short = [name if len(name) <= 40 else f"{name[:37]}..." for name in names]
    return ", ".join(short[:most]) + (f" and {len(short) - most:,} more" if len(short) > most else "")
