"""What the steps of a part trained, setting by setting: the rows behind its claims and those that no claim is about."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from labkit.labs.rows import Rows, matching
from labkit.report import cells as write
from labkit.report.entries import Entry, is_maximised, speaks_for_others
from labkit.report.leaderboard import rank

METRICS = ("val/accuracy", "test/accuracy", "train/loss", "val/loss")
HEADS = ("step", "setting", "n", *(write.unit(metric) for metric in METRICS), "runs")
_SHOWN = 10  # settings of a step, or of a stage of a search


def lines(step: str, rows: Rows) -> Iterator[list[str]]:
    """A step's settings as lines of a table, best first by the first of `METRICS` that its runs have.

    Of a search every stage is one group. What a step checked, without training, is a line for each of its runs.
    """
    for row in rows:
        if said := checked(row):
            yield [step, said, *[write.NOTHING] * (len(METRICS) + 1), f"`{row['run_id'][:8]}`"]
    trained = [row for row in rows if not speaks_for_others(row)]
    for stage in dict.fromkeys((row.get("tags") or {}).get("labkit.stage") for row in trained):
        group = matching(trained, {}, stage) if stage else trained
        objective = next((metric for metric in METRICS if any(metric in row["metrics"] for row in group)), METRICS[0])
        extra = [metric for metric in METRICS if metric != objective]
        entries = rank(group, objective, maximise=is_maximised(objective), extra=extra).entries
        name = f"{step} ({stage})" if stage else step
        yield from (_line(name, entry, objective) for entry in entries[:_SHOWN])
        if len(entries) > _SHOWN:
            yield [name, f"{len(entries) - _SHOWN} more", *[""] * (len(METRICS) + 2)]


def _line(name: str, entry: Entry, objective: str) -> list[str]:
    setting = " ".join(f"{key.rpartition('.')[2]}={write.parameter(value)}" for key, value in entry.params.items())
    n = write.count(len(entry.seeds), entry.tried)
    if entry.rank is None:
        setting, n = f"{setting} {entry.status}".strip(), "0"
    found = {objective: (entry.mean, entry.deviation)}
    found |= {metric: (summary.mean, summary.deviation) for metric, summary in entry.extra.items()}
    numbers = [write.spread(metric, *found.get(metric, (math.nan, None))) for metric in METRICS]
    rest = len(entry.run_ids) - 1
    return [name, setting, n, *numbers, f"`{entry.run_ids[0][:8]}`" + (f" +{rest}" if rest else "")]


def checked(row: Mapping[str, Any]) -> str:
    """What a run without training found: `659 checks, 0 failed`, `or_xor: 5 claims, 0 false`."""
    tags, metrics = row.get("tags") or {}, row["metrics"]
    if "labkit.checks" in tags:
        return f"{metrics['checks']:.0f} checks, {metrics['checks_failed']:.0f} failed: {row['params']['task.only']}"
    if "labkit.principle" in tags:
        return f"{row['name']}: {metrics['claims']:.0f} claims, {metrics['claims_false']:.0f} false"
    return ""
