"""A sheet on a terminal of any width: columns that do not fit are left out in a fixed order, and named below."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labkit.report.sheet import Column, Sheet

if TYPE_CHECKING:  # rich is loaded when something is printed
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.table import Table

_GAP = 3  # characters between columns
_PIECE = re.compile(r"[-+.\d]+ \[[^]]*\]|\[[^]]*\]|[-.\d]+ ± \S+|\S+")  # what a line should not end inside of
_STYLES = {"": "", "best": "bold", "lost": "dim", "good": "green", "bad": "bold red"}


def to_terminal(sheet: Sheet) -> RenderableType:
    """Return the sheet as something that rich can print."""
    return _Screen(sheet)


@dataclass(frozen=True)
class _Screen:
    """A sheet that learns its width when it is printed."""

    sheet: Sheet

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Yield title, table and sentences for the width that rich has."""
        from rich.text import Text

        sheet = self.sheet
        lines = sheet.cells(Column.screen)
        needs = [_need(column, [line[i] for line in lines]) for i, column in enumerate(sheet.shown)]
        kept = _fitting(sheet.shown, needs, options.max_width)
        if sheet.title:
            yield Text(sheet.title, style="bold")
        yield self._table(lines, needs, kept, options.max_width)
        narrow = [head for i, head in enumerate(sheet.heads) if i not in kept]
        left_out = [*sheet.left_out, *[f"too narrow for: {', '.join(narrow)}"] * bool(narrow)]
        yield from (Text(sentence, style="yellow") for sentence in sheet.warnings)
        yield from (Text(sentence, style="dim") for sentence in (*sheet.notes, *["; ".join(left_out)] * bool(left_out)))

    def _table(self, lines: Sequence[Sequence[str]], needs: Sequence[int], kept: Sequence[int], width: int) -> Table:
        """Return the table of the columns that are kept."""
        from rich import box
        from rich.table import Table
        from rich.text import Text

        several = any("\n" in cell for line in lines for cell in line)
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_lines=several)
        fits = _width(needs, kept) - 1 <= width  # rich draws no gap behind the last column but an edge
        for i in kept:
            column, least = self.sheet.shown[i], needs[i] if fits else None
            table.add_column(
                Text(self.sheet.heads[i]),
                justify="right" if column.right else "left",
                overflow="fold",
                no_wrap=column.whole,
                min_width=least,
            )
        ruled = self.sheet.heads.index(self.sheet.ruled) if self.sheet.ruled else None
        for number, line in enumerate(lines):
            if ruled is not None and number and lines[number - 1][ruled] != line[ruled]:
                table.add_section()
            table.add_row(*(Text(line[i]) for i in kept), style=_STYLES[self.sheet.mark(number)])
        return table


def _fitting(columns: Sequence[Column], needs: Sequence[int], width: int) -> list[int]:
    """Return the places of the columns to show."""
    kept = list(range(len(columns)))
    for i in sorted((i for i in kept if columns[i].yields), key=lambda i: (-columns[i].yields, -i)):
        if _width(needs, kept) <= width:
            break
        kept.remove(i)
    return kept


def _width(needs: Sequence[int], kept: Sequence[int]) -> int:
    return sum(needs[i] + _GAP for i in kept)


def _need(column: Column, cells: Sequence[str]) -> int:
    """Return the width without which words, or intervals, would be broken."""
    pieces = [
        piece
        for cell in [column.head or "", *cells]
        for text in cell.splitlines()
        for piece in ([text] if column.whole else _PIECE.findall(text))
    ]
    return max(map(len, pieces), default=1)
