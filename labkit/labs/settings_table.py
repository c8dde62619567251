"""The settings that the steps of a part trained, one row for each: those behind its claims and all others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from labkit.labs.selection import Rows, matching
from labkit.report import cells, kinds
from labkit.report.board_layout import ENDS
from labkit.report.leaderboard import rank
from labkit.report.ranked_entries import Entry
from labkit.report.sheet import Cell, Column, Sheet
from labkit.report.statistics import Summary
from labkit.tracking.quantities import is_maximised
from labkit.tracking.rows import RunRow

METRICS = ("val/accuracy", "test/accuracy", "train/loss", "val/loss")
_FIRST, _LAST = 10, 3  # settings shown where a step, or a stage of a search, has many


def settings_sheet(steps: Mapping[str, Rows], further: Sequence[str] = ()) -> Sheet:
    """Return the settings of all steps of a part as a sheet.

    Args:
        steps: Runs of each step, by its name.
        further: Metrics beside `METRICS`.
    """
    columns = [
        *(Column("step"), Column("setting"), Column("n", kinds.TRIED, ("n", "tried"), right=True)),
        *(_metric_column(metric) for metric in (*METRICS, *further)),
        Column("runs", kinds.FIRST_RUN, right=True),
    ]
    return Sheet(columns, [line for step, rows in steps.items() for line in lines(step, rows, further)])


def _metric_column(metric: str) -> Column:
    return Column(
        cells.unit(metric), kinds.estimate(metric), (metric, *(f"{metric} {end}" for end in ENDS)), right=True
    )


def lines(step: str, rows: Rows, further: Sequence[str] = ()) -> Iterator[list[Cell]]:
    """Yield a step's settings as rows of the sheet, best first by the first of `METRICS` that its runs have.

    Each stage of a search is a group of its own. Of many settings the first and the last are shown. A run that checked
    something without training has a row for itself and one for each of its findings.

    Args:
        step: Name of the step.
        rows: Runs of the step.
        further: Metrics beside `METRICS`.
    """
    shown = (*METRICS, *further)
    for row in (row for row in rows if row.is_untrained):
        said = [check_summary(row), *row.found]
        yield from ([step, one, *[None] * (len(shown) + 1), (row.run_id,)] for one in said)
    trained = [row for row in rows if not row.speaks_for_others]
    for stage in dict.fromkeys(row.stage for row in trained):
        group = matching(trained, {}, stage) if stage else trained
        objective = next((metric for metric in METRICS if any(metric in row.metrics for row in group)), METRICS[0])
        extra = [metric for metric in shown if metric != objective]
        entries = rank(group, objective, maximise=is_maximised(objective), extra=extra).entries
        name = f"{step} ({stage})" if stage else step
        made = [_line(name, entry, objective, shown) for entry in entries]
        between = len(made) - _FIRST - _LAST
        if between > 0:
            made[_FIRST:-_LAST] = [[name, f"{between} more", *[""] * (len(shown) + 2)]]
        yield from made


def _line(name: str, entry: Entry, objective: str, shown: Sequence[str]) -> list[Cell]:
    """Return one setting as a row of the sheet."""
    setting = " ".join(f"{key.rpartition('.')[2]}={cells.brief(value)}" for key, value in entry.params.items())
    n = (len(entry.seeds), entry.tried)
    if entry.rank is None:
        setting, n = f"{setting} {entry.status}".strip(), (0, 0)
    found = {**entry.extra, objective: Summary(len(entry.seeds), entry.mean, entry.deviation, entry.interval)}
    return [name, setting, n, *(found.get(metric) for metric in shown), entry.run_ids]


def check_summary(row: RunRow) -> str:
    """Count what a run without training found: `659 checks, 0 failed: gradient`, `or_xor: 5 claims, 0 false`."""
    metrics = row.metrics
    if "checks" in metrics:
        return f"{metrics['checks']:.0f} checks, {metrics['checks_failed']:.0f} failed: {row.params['task.only']}"
    return f"{row.name}: {metrics['claims']:.0f} claims, {metrics['claims_false']:.0f} false"
