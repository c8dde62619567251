"""`seeds=5`: every configuration on several seeds, and one row that speaks for them."""

from __future__ import annotations

from collections.abc import Sequence

from labkit.multirun.composer import Composer, name_in_errors
from labkit.tracking.rows import RunRow
from labkit.words import Words, merged


def spread_over_seeds(rows: Sequence[Words], composer: Composer, count: int) -> list[Words]:
    """Return every row `count` times, with its own seed and those after it, the seeds of a row side by side.

    So `seed=0,5 seeds=2` is 0, 1, 5, 6. Raises ConfigError naming a row that cannot be composed.
    """
    spread_rows: list[Words] = []
    for number, row in enumerate(rows):
        with name_in_errors(number, row):
            first = composer(row).seed
        whole = isinstance(first, int) and not isinstance(
            first, bool
        )  # what is wrong is said when the jobs are checked
        seeds = range(first, first + count) if whole else [first]
        spread_rows += [merged(row, [f"seed={seed}", "seeds=null"]) for seed in seeds]
    return spread_rows


def means(rows: Sequence[RunRow]) -> dict[str, float]:
    """Return the metrics of a row that speaks for several seeds.

    Each metric's mean under its own name, and beside it its sample `/deviation` and, where `summarise` gives one, the
    `/low` and `/high` end of the 95% interval of the mean; `seeds` is how many there are.

    Args:
        rows: Rows of the store, one per seed.
    """
    from labkit.report.ranked_entries import summary_of

    found: dict[str, float] = {"seeds": len(rows)}
    shared = set.intersection(*(set(row.metrics) for row in rows)) if rows else set()
    for name in sorted(shared):
        about = summary_of(rows, name)
        found[name] = about.mean
        if about.deviation is not None:
            found[f"{name}/deviation"] = about.deviation
        if about.interval is not None:
            found[f"{name}/low"], found[f"{name}/high"] = about.interval
    return found
