"""A leaderboard as a terminal table, Markdown or CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from labkit.report import cells as write
from labkit.report.board_cells import apart, cells, reading
from labkit.report.leaderboard import Entry, Leaderboard

if TYPE_CHECKING:
    from rich.console import Group

_NO_ENDS = (None, None)
_ROWS = 50  # on a screen; the files have all


def show(board: Leaderboard) -> None:
    """Print a leaderboard."""
    from rich.console import Console

    Console().print(to_rich(board, _ROWS))


def to_rich(board: Leaderboard, limit: int | None = None) -> Group:
    """Tables for a terminal; what does not fit is left out, and named below."""
    from labkit.report.screen import tables

    return tables(board, limit)


def to_markdown(board: Leaderboard, limit: int | None = None) -> str:
    """Markdown tables; lines below say how values and ties are to be read."""
    text = f"{apart(board)}\n" if apart(board) else ""
    for section in board.sections:
        heads, lines = cells(board, section, limit)
        text += f"\n## {write.escape(section.data)}\n\n" if len(board.sections) > 1 else ""
        text += write.markdown_table(heads, lines, right=heads[:2])
        text += "".join(f"\n{note}\n" for note in reading(board, section))
    return text


def to_csv(board: Leaderboard) -> str:
    """Every entry with full precision and whole run ids; lists are separated by spaces."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    spread = ["standard_deviation", "interval_low", "interval_high", "n_seeds", "seeds_tried", "seeds"]
    gain = ["difference", "difference_low", "difference_high", "difference_n", "p_value"] if board.baseline else []
    extra = [head for name in board.extra for head in (name, f"{name} standard_deviation")]
    writer.writerow(["data", "rank", "status", board.objective, *spread, *gain, *extra, *board.keys, "name", "run_ids"])
    for section in board.sections:
        for entry in section.entries:
            values = [section.data, entry.rank, entry.status, known(entry.mean), *spread_values(entry)]
            values += difference_values(entry) if board.baseline else []
            values += extra_values(entry, board.extra)
            values += [entry.params.get(key) for key in board.keys]
            writer.writerow([*values, entry.name, " ".join(entry.run_ids)])
    return buffer.getvalue()


def known(value: float | None) -> float | None:
    """A number that is one; None, an empty cell, for NaN."""
    return value if value is not None and math.isfinite(value) else None


def extra_values(entry: Entry, metrics: Sequence[str]) -> list[object]:
    """The cells of two columns for each further metric: its mean and its standard deviation."""
    return [known(value) for name in metrics for value in (entry.extra[name].mean, entry.extra[name].deviation)]


def spread_values(entry: Entry) -> list[object]:
    """The cells of the columns standard_deviation, interval_low, interval_high, n_seeds, seeds_tried, seeds."""
    n_seeds = 0 if entry.rank is None else len(entry.seeds)
    return [entry.deviation, *(entry.interval or _NO_ENDS), n_seeds, entry.tried, " ".join(entry.seeds)]


def difference_values(entry: Entry) -> list[object]:
    """The cells of the columns difference, difference_low, difference_high, difference_n, p_value."""
    gain = entry.difference
    if gain is None:
        return [None] * 5
    return [gain.difference, *(gain.interval or _NO_ENDS), gain.n, gain.p_value]
