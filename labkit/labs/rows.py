"""Rows of a leaderboard picked by their parameters: for claims, and for the winners that later steps take over."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

from labkit.config import ConfigError
from labkit.labs.part import Reference
from labkit.report.entries import Entry
from labkit.report.leaderboard import rank

Rows = Sequence[Mapping[str, Any]]


def matching(rows: Rows, where: Mapping[str, Any], stage: str | None = None) -> Rows:
    """The rows with these parameters, a list of values meaning one of them, and of one stage where that is given."""
    kept = [row for row in rows if stage is None or (row.get("tags") or {}).get("labkit.stage") == stage]
    return [row for row in kept if all(_has(row["params"].get(key), value) for key, value in where.items())]


def best(rows: Rows, metric: str, maximise: bool | None = None) -> Entry | None:
    """The first row of the leaderboard by the mean of `metric` over seeds; None where no run has a result."""
    entries = rank(rows, metric, maximise=maximise).entries
    return entries[0] if entries else None


def diagnoses(rows: Rows) -> list[str]:
    """What runs said at their ends, kind by kind: how many diverged or stayed at ln K, and why the first of them."""
    kinds: dict[str, list[tuple[str, str]]] = {}
    for row in rows:
        if sentence := (row.get("tags") or {}).get("labkit.diagnosis"):
            kinds.setdefault(sentence.partition(":")[0], []).append((row["run_id"][:8], sentence))
    return [f"{len(kind)} of {len(rows)} runs, first {kind[0][0]}: {kind[0][1]}" for kind in kinds.values()]


def winner(reference: Reference, rows: Rows) -> dict[str, Any]:
    """The parameters that a step takes over from the winner among `rows`.

    Raises:
        ConfigError: no run has a result, or the winner lacks a parameter.
    """
    named = " and ".join(reference.steps)
    found = best(matching(rows, reference.where, reference.stage), reference.metric, reference.rule == "highest")
    if found is None or found.rank is None:
        raise ConfigError(f"takes: no run of step {named} has a {reference.metric} to choose by.")
    params = next(row["params"] for row in rows if row["run_id"] == found.run_ids[0])
    missing = [key for key in reference.keys if key not in params]
    if missing:
        raise ConfigError(f"takes: the winner of step {named} has no parameter {missing[0]!r}.")
    return {key: _value(params[key]) for key in reference.keys}


def _value(text: str) -> Any:
    """What the store keeps as text: a number, a list, true, null, or the text itself."""
    try:
        return None if text == "null" else ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _has(have: str | None, want: Any) -> bool:
    if isinstance(want, list) and not (have or "").startswith("["):
        return any(_has(have, value) for value in want)
    if have is None:
        return False
    try:
        return float(have) == float(want)
    except (TypeError, ValueError):
        return "".join(have.split()) == "".join(str(want).split())
