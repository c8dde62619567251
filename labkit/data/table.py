"""The user's own table: CSV or NPZ, with one target column."""

from __future__ import annotations

import csv
import hashlib
import math
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import Field

from labkit import limits
from labkit.config import ConfigError, Flag
from labkit.data.checks import check
from labkit.data.classes import classes_of
from labkit.data.columns import chosen_columns, counting_columns
from labkit.data.csv_form import FIRST_LINES, Form, form_of, is_number
from labkit.data.dataset import DataError, Dataset, listed
from labkit.data.files import combined_sha256, present, readable
from labkit.limits import MOST_COLUMNS
from labkit.shipped import IN_FILE, defaults

Column = str | Annotated[int, Field(strict=True)]  # a name or a position
TEXT_ENDINGS = (".csv", ".tsv", ".tab", ".txt", ".data")


class Content(NamedTuple):
    """The content of a file.

    Attributes:
        features: Features, shape (n, columns), float32.
        values: Cells of the target, n of them.
        names: Names of the feature columns.
        form: Description of the file's form, where that is not the usual one.
        decimal: Decimal sign.
    """

    features: np.ndarray
    values: list[str]
    names: list[str]
    form: str = ""
    decimal: str = "."


@defaults("data/table")
def table(
    *,
    root: Path,
    file: Path = IN_FILE,
    target: Column = IN_FILE,
    ignore: Sequence[Column] = (),
    separator: str | None = None,
    decimal: str | None = None,
    header: Flag | None = None,
) -> Dataset:
    """Read the user's own table: features, shape (n, columns), float32, and classes from the target column.

    The classes are the sorted distinct values of the target. A CSV file is UTF-8 with the names of the columns in the
    first line and numbers elsewhere, except in the target; `csv_form` describes how separator, decimal sign and header
    are found. An NPZ file has an array (n,) named like the target; every other array (n,) or (n, k) gives one or k
    columns, in the file's order.

    Args:
        root: Data folder.
        file: Path of the table, from `root` (or absolute).
        target: Name of the column or array with the classes, or its position from 0 (-1 is the last).
        ignore: Names or positions of columns or arrays that are no features (an id, a comment).
        separator: Name of the separator (comma, semicolon, tab, pipe, space) or one character; None to find it in the
            first lines.
        decimal: Name of the decimal sign, point or comma; None to find it in the first lines.
        header: True or False for a first line of names or of data; None to decide by the numbers in it.

    Raises:
        DataError: The file is missing or damaged, has no such column, ragged rows, a cell that is no finite number, or
            a column without a name that numbers the rows; or it can be read in two ways.
        ConfigError: `separator` or `decimal` has a value that is not allowed.
    """
    path = present(root / Path(file).expanduser(), "your CSV or NPZ file (key data.file)")
    ending = path.suffix.lower()
    if ending not in (".npz", *TEXT_ENDINGS):
        others = ", ".join(TEXT_ENDINGS[1:])
        raise DataError(f"{path}: found the ending {path.suffix!r}, expected .csv or .npz (or, for CSV, {others}).")
    with readable(path):
        if ending == ".npz":
            _refuse_keys(path, separator=separator, decimal=decimal, header=header)
            found = _read_npz(path, target, ignore)
        else:
            found = _read_csv(path, target, ignore, separator, decimal, header)
        with path.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    classes = classes_of(found.values, found.decimal)
    return check(
        Dataset(
            name="table",
            features=found.features,
            labels=classes.labels,
            class_names=classes.names,
            source=f"the table {path.name}, target {target!r}" + (f" ({found.form})" if found.form else ""),
            sha256=combined_sha256([("file", sha256), (classes.joined, "")]) if classes.joined else sha256,
            kind="vector",
            notes=(*classes.notes, *counting_columns(path, found.features, found.names)),
        )
    )


def _read_csv(
    path: Path,
    target: str | int,
    ignore: Sequence[str | int],
    separator: str | None,
    decimal: str | None,
    header: bool | None,
) -> Content:
    limits.require(2 * path.stat().st_size, str(path))
    with path.open(encoding="utf-8-sig", newline="") as stream:
        try:
            first = list(islice(stream, FIRST_LINES))
        except UnicodeDecodeError as error:
            raise _no_utf8(path, 0, error) from error
        try:
            form = form_of(first, path, target, separator, decimal, header)
        except csv.Error as error:
            raise _broken(path, 0, error) from error
        rows = _rows(path, chain(first, stream), form)
        names, rows = _names(rows, form)
        if not form.header and isinstance(target, str):
            raise DataError(
                f"{path}: data.target: with data.header=false columns have no names; expected a position from 0 to "
                f"{len(names) - 1}, or -1 for the last, found {target!r}."
            )
        if len(names) > MOST_COLUMNS:
            raise DataError(f"{path}: found {len(names):,} columns, expected at most {MOST_COLUMNS:,}.")
        own, columns = chosen_columns(path, names, target, ignore)
        return _cells(path, rows, names, own, columns, form)


def _cells(
    path: Path, rows: Iterable[tuple[int, list[str]]], names: list[str], own: int, columns: list[int], form: Form
) -> Content:
    """Return the numbers of the feature columns and the text of the target; raise DataError for a faulty row."""
    cells, classes = array("f"), []
    number = float if form.decimal == "." else form.number  # the same, without a call of ours for every cell
    for line, row in rows:
        if len(row) != len(names):
            first = "header" if form.header else "first line"
            raise DataError(f"{path}: line {line}: found {len(row)} cells, expected {len(names)} as in the {first}.")
        classes.append(row[own].strip())
        if not classes[-1]:
            raise DataError(f"{path}: line {line}, column {names[own]!r}: found an empty cell, expected a class.")
        try:
            cells.extend([number(row[i]) for i in columns])
        except ValueError:
            raise _bad_cell(path, line, row, names, columns, form) from None
        if not all(map(math.isfinite, cells[-len(columns) :])):
            raise _bad_cell(path, line, row, names, columns, form)
    features = np.array(cells, dtype=np.float32).reshape(len(classes), len(columns))
    return Content(features, classes, [names[i] for i in columns], str(form), form.decimal)


def _names(rows: Iterator[tuple[int, list[str]]], form: Form) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """Return the columns' names, or their positions if the file has no names, and the rows of data."""
    first = next(rows, None)
    if first is None:
        return [], rows
    if form.header:
        return [name.strip() for name in first[1]], rows
    return [str(i) for i in range(len(first[1]))], chain([first], rows)


def _rows(path: Path, lines: Iterable[str], form: Form) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and cells of every line that is not blank; raise DataError where CSV or UTF-8 is broken."""
    line = 0
    try:
        for line, row in form.rows(lines):
            yield line, row
    except csv.Error as error:
        raise _broken(path, line, error) from error
    except UnicodeDecodeError as error:
        raise _no_utf8(path, line, error) from error


def _broken(path: Path, line: int, error: csv.Error) -> DataError:
    what = "quoted cells to end and cells of at most 131,072 characters"
    return DataError(f"{path}: after line {line}: found broken CSV ({error}), expected {what}.")


def _no_utf8(path: Path, line: int, error: UnicodeDecodeError) -> DataError:
    found = error.object[error.start]
    return DataError(
        f"{path}: after line {line}: found byte 0x{found:02x}, expected UTF-8 text (Excel: save as CSV UTF-8)."
    )


def _bad_cell(path: Path, line: int, row: list[str], names: list[str], columns: list[int], form: Form) -> DataError:
    """Return the error for the first cell that is no finite number in float32."""
    for i in columns:
        try:
            good = math.isfinite(array("f", [form.number(row[i])])[0])
        except ValueError:
            good = False
        if not good:
            place = f"{path}: line {line}, column {listed([repr(names[i])])}"
            sign, other = (",", "comma") if form.decimal == "." else (".", "point")
            hint = f" (or say data.decimal={other})" if sign in row[i] and is_number(row[i]) else ""
            return DataError(f"{place}: found {listed([repr(row[i])])}, expected a finite number{hint}.")
    raise AssertionError("every cell is a finite number")


def _refuse_keys(path: Path, **said: object) -> None:
    """Raise ConfigError for a key that only a CSV file has a use for."""
    for key, value in said.items():
        if value is not None:
            raise ConfigError(f"data.{key}: it speaks of CSV, and {path.name} is an NPZ file: leave it out.")


def _read_npz(path: Path, target: str | int, ignore: Sequence[str | int]) -> Content:
    """Return the content of an NPZ file; raise DataError if it is damaged or an array has another shape or type."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            limits.require(2 * sum(member.file_size for member in stored.zip.infolist()), str(path))
            arrays = {name: stored[name] for name in stored.files}
    except (OSError, ConfigError):
        raise
    except Exception as error:  # zipfile, zlib and numpy each have their own types
        raise DataError(
            f"{path}: cannot be read as an NPZ file of plain arrays ({type(error).__name__}: {error})."
        ) from error
    names = list(arrays)
    own, positions = chosen_columns(path, names, target, ignore)
    columns, classes = [names[i] for i in positions], arrays[names[own]]
    if classes.ndim != 1 or classes.dtype.kind not in "biufSU":
        raise DataError(
            f"{path}: array {names[own]!r}: found {classes.dtype} {classes.shape}, expected one class per row."
        )
    if len(classes) == 0:
        raise DataError(f"{path}: array {names[own]!r} is empty, expected one class per row.")
    for name in columns:
        shape, kind = arrays[name].shape, arrays[name].dtype.kind
        if kind not in "biuf" or len(shape) not in (1, 2) or shape[0] != len(classes):
            raise DataError(
                f"{path}: array {name!r}: found {arrays[name].dtype} {shape}, expected numbers ({len(classes)},) or "
                f"({len(classes)}, k); name what is no feature in data.ignore."
            )
    blocks = [arrays[name].reshape(len(classes), -1) for name in columns]
    features = np.concatenate(blocks, axis=1, dtype=np.float32, casting="unsafe")
    single = [name for name, block in zip(columns, blocks, strict=True) for _ in range(block.shape[1])]
    return Content(features, [_text(value) for value in classes.tolist()], single)


def _text(value: object) -> str:
    """Return the name of a class: 3.0 becomes 3, bytes are decoded."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
