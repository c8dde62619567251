"""The classes of a table: the distinct values of its target column, whose spellings may differ."""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

import numpy as np

from labkit.data.dataset import listed


@dataclass(frozen=True)
class Classes:
    """The classes that a target column holds.

    Attributes:
        names: Names of the classes, sorted; as numbers where all are numbers (10 after 9).
        labels: Class of each row, shape (n,), int64.
        joined: Spellings of the classes that have several, as JSON; empty where none has.
        notes: Sentences about spellings that were joined, or that look as if they should be.
    """

    names: tuple[str, ...]
    labels: np.ndarray
    joined: str
    notes: tuple[str, ...]


def classes_of(values: Sequence[str], decimal: str = ".") -> Classes:
    """Return the classes of a target column.

    If every value is a number, equal numbers are one class ("1", "1.0" and "1e0"), named by the shortest spelling.
    If every value is true or false, capitals do not matter. Other texts are classes as they are.

    Args:
        values: Cells of the column, without blanks at their ends.
        decimal: Decimal sign of the cells, a point or a comma.
    """
    keys = _keys(sorted(set(values)), decimal)
    spellings: dict[Hashable, list[str]] = {}
    for value, key in keys.items():
        spellings.setdefault(key, []).append(value)
    order = sorted(spellings)  # type: ignore[type-var]
    index = {key: label for label, key in enumerate(order)}
    named = {key: min(own, key=lambda text: (len(text), text)) for key, own in spellings.items()}
    joined = [own for own in spellings.values() if len(own) > 1]
    told = "; ".join(listed(own) for own in joined[:3]) + (f" and {len(joined) - 3} more" if len(joined) > 3 else "")
    return Classes(
        names=tuple(named[key] for key in order),
        labels=np.array([index[keys[value]] for value in values], dtype=np.int64),
        joined=json.dumps(joined) if joined else "",
        notes=((f"one class in several spellings: {told}",) if joined else ()) + _alike(list(named.values())),
    )


def _keys(distinct: Sequence[str], decimal: str) -> dict[str, Hashable]:
    """Return a key for each value, equal for values of one class: a number, a text in small letters, or the text."""
    try:
        numbers = {value: Decimal(value.replace(decimal, ".")) for value in distinct}
    except InvalidOperation:
        numbers = {}
    if numbers and all(number.is_finite() for number in numbers.values()):
        return dict(numbers)
    if {value.casefold() for value in distinct} <= {"true", "false"}:
        return {value: value.casefold() for value in distinct}
    return {value: value for value in distinct}


def _alike(names: list[str]) -> tuple[str, ...]:
    """Return a sentence about classes that may have been meant as one, if there are such."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(" ".join(name.casefold().split()), []).append(name)
    alike = [repr(own[0]) + " and " + repr(own[1]) for own in groups.values() if len(own) > 1]
    return (f"classes that differ only in capitals or blanks: {listed(alike, 3)}",) if alike else ()
