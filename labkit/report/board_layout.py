"""A leaderboard as sheets, one for each data set, and sentences that say how to read them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from labkit.report import cells, kinds
from labkit.report.diagnoses import by_setting
from labkit.report.leaderboard import Entry, Leaderboard, Section
from labkit.report.sheet import NOTHING, Column, Kind, Mark, Sheet, in_files, join_sheets, sheet_of
from labkit.report.sheet_csv import to_csv
from labkit.report.sheet_markdown import to_markdown
from labkit.report.sheet_terminal import to_terminal
from labkit.report.statistics import FEWEST, Summary
from labkit.tracking.quantities import scale

if TYPE_CHECKING:
    from rich.console import Group, RenderableType

Columns = list[tuple[Column, Callable[[Entry], object]]]

INTERVAL = "95% interval"
DIFFERENCE = "difference to the baseline"
ENDS = ("standard_deviation", "interval_low", "interval_high")
_GAIN = ("difference", "difference_low", "difference_high", "difference_n", "p_value")
_ROWS, _KEYS = 50, 5  # rows and parameters on a screen; the files have all


def show(board: Leaderboard) -> None:
    """Print a leaderboard."""
    from rich.console import Console

    Console().print(board_terminal(board, _ROWS))


def board_terminal(board: Leaderboard, limit: int | None = None) -> Group:
    """Return tables for a terminal; what does not fit is left out, and named below."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = [Text(apart(board))] if apart(board) else []
    for section in board.sections:
        parts += [Text("")] if len(board.sections) > 1 else []
        parts.append(to_terminal(_excerpt(board, section, limit)))
    return Group(*parts)


def _excerpt(board: Leaderboard, section: Section, limit: int | None) -> Sheet:
    sheet = board_sheet(board, section, limit)
    hidden, rest = section.keys[_KEYS:], len(section.entries) - len(sheet.rows)
    left_out = [f"{rest} more rows"] * bool(rest)
    left_out += [f"{len(hidden)} more parameters differ: {', '.join(hidden)}"] * bool(hidden)
    shown = sheet.without(lambda column, _: column.kind is kinds.PARAMETER and column.head in hidden)
    return replace(shown, left_out=left_out)


def board_markdown(board: Leaderboard) -> str:
    """Return Markdown tables; lines below say how values and ties are to be read."""
    blocks = [f"{apart(board)}\n"] if apart(board) else []
    return "\n".join([*blocks, *map(to_markdown, board_sheets(board))])


def board_csv(board: Leaderboard) -> str:
    """Return every entry with full precision and whole run ids as CSV; lists are separated by spaces."""
    return to_csv(join_sheets(board_sheets(board)))


def board_sheets(board: Leaderboard) -> list[Sheet]:
    """Return a sheet for each data set; their files have the same columns."""
    return [board_sheet(board, section) for section in board.sections]


def board_sheet(board: Leaderboard, section: Section, limit: int | None = None) -> Sheet:
    """Return the entries of one data set, the first `limit` of them."""
    entries = section.entries[:limit]
    told, lost = any(entry.interval for entry in entries), any(entry.rank is None for entry in entries)
    seeds = any(entry.tried > 1 for entry in entries)
    columns: Columns = [
        (in_files("data"), lambda _: section.data),
        (Column("rank", right=True, whole=True), lambda entry: entry.rank),
        (in_files("status"), lambda entry: entry.status),
        *estimates(board.objective, INTERVAL if told else None),
        *seed_columns("n" if seeds else None, None),
        *([(_gain(board, section), lambda entry: entry)] if board.baseline else []),
        *further_columns(board.extra),
        *parameter_columns(section.keys, board.keys),
        (Column("status" if lost else None, fields=()), status),
        *run_columns(),
    ]
    return sheet_of(
        entries,
        columns,
        title=section.data if len(board.sections) > 1 else "",
        warnings=by_setting(section.entries),
        notes=reading(board, section),
        marks=marks(entries),
    )


def estimates(objective: str, interval: str | None) -> Columns:
    """Return the columns of the objective with its spread and, beside it, its 95% interval.

    Args:
        objective: Metric that ranks.
        interval: Head of the interval's column; None leaves the column out of what people see.
    """
    name, fields = cells.unit(objective), (objective, *ENDS)
    mean = Column(name, kinds.estimate(objective), fields, right=True, whole=True)
    ends = Column(interval, kinds.interval(objective), (), whole=True, yields=4)
    return [(mean, _summary), (ends, lambda entry: entry.interval)]


def seed_columns(n: str | None, seeds: str | None) -> Columns:
    """Return the columns that count and list the seeds behind a line.

    Args:
        n: Head of the count; None: in files only.
        seeds: Head of the list; None: in files only.
    """
    return [
        (Column(n, kinds.RANKED, ("n_seeds", "seeds_tried"), whole=True), _n),
        (Column(seeds, kinds.SEEDS, ("seeds",)), lambda entry: entry.seeds),
    ]


def further_columns(metrics: Iterable[str]) -> Columns:
    """Return a column for each further metric; times are the first to leave a narrow screen."""

    def one(name: str) -> tuple[Column, Callable[[Entry], object]]:
        fields, yields = (name, f"{name} standard_deviation"), 5 if name.startswith("time/") else 3
        return Column(cells.unit(name), kinds.further(name), fields, yields=yields), lambda entry: entry.extra[name]

    return [one(name) for name in metrics]


def parameter_columns(shown: Iterable[str], stored: Iterable[str]) -> Columns:
    """Return the columns of parameters: those that people see, then those of files, each in an order of its own."""

    def one(key: str, column: Column) -> tuple[Column, Callable[[Entry], object]]:
        return column, lambda entry: entry.params.get(key)

    seen = (one(key, Column(key, kinds.PARAMETER, (), yields=1)) for key in shown)
    return [*seen, *(one(key, in_files(key)) for key in stored)]


def run_columns() -> Columns:
    """Return the columns of a line's name, in files only, and of its runs."""
    runs = Column("runs", kinds.RUNS, ("run_ids",), whole=True, yields=2)
    return [(in_files("name"), lambda entry: entry.name), (runs, lambda entry: entry.run_ids)]


def marks(entries: Iterable[Entry]) -> list[Mark]:
    """Return the mark of each entry: `best`, `lost` for one without a result, else ""."""
    return ["lost" if entry.rank is None else "best" if entry.rank == 1 else "" for entry in entries]


def _summary(entry: Entry) -> Summary:
    return Summary(len(entry.seeds), entry.mean, entry.deviation, entry.interval)


def _n(entry: Entry) -> tuple[int, int]:
    return (0 if entry.rank is None else len(entry.seeds)), entry.tried


def _gain(board: Leaderboard, section: Section) -> Column:
    kind = Kind(lambda entry: _difference(board.objective, entry), _differences)
    return Column(None if section.note else DIFFERENCE, kind, _GAIN)


def _difference(objective: str, entry: Entry) -> str:
    if entry.is_baseline or entry.difference is None:
        return "baseline" if entry.is_baseline else NOTHING
    fewer = f" ({entry.difference.n} of {len(entry.seeds)} seeds)" if entry.difference.n < len(entry.seeds) else ""
    return cells.difference(objective, entry.difference) + fewer


def _differences(entry: Entry) -> list[float | None]:
    gain = entry.difference
    return [None] * 5 if gain is None else [gain.difference, *(gain.interval or (None, None)), gain.n, gain.p_value]


def status(entry: Entry) -> str:
    """Return FINISHED, or why there is no result, and of which seed."""
    return entry.status if entry.rank or not entry.seeds[0] else f"{entry.status}, seed {entry.seeds[0]}"


def reading(board: Leaderboard, section: Section) -> list[str]:
    """Return how the numbers of a section are to be read, a sentence each."""
    notes = of_seeds(board.objective, section.entries)
    if board.baseline and section.note:
        notes.append(f"No differences: {section.note}.")
    elif board.baseline:
        points = "percentage points, " if cells.is_percent(board.objective) else ""
        notes.append(
            f"Difference to {board.baseline}: {points}paired over the seeds both have, with its 95% interval and the "
            "p-value of the paired t test (each row by itself, not corrected for the number of rows), where at least "
            "three seeds have one and it varies by more than one sample."
        )
    return [*notes, *(f"Data: {remark}." for remark in section.remarks)]


def of_seeds(metric: str, entries: Sequence[Entry]) -> list[str]:
    """Return sentences on means over seeds and their intervals; none where no entry has two seeds.

    Args:
        metric: Metric that the entries are means of.
        entries: Entries of one table.
    """
    if all(entry.deviation is None for entry in entries):
        return []
    shape = {"share": " on the logit scale", "positive": " on the log scale", "real": ""}[scale(metric)]
    told = f"Mean ± sample standard deviation over n seeds; 95% interval of the mean by Student's t{shape}, "
    told += f"from {FEWEST} seeds on"
    steps = sorted({entry.resolution for entry in entries if entry.resolution}, reverse=True)
    if not steps:
        return [f"{told}, and none where the seeds do not differ."]
    part = {"val": "validation", "train": "training"}.get(name := metric.partition("/")[0], name)
    sizes = " or ".join(f"{round(1 / step):,}" for step in steps)
    points = " or ".join(cells.number(metric, step) for step in steps)
    return [f"{told}, and none where they differ by one sample at most (of {sizes} {part} samples: {points} points)."]


def apart(board: Leaderboard) -> str:
    """Return the reason why there are several lists; "" for one."""
    n = len(board.sections)
    return f"{n} data sets; results on different data do not compare, so each is ranked by itself." if n > 1 else ""
