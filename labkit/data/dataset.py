"""`Dataset`: one labelled set in memory, as its publisher stored it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from labkit.config import ConfigError


class DataError(ConfigError):
    """A fault in a data file or array; its sentence says file, place, what was found and what was expected."""


class MissingFileError(DataError):
    """A file that is not where it should be and could not be downloaded."""


@dataclass(frozen=True)
class Dataset:
    """One labelled set in memory.

    Attributes:
        name: Option of the group `data`.
        features: Features as stored. Images have shape (n, channels, height, width), uint8; vectors (n, features),
            float32; sounds (n, 1, samples), int16; texts (n, length), uint8 token ids padded with 0.
        labels: Labels in `0 .. len(class_names) - 1`, shape (n,), int64.
        class_names: Name of each class.
        source: Sentence about the origin of the set.
        sha256: Checksum of the files read, or of the generated arrays. It covers classes that were joined and samples
            that were left out, too: results with and without them are results on different data.
        kind: Kind of one sample.
        splits: Parts that the publisher ships: positions of samples, shape (n_part,), int64, under `train`, `test` and
            perhaps `validation`. Parts are disjoint. Empty without published parts.
        verified: True if the published checksum was met.
        lengths: True length of each text in tokens, shape (n,), int64; None for other data.
        vocabulary: Token of each id of a text; empty for other data.
        notes: Sentences, without full stops, about the reading for the user: samples left out, classes joined,
            transparent parts laid on a ground.
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
    """Return the SHA-256 of the arrays' dtypes, shapes and bytes, in order."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def listed(names: Iterable[str], most: int = 10) -> str:
    """Return names for a sentence, `a, b, c and 12 more`, each cut to at most 40 characters."""
    short = [name if len(name) <= 40 else f"{name[:37]}..." for name in names]
    return ", ".join(short[:most]) + (f" and {len(short) - most:,} more" if len(short) > most else "")
