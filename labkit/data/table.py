"""A user's own table: CSV with a header line, or NPZ, with one target column."""

from __future__ import annotations

import csv
import hashlib
import math
from array import array
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from labkit.config import nearest
from labkit.data.checks import check
from labkit.data.dataset import DataError, Dataset
from labkit.data.files import present, readable


def table(*, root: Path, file: Path = Path("table.csv"), target: str = "label", ignore: Sequence[str] = ()) -> Dataset:
    """A user's own table: features `(n, columns)` float32, classes the sorted distinct values of the target column.

    CSV: commas, UTF-8, names of the columns in the first line, numbers elsewhere except in the target. NPZ: one array
    `(n,)` named like the target; every other array `(n,)` or `(n, k)` gives one or k columns, in the file's order.

    Args:
        root: the data folder.
        file: where the table is, from `root` (or absolute).
        target: the name of the column, or array, with the classes.
        ignore: names of columns, or arrays, that are no features (an id, a comment).

    Raises:
        DataError: the file is missing or damaged, has no such column, ragged rows, or a cell that is no finite number.
    """
    path = present(root / file.expanduser(), "your CSV or NPZ file (key data.file)")
    read = {".csv": _read_csv, ".npz": _read_npz}.get(path.suffix.lower())
    if read is None:
        raise DataError(f"{path}: found the ending {path.suffix!r}, expected .csv or .npz.")
    with readable(path):
        features, values = read(path, target, set(ignore))
        with path.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    class_names, labels = _classes(values)
    return check(
        Dataset(
            name="table",
            features=features,
            labels=labels,
            class_names=class_names,
            source=f"the table {path.name}, target {target!r}",
            sha256=sha256,
            kind="vector",
        )
    )


def _classes(values: list[str]) -> tuple[tuple[str, ...], np.ndarray]:
    """Sorted distinct values, as numbers where all of them are (10 after 9), and the label `(n,)` int64 of each row."""
    distinct = sorted(set(values))
    with suppress(ValueError):
        distinct.sort(key=float)
    index = {value: label for label, value in enumerate(distinct)}
    return tuple(distinct), np.array([index[value] for value in values], dtype=np.int64)


def _columns(path: Path, names: list[str], target: str, ignore: set[str]) -> list[int]:
    """The feature columns, once the named columns are known to exist."""
    for name, key in ((target, "target"), *((name, "ignore") for name in sorted(ignore))):
        if name not in names:
            raise DataError(f"{path}: found no column {name!r} (key data.{key}): {nearest(name, names)}")
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise DataError(f"{path}: found the column {repeated!r} twice, expected names that differ.")
    columns = [i for i, name in enumerate(names) if name != target and name not in ignore]
    if not columns:
        raise DataError(f"{path}: found no column besides {target!r}, expected at least one feature (comma-separated).")
    return columns


def _read_csv(path: Path, target: str, ignore: set[str]) -> tuple[np.ndarray, list[str]]:
    """Features `(n, columns)` float32 and the target's cells."""
    cells, classes = array("f"), []
    with path.open(encoding="utf-8-sig", newline="") as lines:
        rows = _rows(path, lines)
        _, header = next(rows, (1, []))
        names = [name.strip() for name in header]
        columns = _columns(path, names, target, ignore)
        target_column = names.index(target)
        for line, row in rows:
            if len(row) != len(names):
                raise DataError(f"{path}: line {line}: found {len(row)} cells, expected {len(names)} as in the header.")
            classes.append(row[target_column].strip())
            if not classes[-1]:
                raise DataError(f"{path}: line {line}, column {target!r}: found an empty cell, expected a class.")
            try:
                cells.extend([float(row[i]) for i in columns])
            except ValueError:
                raise _bad_cell(path, line, row, names, columns) from None
            if not all(map(math.isfinite, cells[-len(columns) :])):
                raise _bad_cell(path, line, row, names, columns)
    return np.array(cells, dtype=np.float32).reshape(len(classes), len(columns)), classes


def _rows(path: Path, lines: Iterator[str]) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of every line that is not blank."""
    reader = csv.reader(lines, strict=True)
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
    except csv.Error as error:
        raise DataError(
            f"{path}: line {reader.line_num}: found broken CSV ({error}), expected quoted cells to end."
        ) from error
    except UnicodeDecodeError as error:
        found = error.object[error.start]
        raise DataError(
            f"{path}: after line {reader.line_num}: found byte 0x{found:02x}, expected UTF-8 text."
        ) from error


def _bad_cell(path: Path, line: int, row: list[str], names: list[str], columns: list[int]) -> DataError:
    """The error for the first cell that is no finite number in float32."""
    for i in columns:
        try:
            good = math.isfinite(array("f", [float(row[i])])[0])
        except ValueError:
            good = False
        if not good:
            return DataError(f"{path}: line {line}, column {names[i]!r}: found {row[i]!r}, expected a finite number.")
    raise AssertionError("every cell is a finite number")


def _read_npz(path: Path, target: str, ignore: set[str]) -> tuple[np.ndarray, list[str]]:
    """Features `(n, columns)` float32 and the target's values as text."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except OSError:
        raise
    except Exception as error:  # zipfile, zlib and numpy each have their own types
        raise DataError(
            f"{path}: cannot be read as an NPZ file of plain arrays ({type(error).__name__}: {error})."
        ) from error
    names = list(arrays)
    columns = [names[i] for i in _columns(path, names, target, ignore)]
    classes = arrays[target]
    if classes.ndim != 1 or classes.dtype.kind not in "biufSU":
        raise DataError(f"{path}: array {target!r}: found {classes.dtype} {classes.shape}, expected one class per row.")
    for name in columns:
        shape, kind = arrays[name].shape, arrays[name].dtype.kind
        if kind not in "biuf" or len(shape) not in (1, 2) or shape[0] != len(classes):
            raise DataError(
                f"{path}: array {name!r}: found {arrays[name].dtype} {shape}, expected numbers ({len(classes)},) or "
                f"({len(classes)}, k); name what is no feature in data.ignore."
            )
    blocks = [arrays[name].reshape(len(classes), -1) for name in columns]
    features = np.concatenate(blocks, axis=1, dtype=np.float32, casting="unsafe")
    return features, [_text(value) for value in classes.tolist()]


def _text(value: object) -> str:
    """A class's name: 3.0 reads 3, bytes are decoded."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
