"""The columns of a table: the one that holds the classes, the features, and those that only number the rows."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from labkit.config import nearest
from labkit.data.dataset import DataError, listed

NAMES = 10  # most names that a sentence lists
_NAMELESS = re.compile(r"|Unnamed: \d+")  # pandas writes the latter where there is no name
_ROWS = 20  # fewer whole numbers in a row may be chance


def chosen_columns(
    path: Path, names: Sequence[str], target: str | int, ignore: Sequence[str | int]
) -> tuple[int, list[int]]:
    """Return the position of the target and those of the features.

    Args:
        path: Path named in errors.
        names: Names of all columns; their positions where the file has no names.
        target: Name of the target or, where no column has it, its position from 0 (-1 is the last).
        ignore: Names or positions of columns that are no features.

    Raises:
        DataError: A column is not there, two have one name, or no feature is left.
    """
    own = _position(path, names, target, "target")
    left_out = {own, *(_position(path, names, name, "ignore") for name in ignore)}
    repeated = next((name for name, count in Counter(names).items() if count > 1), None)
    if repeated is not None:
        raise DataError(f"{path}: found the column {listed([repr(repeated)])} twice, expected names that differ.")
    columns = [i for i in range(len(names)) if i not in left_out]
    if not columns:
        raise DataError(
            f"{path}: found no column besides {listed([repr(names[own])])}, expected at least one feature "
            "(comma-separated, or see data.separator)."
        )
    return own, columns


def _position(path: Path, names: Sequence[str], wanted: str | int, key: str) -> int:
    """Return the position of a column given by name or position; raise DataError if there is none."""
    if str(wanted) in names:
        return names.index(str(wanted))
    if isinstance(wanted, int):
        if -len(names) <= wanted < len(names):
            return wanted % len(names)
        last = len(names) - 1
        raise DataError(f"{path}: found no column {wanted} (key data.{key}), expected a position from 0 to {last}.")
    # A table can have thousands of columns: list the nearest names only.
    near = difflib.get_close_matches(wanted, names, n=NAMES, cutoff=0.0)
    if difflib.get_close_matches(wanted, near[:1], n=1) or not near:
        told = nearest(wanted, near[:1])
    else:
        more = len(names) - len(near)
        told = f"valid: {listed(near)}{f' and {more:,} more' if more else ''}."
    raise DataError(f"{path}: found no column {wanted!r} (key data.{key}): {told}")


def counting_columns(path: Path, features: np.ndarray, names: Sequence[str]) -> tuple[str, ...]:
    """Return sentences about columns that count the rows: in a sorted table they give the classes away.

    Args:
        path: Path named in the error.
        features: Features, shape (n, columns).
        names: Names of these columns.

    Raises:
        DataError: A column without a name holds a whole number of its own for every row.
    """
    notes = []
    for name, values in zip(names, features.T, strict=True):
        if len(values) < 2 or not np.isfinite(values).all() or (values != np.floor(values)).any():
            continue
        low, high = int(values.min()), int(values.max())
        if _NAMELESS.fullmatch(name) and len(np.unique(values)) == len(values):
            raise DataError(
                f"{path}: a column without a name ({name!r}) numbers the rows ({low} to {high}) and is no feature: "
                f"leave it out with \"data.ignore=['{name}']\", or give it a name."
            )
        steps = np.diff(values)
        if len(values) >= _ROWS and steps[0] and (steps == steps[0]).all():
            notes.append(
                f"column {listed([repr(name)])} counts the rows ({low} to {high}): if it measures nothing, leave it "
                "out with data.ignore"
            )
    return tuple(notes)
