"""The Free Spoken Digit Dataset, read from a folder of wav files."""

from __future__ import annotations

import hashlib
import io
import re
import wave
from pathlib import Path

import numpy as np

from labkit.config import Count
from labkit.data.checks import check
from labkit.data.dataset import DataError, Dataset
from labkit.data.files import combined_sha256, of_ending, present, readable
from labkit.shipped import IN_FILE, defaults

RATE = 8000  # samples per second
NAME = re.compile(r"(?P<digit>\d)_(?P<speaker>[^_]+)_(?P<index>\d+)\.(?i:wav)")
N_TEST = 5  # the publisher's split: recordings 0 to 4 of each speaker and digit are the test part


@defaults("data/fsdd")
def fsdd(*, root: Path, samples: Count = IN_FILE) -> Dataset:
    """Read FSDD: 3,000 spoken digits of six speakers, shape (n, 1, samples), int16; `root/fsdd/recordings/*.wav`.

    Source: Jackson et al., github.com/Jakobovski/free-spoken-digit-dataset; its split: index 0 to 4 is test.

    Args:
        root: Data folder.
        samples: Length to which every sound is cut or, at its end, padded with zeros; 8000 is one second.

    Raises:
        DataError: A file is missing, damaged, misnamed or no 8 kHz mono 16-bit sound.
    """
    folder = present(root / "fsdd" / "recordings", "the publisher's wav files")
    with readable(folder):
        found = sorted(_parse(path) for path in of_ending(folder, ".wav"))
    if not found:
        raise DataError(f"{folder}: found no .wav file, expected <digit>_<speaker>_<index>.wav.")
    features = np.zeros((len(found), 1, samples), dtype=np.int16)
    digests = []
    for row, (_, _, _, path) in enumerate(found):
        with readable(path):
            content = path.read_bytes()
        sound = read_wav(content, path)[:samples]
        features[row, 0, : len(sound)] = sound
        digests.append((path.name, hashlib.sha256(content).hexdigest()))
    is_test = np.array([index < N_TEST for _, _, index, _ in found])
    return check(
        Dataset(
            name="fsdd",
            features=features,
            labels=np.array([digit for digit, _, _, _ in found], dtype=np.int64),
            class_names=tuple("0123456789"),
            source="Free Spoken Digit Dataset, Jackson et al., github.com/Jakobovski/free-spoken-digit-dataset",
            sha256=combined_sha256(digests),
            kind="sound",
            splits={"train": np.flatnonzero(~is_test), "test": np.flatnonzero(is_test)},
        )
    )


def read_wav(content: bytes, path: Path) -> np.ndarray:
    """Return the samples, shape (n,), int16, of one 8 kHz mono 16-bit PCM sound.

    Args:
        content: Bytes of the file.
        path: Path named in the error.

    Raises:
        DataError: The file is no such sound, empty, or truncated.
    """
    try:
        with wave.open(io.BytesIO(content)) as sound:
            channels, width, rate, claimed = sound.getparams()[:4]
            frames = sound.readframes(claimed)
    except (wave.Error, EOFError) as error:
        reason = str(error) or f"it ends at byte {len(content)}"
        raise DataError(f"{path}: cannot be read as a PCM wav file ({reason}).") from error
    if (rate, channels, width) != (RATE, 1, 2):
        raise DataError(
            f"{path}: found {rate} Hz, {channels} channel(s) and {8 * width} bit, expected {RATE} Hz, 1 and 16."
        )
    if len(frames) != 2 * claimed or claimed == 0:
        raise DataError(
            f"{path}: ends at byte {len(content)} with {len(frames)} bytes of sound, expected {max(2 * claimed, 2)}."
        )
    return np.frombuffer(frames, dtype="<i2").astype(np.int16, copy=False)


def _parse(path: Path) -> tuple[int, str, int, Path]:
    """Return digit, speaker and index from a file's name, and its path; raise DataError for another name."""
    match = NAME.fullmatch(path.name)
    if match is None:
        raise DataError(f"{path}: found the name {path.name!r}, expected <digit>_<speaker>_<index>.wav.")
    return int(match["digit"]), match["speaker"], int(match["index"]), path
