"""Surnames of several languages, read from one text file per language with one name per line."""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from labkit.config import Flag
from labkit.data.checks import check
from labkit.data.dataset import DataError, Dataset
from labkit.data.files import combined_sha256, of_ending, present, readable
from labkit.shipped import IN_FILE, defaults

LONGEST = 255  # letters; a longer line is prose and no name, and would widen every row

# Letters that Unicode does not take apart into a Latin letter and a mark.
LETTERS = str.maketrans(
    {"ß": "ss", "ł": "l", "Ł": "L", "ø": "o", "Ø": "O", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "đ": "d", "Đ": "D"}
    | {"ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "\u0131": "i", "ħ": "h", "Ħ": "H", "\u2019": "'", "\u00a0": " "}
)


@defaults("data/names")
def names(*, root: Path, distinct: Flag = IN_FILE) -> Dataset:
    """Read surnames of 18 languages, `root/names/<Language>.txt`: shape (n, longest), uint8 token ids padded with 0.

    Files are UTF-8. Names become ASCII, capitals stay. Token id i is the letter `vocabulary[i]`; id 0, the padding, is
    the empty string. Source: the PyTorch tutorial "Classifying names with a character-level RNN".

    Args:
        root: Data folder.
        distinct: True to keep a name once per language. The published lists repeat names (Arabic: 2,000 lines, 108
            names): with every line kept, 666 of 6,015 test names stand in the training part with the same class.

    Raises:
        DataError: A file is missing, empty, not UTF-8, or holds a line without a Latin letter.
    """
    folder = present(root / "names", "one <Language>.txt per language")
    with readable(folder):
        paths = of_ending(folder, ".txt")
    if not paths:
        raise DataError(f"{folder}: found no .txt file, expected one <Language>.txt per language.")
    texts: list[str] = []
    labels: list[int] = []
    repeated: dict[str, int] = {}
    digests = []
    for label, path in enumerate(paths):
        with readable(path):
            content = path.read_bytes()
        lines = list(read_names(content, path))
        found = list(dict.fromkeys(lines)) if distinct else lines
        repeated[path.stem] = len(lines) - len(found)
        texts += found
        labels += [label] * len(found)
        digests.append((path.name, hashlib.sha256(content).hexdigest()))
    vocabulary = ("", *sorted(set("".join(texts))))
    features, lengths = encode(texts, vocabulary)
    return check(
        Dataset(
            name="names",
            features=features,
            labels=np.array(labels, dtype=np.int64),
            class_names=tuple(path.stem for path in paths),
            source="Surnames by language, PyTorch tutorial 'Classifying names with a character-level RNN'",
            sha256=combined_sha256([*digests, *([("each name once", "")] if distinct else [])]),
            kind="text",
            lengths=lengths,
            vocabulary=vocabulary,
            notes=_notes(repeated, texts, labels),
        )
    )


def _notes(repeated: dict[str, int], texts: list[str], labels: list[int]) -> tuple[str, ...]:
    """Return sentences about repeated names that were left out, and about names of several languages."""
    notes = []
    left_out = sum(repeated.values())
    if left_out:
        most = max(repeated, key=repeated.__getitem__)
        notes.append(
            f"names: {left_out:,} of {left_out + len(texts):,} lines repeat a name of their language ({most}: "
            f"{repeated[most]:,}) and are left out; data.distinct=false keeps them"
        )
    languages = Counter(text for text, _ in set(zip(texts, labels, strict=True)))
    shared = sum(count > 1 for count in languages.values())
    if shared:
        notes.append(f"names that stand in several languages: {shared:,}; no network can tell all their samples apart")
    return tuple(notes)


def ascii_letters(text: str) -> str:
    """Return `text` in ASCII: accents removed (Unicode NFD), letters such as `ß` spelled out, others dropped.

    `Zuñiga` becomes `Zuniga`, `Żmudziński` becomes `Zmudzinski`.
    """
    apart = unicodedata.normalize("NFD", text.translate(LETTERS))
    return "".join(letter for letter in apart if " " <= letter <= "~").strip()


def read_names(content: bytes, path: Path) -> Iterator[str]:
    """Yield the names of one file in its order, as ASCII; skip blank lines.

    Args:
        content: Bytes of the file.
        path: Path named in the error.

    Raises:
        DataError: The file is not UTF-8, has no name at all, a line without a Latin letter, or one longer than 255.
    """
    try:
        lines = content.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        found = error.object[error.start]
        raise DataError(f"{path}: byte {error.start}: found 0x{found:02x}, expected UTF-8 text.") from error
    if not any(line.strip() for line in lines):
        raise DataError(f"{path}: found no name in {len(content)} bytes, expected one per line.")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        name = ascii_letters(line)
        if not any(letter.isalpha() for letter in name):
            raise DataError(f"{path}: line {number}: found {line.strip()!r}, expected a name in Latin letters.")
        if len(name) > LONGEST:
            raise DataError(f"{path}: line {number}: found {len(name)} letters, expected a name of at most {LONGEST}.")
        yield name


def encode(texts: list[str], vocabulary: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return token ids, shape (n, longest), uint8, padded with 0, and lengths, shape (n,), int64, of ASCII texts."""
    table = np.zeros(128, dtype=np.uint8)
    for token, letter in enumerate(vocabulary[1:], start=1):
        table[ord(letter)] = token
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    features = np.zeros((len(texts), int(lengths.max())), dtype=np.uint8)
    letters = np.frombuffer("".join(texts).encode("ascii"), dtype=np.uint8)
    features[np.arange(features.shape[1]) < lengths[:, None]] = table[letters]  # row by row, as joined
    return features, lengths
