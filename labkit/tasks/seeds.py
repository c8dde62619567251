"""`seeds=5`: every configuration on several seeds, and one row that speaks for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from labkit.tasks.jobs import Words, merged


def spread(rows: Sequence[Words], first: int, count: int) -> list[Words]:
    """Every row once per seed `first`, `first + 1`, ..., the seeds of a row side by side."""
    return [merged(row, [f"seed={seed}", "seeds=null"]) for row in rows for seed in range(first, first + count)]


def means(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The metrics of a row that speaks for several seeds.

    Each metric's mean under its own name, and beside it its sample `/deviation` and, where `summarise` gives one, the
    `/low` and `/high` end of the 95% interval of the mean; `seeds` is how many there are.

    Args:
        rows: of the runs, from the store, one per seed.
    """
    from labkit.report.entries import summary_of

    found: dict[str, float] = {"seeds": len(rows)}
    shared = set.intersection(*(set(row["metrics"]) for row in rows)) if rows else set()
    for name in sorted(shared):
        about = summary_of(rows, name)
        found[name] = about.mean
        if about.deviation is not None:
            found[f"{name}/deviation"] = about.deviation
        if about.interval is not None:
            found[f"{name}/low"], found[f"{name}/high"] = about.interval
    return found
