"""A leaderboard as a terminal table, Markdown or CSV."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import replace
from typing import TYPE_CHECKING

from labkit.report.leaderboard import Entry, Leaderboard

if TYPE_CHECKING:
    from rich.table import Table

RICH_KEYS = 5  # parameters that fit on a screen
_PERCENT = ("accuracy", "precision", "recall")


def _number(metric: str, value: float, digits: int = 2) -> str:
    if not math.isfinite(value):
        return "-"
    return f"{100 * value:.{digits}f}" if metric.endswith(_PERCENT) else f"{value:.4g}"


def _unit(metric: str) -> str:
    return f"{metric} (%)" if metric.endswith(_PERCENT) else metric


def _parameter(value: str | None) -> str:
    if value is None:
        return "-"
    if value.startswith("labkit."):  # a constructor: its own name says which option it is
        return value.rpartition(".")[2]
    try:
        return value if len(value) <= 8 else f"{float(value):.4g}"
    except ValueError:
        return value if len(value) <= 40 else f"{value[:37]}..."


def cells(board: Leaderboard, limit: int | None = None) -> tuple[list[str], list[list[str]]]:
    """Heads and cells as people read them: rates in per cent, four digits, run ids cut to eight characters."""
    troubled = any(entry.rank is None for entry in board.entries)
    seeded = any(entry.tried > 1 for entry in board.entries)
    heads = ["rank", _unit(board.objective), *["seeds"] * seeded, *map(_unit, board.extra), *board.keys]
    heads += ["status"] * troubled + ["runs"]
    lines = []
    for entry in board.entries[:limit]:
        line = [str(entry.rank or "-"), _value(board.objective, entry), *[_seeds(entry)] * seeded]
        line += [_number(name, entry.extra[name]) for name in board.extra]
        line += [_parameter(entry.params.get(key)) for key in board.keys]
        line += [entry.status] * troubled + [" ".join(run_id[:8] for run_id in entry.run_ids)]
        lines.append(line)
    return heads, lines


def _value(objective: str, entry: Entry) -> str:
    value = _number(objective, entry.mean)
    return value if entry.deviation is None else f"{value} ± {_number(objective, entry.deviation)}"


def _seeds(entry: Entry) -> str:
    if entry.rank is None:
        return f"seed {entry.seeds[0]}" if entry.seeds[0] else "-"
    n = len(entry.seeds)
    return str(n) if n == entry.tried else f"{n} of {entry.tried}"


def to_rich(board: Leaderboard, limit: int | None = None) -> Table:
    """A table for a terminal; with many differing parameters only the first ones, as many as a screen can hold."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    hidden = board.keys[RICH_KEYS:]
    heads, lines = cells(replace(board, keys=board.keys[:RICH_KEYS]), limit)
    left_out = max(len(board.entries) - len(lines), 0)
    notes = [f"{left_out} more rows"] * bool(left_out)
    notes += [f"{len(hidden)} more parameters differ: {', '.join(hidden)}"] * bool(hidden)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, caption=Text("; ".join(notes)) if notes else None)
    for place, head in enumerate(heads):
        table.add_column(Text(head), justify="right" if place < 2 else "left", overflow="fold", no_wrap=place < 2)
    for line, entry in zip(lines, board.entries, strict=False):
        style = "dim" if entry.rank is None else "bold" if entry.rank == 1 else ""
        table.add_row(*(Text(cell) for cell in line), style=style)
    return table


def to_markdown(board: Leaderboard, limit: int | None = None) -> str:
    """A Markdown table; a line below says how values and ties are to be read."""
    heads, lines = cells(board, limit)
    rows = [heads, ["---:", "---:", *["---"] * (len(heads) - 2)], *lines]
    text = "".join("| " + " | ".join(_escape(cell) for cell in row) + " |\n" for row in rows)
    if any(entry.deviation is not None for entry in board.entries):
        text += "\nMean ± sample standard deviation over seeds.\n"
    return text


def _escape(cell: str) -> str:
    return " ".join(cell.replace("\\", "\\\\").replace("|", "\\|").split())


def to_csv(board: Leaderboard) -> str:
    """Every entry with full precision and whole run ids; lists are separated by spaces."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    heads = ["rank", "status", board.objective, "standard_deviation", "n_seeds", "seeds_tried", "seeds"]
    writer.writerow([*heads, *board.extra, *board.keys, "name", "run_ids"])
    for entry in board.entries:
        n_seeds = 0 if entry.rank is None else len(entry.seeds)
        values = [entry.rank, entry.status, entry.mean, entry.deviation, n_seeds, entry.tried]
        lists = [" ".join(entry.seeds), *(entry.extra[name] for name in board.extra)]
        params = [entry.params.get(key) for key in board.keys]
        writer.writerow([*values, *lists, *params, entry.name, " ".join(entry.run_ids)])
    return buffer.getvalue()
