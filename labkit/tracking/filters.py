"""A question to the store in the words of MLflow's search."""

from __future__ import annotations

from labkit.tracking.queries import Wanted


def mlflow_filter(wanted: Wanted) -> str:
    """Return the search filter that finds what is wanted; what it cannot say it leaves out, so it may find more."""
    conditions = [f"tags.`{name}` = {quoted}" for name, value in wanted.tags.items() if (quoted := _quoted(value))]
    conditions += [f"tags.`{name}` LIKE '%'" for name in wanted.having]
    conditions += [f"attributes.status = '{wanted.status}'"] if wanted.status else []
    conditions += [f"attributes.start_time >= {wanted.since}"] if wanted.since else []
    if wanted.run_ids is not None:
        conditions.append(f"attributes.run_id IN ({', '.join(map(repr, wanted.run_ids))})")
    return " and ".join(conditions)


def _quoted(value: str) -> str:
    """Return a value in the quotes that it does not hold itself; empty where it holds both kinds."""
    return next((f"{quote}{value}{quote}" for quote in "'\"" if quote not in value), "")
