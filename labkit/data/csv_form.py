"""The form of a CSV file: its separator, its decimal sign, and a first line of names or of data.

Keys that the user does not set are derived from the first lines, by rules simple enough to predict. Where two readings
are possible and a wrong one would go unnoticed, the file is refused with a sentence that names the key.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from labkit.config import ConfigError, nearest
from labkit.data.dataset import DataError, listed

FIRST_LINES = 50  # number of lines that a form is derived from
SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|", "space": " "}
DECIMALS = {"point": ".", "comma": ","}
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")
_HASH = re.compile(r"\s*#\s*(?=[^\s,;|])")  # before names, as NumPy's savetxt writes them


@dataclass(frozen=True)
class Form:
    """The form in which a file is to be read.

    Attributes:
        separator: Character between cells; a space stands for any number of spaces.
        decimal: Decimal sign, `.` or `,`.
        header: True if the first line that counts holds the names of the columns.
        skipped: Number of lines before it: blank ones, comments, and Excel's `sep=;`.
        trailing: True if every line ends with a separator and nothing behind it.
    """

    separator: str
    decimal: str
    header: bool
    skipped: int
    trailing: bool

    def __str__(self) -> str:
        names = {sign: name for name, sign in SEPARATORS.items()}
        said = [f"separator {names.get(self.separator, self.separator)}"] if self.separator != "," else []
        said += ["decimal commas"] if self.decimal == "," else []
        return ", ".join([*said, *([] if self.header else ["no header"])])

    def number(self, cell: str) -> float:
        """Return the number in a cell; raise ValueError if it is none, or has a point in a file of decimal commas."""
        if self.decimal == ".":
            return float(cell)
        if "." in cell:
            raise ValueError(cell)
        return float(cell.replace(",", "."))

    def rows(self, lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
        """Yield line number and cells of each line that is not blank; raise csv.Error for a quoted cell without end."""
        reader = _reader(_counted(lines, self.skipped), self.separator, strict=True)
        for row in reader:
            if any(map(str.strip, row)):
                whole = not self.trailing or row[-1].strip()
                yield self.skipped + reader.line_num, row if whole else row[:-1]


def form_of(
    lines: Sequence[str],
    path: Path,
    target: str | int,
    separator: str | None = None,
    decimal: str | None = None,
    header: bool | None = None,
) -> Form:
    """Return the form of a file, from the keys that are set and else from its first lines.

    Args:
        lines: First lines of the file.
        path: Path named in errors.
        target: Name or position of the column with the classes; a first line with its name is a header.
        separator: Name in `SEPARATORS`, or one character; None for the one that the lines agree on.
        decimal: Name or sign in `DECIMALS`; None for the comma where the lines can be read in no other way.
        header: True or False for a first line of names or of data; None to decide by the numbers in it.

    Raises:
        ConfigError: A key holds another value.
        DataError: The file can be read in two ways.
    """
    skipped, said = _preamble(lines, target)
    counted = [line for line in _counted(lines, skipped) if line.strip()]
    sign = _sign("separator", separator, SEPARATORS) or said or _separator(counted, target, header)
    rows = [[cell.strip() for cell in row] for row in _reader(counted, sign) if row]
    trailing = len(rows) > 1 and all(len(row) > 2 and not row[-1] for row in rows)
    names = header if header is not None else _has_names(rows[0] if rows else [], path, target)
    chosen = _sign("decimal", decimal, DECIMALS) or _decimal(rows[1:] if names else rows, path)
    return Form(sign, chosen, names, skipped, trailing)


def is_number(cell: str) -> bool:
    """Return True if a cell holds a finite number, with a decimal point or a decimal comma."""
    try:
        return math.isfinite(float(cell.replace(",", ".", 1)))
    except ValueError:
        return False


def _reader(lines: Iterable[str], separator: str, strict: bool = False) -> Any:
    if separator == " ":
        return csv.reader((line.strip() for line in lines), delimiter=" ", skipinitialspace=True, strict=strict)
    return csv.reader(lines, delimiter=separator, strict=strict)


def _counted(lines: Iterable[str], skipped: int) -> Iterator[str]:
    """Return the lines behind the skipped ones, the first of them without a `#` before its names."""
    rest = islice(lines, skipped, None)
    return chain((_HASH.sub("", line, count=1) for line in islice(rest, 1)), rest)


def _sign(key: str, value: str | None, names: Mapping[str, str]) -> str | None:
    """Return the character that a key's value stands for; raise ConfigError if it stands for none."""
    if value is None or value in names:
        return None if value is None else names[value]
    if value in names.values() or (key == "separator" and len(value) == 1 and not re.match(r"[\w\"'.+-]", value)):
        return value
    raise ConfigError(f"data.{key}: found {value!r}, {nearest(value, names)}")


def _preamble(lines: Sequence[str], target: str | int) -> tuple[int, str | None]:
    """Return the number of lines before the names or the data, and the separator that Excel's `sep=;` names.

    A line that begins with `#` is a comment, unless it holds the target's name among as many cells as the first line
    of data has.
    """
    said = None
    following = next((line for line in lines if line.strip() and not line.lstrip().startswith("#")), "")
    for number, line in enumerate(lines):
        text = line.strip()
        excel = re.match(r'"?sep=(.)"?,*$', text, re.IGNORECASE) if number == 0 else None
        if excel is not None:
            said = excel[1]
        elif text and not (text.startswith("#") and not _are_names(text, following, target)):
            return number, said
    return len(lines), said


def _are_names(line: str, following: str, target: str | int) -> bool:
    """Return True if some separator finds the target in the line, and as many cells as in the one that follows."""

    def cells(text: str, separator: str) -> list[str]:
        return [cell.strip() for cell in next(_reader([text], separator), [])]

    pairs = [(cells(_HASH.sub("", line, count=1), sign), cells(following, sign)) for sign in SEPARATORS.values()]
    return any(str(target) in names and len(names) == len(data) > 1 for names, data in pairs)


def _separator(lines: Sequence[str], target: str | int, header: bool | None) -> str:
    """Return the character that splits off the target's name; else the one by which lines agree and hold numbers."""

    def agreement(sign: str) -> tuple[bool, float, int]:
        try:
            rows = [row for row in _reader(lines, sign) if row]
        except csv.Error:
            return False, 0.0, 0
        if not rows or len(rows[0]) < 2:
            return False, 0.0, 0
        named = header is not False and isinstance(target, str) and target in map(str.strip, rows[0])
        alike = sum(len(row) == len(rows[0]) for row in rows) / len(rows)
        return named, alike, sum(is_number(cell) for row in rows for cell in row)

    return max(SEPARATORS.values(), key=agreement)


def _has_names(first: Sequence[str], path: Path, target: str | int) -> bool:
    """Return True if the first line holds names: the target's, 0, 1, 2 ... as pandas writes them, or hardly a number.

    Raise DataError if it seems to hold data, although the target is given by name.
    """
    if (isinstance(target, str) and target in first) or first == [str(i) for i in range(len(first))]:
        return True
    if len(first) < 2 or sum(map(is_number, first)) < len(first) - 1:
        return True
    if isinstance(target, int):
        return False
    raise DataError(
        f"{path}: the first line holds numbers ({listed(first, 4)}) and no column {target!r} (key data.target): where "
        "a file has no names, say data.header=false and the position of the classes, data.target=-1 for the last."
    )


def _decimal(rows: Iterable[Sequence[str]], path: Path) -> str:
    """Return the decimal sign of the numbers in some rows: a comma if some have one and none has a point.

    Raise DataError if every comma may as well separate thousands.
    """
    cells = [cell for row in rows for cell in row]
    commas = [cell for cell in cells if "," in cell and is_number(cell)]
    if not commas or any("." in cell and "," not in cell and is_number(cell) for cell in cells):
        return "."
    if all(map(_THOUSANDS.fullmatch, commas)):
        one, other = commas[0].replace(",", ".", 1), commas[0].replace(",", "")
        raise DataError(
            f"{path}: found {commas[0]!r}, which may mean {one} or {other}: say data.decimal=comma where it is the "
            "first, take the commas out where it is the second."
        )
    return ","
