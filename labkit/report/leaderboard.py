"""Runs side by side: ranked by an objective, seeds averaged, only the parameters that differ. No store in sight."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

Row = Mapping[str, Any]  # {run_id, name, status, params: {str: str}, metrics: {str: float}, tags, parent}

SEED = "seed"
# What the config hash leaves out as well: where things lie and run, not what was computed.
IGNORED = ("paths.", "tracker.", "hydra.", "trainer.device", "task.", "model.layers")


@dataclass(frozen=True)
class Entry:
    """One line: all finished runs that are equal but for their seed, or one run that has no result.

    Attributes:
        rank: 1 for the best, equal for ties (1, 2, 2, 4); None without a result.
        status: FINISHED, or why there is no result: FAILED, KILLED, RUNNING ..., DIVERGED, or NO VALUE where the
            objective was never logged.
        mean: of the objective over seeds; NaN without a result.
        deviation: the sample standard deviation over seeds (n - 1); None for fewer than two seeds.
        seeds: with a result, in order of appearance; several runs of one seed count once, by their mean.
        tried: how many seeds were tried; more than `seeds` if some failed or diverged.
        params: the parameters that differ between the rows.
        extra: mean over seeds of each further metric; NaN where it is missing.
        run_ids: the runs behind this line.
        name: of the first of them.
    """

    rank: int | None
    status: str
    mean: float
    deviation: float | None
    seeds: tuple[str, ...]
    tried: int
    params: Mapping[str, str]
    extra: Mapping[str, float]
    run_ids: tuple[str, ...]
    name: str


@dataclass(frozen=True)
class Leaderboard:
    """Entries, best first and those without a result last; `keys` are the parameters that differ."""

    objective: str
    keys: tuple[str, ...]
    extra: tuple[str, ...]
    entries: tuple[Entry, ...]


def rank(
    rows: Sequence[Row],
    objective: str = "val/accuracy",
    *,
    maximise: bool | None = None,
    extra: Sequence[str] = (),
    ignore: Sequence[str] = IGNORED,
) -> Leaderboard:
    """Rank runs by the last value of `objective`.

    Args:
        rows: as read from the store. A run that only holds others together (it is some row's parent and has no value
            of its own) is no contestant.
        objective: a metric.
        maximise: unless given, everything but losses, costs and times is better the higher it is.
        extra: further metrics to show; one that no row has is left out.
        ignore: beginnings of parameter names that make no difference.
    """
    parents = {row.get("parent") for row in rows}
    rows = [row for row in rows if objective in row["metrics"] or row["run_id"] not in parents]
    if maximise is None:
        maximise = not objective.startswith("time/") and not objective.endswith(("/loss", "/cost"))
    keys = _differing([row["params"] for row in rows], tuple(ignore))
    extra = [name for name in extra if any(name in row["metrics"] for row in rows)]
    groups: dict[tuple[str | None, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row["params"].get(key) for key in keys), []).append(row)
    ranked, rest = [], []
    for members in groups.values():
        good = [row for row in members if _status(row, objective) == "FINISHED"]
        if good:
            ranked.append(_entry(good, members, "FINISHED", objective, keys, extra))
        bad = [row for row in members if _status(row, objective) != "FINISHED"]
        rest += [_entry([row], members, _status(row, objective), objective, keys, extra) for row in bad]
    ranked.sort(key=lambda entry: -entry.mean if maximise else entry.mean)
    rest.sort(key=lambda entry: entry.status)
    return Leaderboard(objective, keys, tuple(extra), (*_with_ranks(ranked), *rest))


def _status(row: Row, objective: str) -> str:
    if row["status"] != "FINISHED":
        return str(row["status"])
    if "labkit.diverged_at" in (row.get("tags") or {}):
        return "DIVERGED"
    if objective not in row["metrics"]:
        return "NO VALUE"
    return "FINISHED" if math.isfinite(row["metrics"][objective]) else "DIVERGED"


def _differing(params: Sequence[Mapping[str, str]], ignore: tuple[str, ...]) -> tuple[str, ...]:
    names = dict.fromkeys(name for mapping in params for name in mapping)
    wanted = (name for name in names if name != SEED and not name.startswith(ignore))
    return tuple(name for name in wanted if len({mapping.get(name) for mapping in params}) > 1)


def _entry(
    rows: Sequence[Row], group: Sequence[Row], status: str, objective: str, keys: Sequence[str], extra: Sequence[str]
) -> Entry:
    seeds = tuple(dict.fromkeys(_seed(row) for row in rows))
    values = _by_seed(rows, seeds, objective)
    return Entry(
        rank=None,
        status=status,
        mean=statistics.fmean(values) if status == "FINISHED" else math.nan,
        deviation=statistics.stdev(values) if status == "FINISHED" and len(values) > 1 else None,
        seeds=seeds,
        tried=len({_seed(row) for row in group}) if status == "FINISHED" else 1,
        params={key: rows[0]["params"][key] for key in keys if key in rows[0]["params"]},
        extra={name: statistics.fmean(_by_seed(rows, seeds, name)) for name in extra},
        run_ids=tuple(row["run_id"] for row in rows),
        name=rows[0]["name"],
    )


def _seed(row: Row) -> str:
    return str(row["params"].get(SEED, ""))


def _by_seed(rows: Sequence[Row], seeds: Sequence[str], metric: str) -> list[float]:
    found: dict[str, list[float]] = {seed: [] for seed in seeds}
    for row in rows:
        found[_seed(row)].append(row["metrics"].get(metric, math.nan))
    return [statistics.fmean(values) for values in found.values()]


def _with_ranks(entries: Sequence[Entry]) -> list[Entry]:
    ranked: list[Entry] = []
    for place, entry in enumerate(entries, start=1):
        tie = bool(ranked) and ranked[-1].mean == entry.mean
        ranked.append(replace(entry, rank=ranked[-1].rank if tie else place))
    return ranked
