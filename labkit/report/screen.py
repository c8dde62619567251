"""A leaderboard on a terminal of any width: columns that do not fit are left out in a fixed order, and named below."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rich import box
from rich.console import Console, ConsoleOptions, Group, JustifyMethod, RenderableType
from rich.table import Table
from rich.text import Text

from labkit.report.board_cells import DIFFERENCE, INTERVAL, apart, cells, reading
from labkit.report.cells import unit
from labkit.report.diagnoses import by_setting
from labkit.report.leaderboard import Leaderboard, Section

KEYS = 5  # parameters that a screen is given at most
_GAP = 3  # characters between columns
_PIECE = re.compile(r"[-+.\d]+ \[[^]]*\]|\[[^]]*\]|[-.\d]+ ± \S+|\S+")  # what a line should not end inside of
_WHOLE = ("rank", INTERVAL, "n", "runs")  # never broken into lines


def tables(board: Leaderboard, limit: int | None = None) -> Group:
    """A table for each data set with the notes that belong to it.

    Args:
        board: what to show.
        limit: rows of each table.
    """
    parts: list[RenderableType] = [Text(apart(board))] if apart(board) else []
    for section in board.sections:
        if len(board.sections) > 1:
            parts.append(Text(f"\n{section.data}", style="bold"))
        parts.append(_Screen(board, section, limit))
    return Group(*parts)


@dataclass(frozen=True)
class _Screen:
    """A table that learns its width when it is printed."""

    board: Leaderboard
    section: Section
    limit: int | None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        hidden = self.section.keys[KEYS:]
        heads, lines = cells(self.board, replace(self.section, keys=self.section.keys[:KEYS]), self.limit)
        lines = [[*line[:-1], _first_id(line[-1])] for line in lines]
        kept = _fitting(heads, lines, options.max_width, [unit(name) for name in self.board.extra])
        yield self._table([heads[i] for i in kept], [[line[i] for i in kept] for line in lines])
        rest = len(self.section.entries) - len(lines)
        notes = [f"{rest} more rows"] * bool(rest)
        notes += [f"{len(hidden)} more parameters differ: {', '.join(hidden)}"] * bool(hidden)
        narrow = [head for i, head in enumerate(heads) if i not in kept]
        notes += [f"too narrow for: {', '.join(narrow)}"] * bool(narrow)
        faults = by_setting(self.section.entries)
        for note in [*reading(self.board, self.section), *(["; ".join(notes)] if notes else [])]:
            yield Text(note, style="yellow" if note in faults else "dim")

    def _table(self, heads: Sequence[str], lines: Sequence[Sequence[str]]) -> Table:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for place, head in enumerate(heads):
            right: JustifyMethod = "right" if place < 2 else "left"
            whole = place < 2 or head in _WHOLE
            width = _need(head, [line[place] for line in lines], whole)
            table.add_column(Text(head), justify=right, overflow="fold", no_wrap=whole, min_width=width)
        for line, entry in zip(lines, self.section.entries, strict=False):
            style = "dim" if entry.rank is None else "bold" if entry.rank == 1 else ""
            table.add_row(*map(Text, line), style=style)
        return table


def _first_id(runs: str) -> str:
    """The first run's id and how many more there are; files have them all."""
    first, *rest = runs.split() or [""]
    return f"{first} +{len(rest)}" if rest else first


def _fitting(heads: Sequence[str], lines: Sequence[Sequence[str]], width: int, extra: Sequence[str]) -> list[int]:
    """The columns to show. Times are the first to go, then ids, further metrics, the interval, parameters."""
    kept = list(range(len(heads)))
    needs = [_need(head, [line[i] for line in lines], whole=i < 2 or head in _WHOLE) for i, head in enumerate(heads)]
    staying = ("rank", heads[1], "n", "status", DIFFERENCE)
    order = [
        *(head for head in extra if head.startswith("time/")),
        INTERVAL,
        *reversed(extra),
        "runs",
        *reversed(heads),
    ]
    for head in dict.fromkeys(order):
        if sum(needs[i] + _GAP for i in kept) <= width:
            break
        if head in heads and head not in staying:
            kept.remove(heads.index(head))
    return kept


def _need(head: str, column: Sequence[str], whole: bool) -> int:
    """The width without which words, or intervals, would be broken."""
    pieces = [piece for text in [head, *column] for piece in ([text] if whole else _PIECE.findall(text))]
    return max(map(len, pieces), default=1)
