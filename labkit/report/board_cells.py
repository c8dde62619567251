"""A leaderboard as heads and cells, and sentences that say how to read them."""

from __future__ import annotations

from collections.abc import Sequence

from labkit.report import cells as write
from labkit.report.diagnoses import by_setting
from labkit.report.leaderboard import Entry, Leaderboard, Section
from labkit.report.statistics import FEWEST
from labkit.tracking.quantities import scale

INTERVAL = "95% interval"
DIFFERENCE = "difference to the baseline"


def cells(board: Leaderboard, section: Section, limit: int | None = None) -> tuple[list[str], list[list[str]]]:
    """Heads and cells as people read them: rates in per cent, four digits, run ids cut to eight characters."""
    columns = _columns(board, section, section.entries[:limit])
    return [head for head, _ in columns], [list(line) for line in zip(*(column for _, column in columns), strict=True)]


def _columns(board: Leaderboard, section: Section, entries: Sequence[Entry]) -> list[tuple[str, list[str]]]:
    objective = board.objective
    columns = [
        ("rank", [str(entry.rank or write.NOTHING) for entry in entries]),
        (write.unit(objective), [write.spread(objective, entry.mean, entry.deviation) for entry in entries]),
    ]
    if any(entry.interval is not None for entry in entries):
        columns.append((INTERVAL, [write.interval(objective, entry.interval) for entry in entries]))
    if any(entry.tried > 1 for entry in entries):
        columns.append(("n", [count(entry) for entry in entries]))
    if board.baseline and not section.note:
        columns.append((DIFFERENCE, [_difference(objective, entry) for entry in entries]))
    for name in board.extra:
        columns.append((write.unit(name), [write.summary(name, entry.extra[name]) for entry in entries]))
    columns += [(key, [write.parameter(entry.params.get(key)) for entry in entries]) for key in section.keys]
    if any(entry.rank is None for entry in entries):
        columns.append(("status", [status(entry) for entry in entries]))
    return [*columns, ("runs", [" ".join(run_id[:8] for run_id in entry.run_ids) for entry in entries])]


def _difference(objective: str, entry: Entry) -> str:
    if entry.is_baseline or entry.difference is None:
        return "baseline" if entry.is_baseline else write.NOTHING
    fewer = f" ({entry.difference.n} of {len(entry.seeds)} seeds)" if entry.difference.n < len(entry.seeds) else ""
    return write.difference(objective, entry.difference) + fewer


def count(entry: Entry) -> str:
    """How many seeds are behind an entry's mean; none for one without a result."""
    return write.NOTHING if entry.rank is None else write.count(len(entry.seeds), entry.tried)


def status(entry: Entry) -> str:
    """FINISHED, or why there is no result, and of which seed."""
    return entry.status if entry.rank or not entry.seeds[0] else f"{entry.status}, seed {entry.seeds[0]}"


def reading(board: Leaderboard, section: Section) -> list[str]:
    """How the numbers of a section are to be read, a sentence each."""
    notes = []
    notes += of_seeds(board.objective, section.entries)
    if board.baseline and section.note:
        notes.append(f"No differences: {section.note}.")
    elif board.baseline:
        points = "percentage points, " if write.is_percent(board.objective) else ""
        notes.append(
            f"Difference to {board.baseline}: {points}paired over the seeds both have, with its 95% interval and the "
            "p-value of the paired t test (each row by itself, not corrected for the number of rows), where at least "
            "three seeds have one and it varies by more than one sample."
        )
    return [*by_setting(section.entries), *notes, *(f"Data: {remark}." for remark in section.remarks)]


def of_seeds(metric: str, entries: Sequence[Entry]) -> list[str]:
    """How means over seeds and their intervals are to be read; nothing where no entry has two seeds."""
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
    points = " or ".join(write.number(metric, step) for step in steps)
    return [f"{told}, and none where they differ by one sample at most (of {sizes} {part} samples: {points} points)."]


def apart(board: Leaderboard) -> str:
    """Why there are several lists; "" for one."""
    n = len(board.sections)
    return f"{n} data sets; results on different data do not compare, so each is ranked by itself." if n > 1 else ""
