"""A sheet: any table of labkit before it is written, with columns of a kind, rows of raw values, sentences below.

It is called so because a table is other things here too: a data format, what a sweep gives back, a class of rich.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, TypeVar

NOTHING = "-"  # what people read where there is no value; files have an empty field

# A value of a cell: whatever the two functions of its column's kind can write, a number, a `Summary`, ids of runs.
Cell: TypeAlias = Any
Plain = str | int | float | bool | None
Mark = Literal["", "best", "lost", "good", "bad"]
Item = TypeVar("Item")


@dataclass(frozen=True)
class Kind:
    """A way to write the values of a column: one text for people, one plain value or several for files.

    A kind never meets None or "", the values of an empty cell.

    Attributes:
        text: Value -> its text, without any signs of a format.
        plain: Value -> plain values at full precision, one for each field of the column.
        screen: Value -> a shorter text for a terminal; None: `text`.
        markdown: Value -> Markdown, escaped; None: `text`, which is then escaped.
        runs: True where the values are ids of runs, which a page links.
    """

    text: Callable[[Cell], str] = str
    plain: Callable[[Cell], Sequence[Plain]] = lambda value: (value,)
    screen: Callable[[Cell], str] | None = None
    markdown: Callable[[Cell], str] | None = None
    runs: bool = False


TEXT = Kind()


@dataclass(frozen=True)
class Column:
    """A column of a sheet.

    Attributes:
        head: Name that people read; None: the column is in files only.
        kind: Kind of its values.
        fields: Names of its columns in files; None: one, called as the head; () for a column that files do not have.
        right: True for alignment to the right.
        whole: True where a terminal may not break its cells into lines.
        yields: Order in which columns leave a narrow terminal, the highest first; 0 stays.
    """

    head: str | None
    kind: Kind = TEXT
    fields: tuple[str, ...] | None = None
    right: bool = False
    whole: bool = False
    yields: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its columns in files."""
        return (self.head or "",) if self.fields is None else self.fields

    def text(self, value: Cell) -> str:
        """Return a value as people read it."""
        return _cell_text(value, self.kind.text)

    def screen(self, value: Cell) -> str:
        """Return a value as a terminal shows it."""
        return _cell_text(value, self.kind.screen or self.kind.text)

    def plain(self, value: Cell) -> list[Plain]:
        """Return a value as files have it, one for each of `names`."""
        if value is None or value == "":
            return [value, *[None] * (len(self.names) - 1)][: len(self.names)]
        return list(self.kind.plain(value)) if self.names else []


def _cell_text(value: Cell, write: Callable[[Cell], str]) -> str:
    if value is None:
        return NOTHING
    return "" if value == "" else write(value)


def in_files(name: str) -> Column:
    """Return a column of plain values that only files have."""
    return Column(None, fields=(name,))


@dataclass(frozen=True)
class Sheet:
    """A table.

    Attributes:
        columns: Columns, in order.
        rows: Values, a row as long as `columns`.
        title: Heading; "" for none.
        about: Words beside the heading.
        warnings: Sentences below that tell of faults.
        notes: Sentences below that say how to read it.
        marks: Mark by which a row stands out, one for each row; () for none.
        left_out: Phrases that say what this excerpt lacks: `12 more rows`.
        ruled: Head of a column; a terminal draws a line where its value changes.
    """

    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    title: str = ""
    about: str = ""
    warnings: Sequence[str] = ()
    notes: Sequence[str] = ()
    marks: Sequence[Mark] = ()
    left_out: Sequence[str] = ()
    ruled: str = ""

    @property
    def shown(self) -> list[Column]:
        """The columns that people see."""
        return [column for column in self.columns if column.head is not None]

    @property
    def heads(self) -> list[str]:
        """The heads of those columns."""
        return [column.head for column in self.columns if column.head is not None]

    @property
    def fields(self) -> list[str]:
        """The columns of files."""
        return [name for column in self.columns for name in column.names]

    def cells(self, write: Callable[[Column, Cell], str] = Column.text) -> list[list[str]]:
        """Return the shown cells, row by row, each written by `write`."""
        return [
            [write(column, value) for column, value in zip(self.columns, row, strict=True) if column.head is not None]
            for row in self.rows
        ]

    def records(self) -> list[list[Plain]]:
        """Return the rows of files: plain values in the order of `fields`."""
        return [
            [plain for column, value in zip(self.columns, row, strict=True) for plain in column.plain(value)]
            for row in self.rows
        ]

    def mark(self, row: int) -> Mark:
        """Return the mark by which a row stands out; "" for none."""
        return self.marks[row] if self.marks else ""

    def without(self, drop: Callable[[Column, list[str]], bool]) -> Sheet:
        """Return the sheet without the shown columns that `drop` picks by the column and its texts."""
        gone = {
            i
            for i, column in enumerate(self.columns)
            if column.head is not None and drop(column, [column.text(row[i]) for row in self.rows])
        }
        kept = [i for i in range(len(self.columns)) if i not in gone]
        rows = [[row[i] for i in kept] for row in self.rows]
        return replace(self, columns=[self.columns[i] for i in kept], rows=rows)


def sheet_of(
    items: Iterable[Item],
    columns: Sequence[tuple[Column, Callable[[Item], object]]],
    *,
    title: str = "",
    warnings: Sequence[str] = (),
    notes: Sequence[str] = (),
    marks: Sequence[Mark] = (),
    ruled: str = "",
) -> Sheet:
    """Return a sheet with a row for each item.

    Args:
        items: Things that the rows are about.
        columns: Columns, each with the function that takes its value from an item.
        title: Heading; "" for none.
        warnings: Sentences below that tell of faults.
        notes: Sentences below that say how to read it.
        marks: Mark of each row; () for none.
        ruled: Head of a column; a terminal draws a line where its value changes.
    """
    rows = [[value(item) for _, value in columns] for item in items]
    heads = [column for column, _ in columns]
    return Sheet(heads, rows, title, warnings=warnings, notes=notes, marks=marks, ruled=ruled)


def join_sheets(sheets: Sequence[Sheet]) -> Sheet:
    """Return what files have of sheets with equal `fields` as one, whatever people see of each."""
    columns = [in_files(name) for name in sheets[0].fields]
    return Sheet(columns, [record for sheet in sheets for record in sheet.records()])
