"""Runs that are equal but for their seed become one entry, and entries get their ranks."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from labkit.report.statistics import Interval, Paired, Summary, summarise
from labkit.tracking.quantities import resolution, scale
from labkit.tracking.rows import IGNORED, SEED, RunRow


@dataclass(frozen=True)
class Entry:
    """One line: all finished runs that are equal but for their seed, or one run that has no result.

    Attributes:
        rank: Rank, 1 for the best, equal for ties (1, 2, 2, 4); None without a result.
        status: FINISHED, or why there is no result: FAILED, KILLED, RUNNING ..., DIVERGED, PRUNED, or NO VALUE where
            the objective was never logged.
        mean: Mean of the objective over seeds, in its own unit; NaN without a result.
        deviation: Sample standard deviation over seeds (n - 1); None for fewer than two seeds.
        seeds: Seeds with a result, in order of appearance; several runs of one seed count once, by their mean.
        tried: Number of seeds that were tried; more than `seeds` if some failed or diverged.
        params: Parameters that differ between the rows.
        extra: Further metric -> its summary over the seeds; the mean is NaN where it is missing.
        run_ids: Ids of the runs behind this line.
        name: Name of the first of them.
        interval: Low and high end of the 95% interval of the mean; None where `summarise` gives none.
        resolution: Step by which one sample moves the objective; 0 where it is unknown.
        values: Seed -> objective; empty without a result.
        difference: Difference to the baseline, paired by seed; None without a baseline or a result.
        is_baseline: True for the entry that the others are compared with.
        diagnoses: Sentences that its runs ended with, each once.
    """

    rank: int | None
    status: str
    mean: float
    deviation: float | None
    seeds: tuple[str, ...]
    tried: int
    params: Mapping[str, str]
    extra: Mapping[str, Summary]
    run_ids: tuple[str, ...]
    name: str
    interval: Interval | None = None
    resolution: float = 0.0
    values: Mapping[str, float] = field(default_factory=dict)
    difference: Paired | None = None
    is_baseline: bool = False
    diagnoses: tuple[str, ...] = ()


def contestants(rows: Iterable[RunRow], objective: str) -> list[RunRow]:
    """Return the rows that are runs of their own, without those that hold others together or speak for their seeds."""
    rows = list(rows)
    parents = {row.parent for row in rows}
    alone = [row for row in rows if not row.speaks_for_others]
    return [row for row in alone if objective in row.metrics or row.run_id not in parents]


def differing(rows: Iterable[RunRow], ignore: Sequence[str] = IGNORED) -> tuple[str, ...]:
    """Return the parameters that tell rows apart, but for the seed, in the order in which they are first met.

    A parameter that follows from others (a constructor and its own keys from the option of its group, a layer list from
    the keys it interpolates) is among them only where nothing else tells two rows apart.
    """
    params: list[Mapping[str, str]] = [row.params for row in rows]
    names = dict.fromkeys(name for mapping in params for name in mapping)
    wanted = (name for name in names if name != SEED and not name.startswith(tuple(ignore)))
    differ = [name for name in wanted if len({mapping.get(name) for mapping in params}) > 1]
    options = {name for name in differ if "." not in name}  # of groups that are compared as wholes
    follow = [name for name in differ if _follows(name, options, params)]
    found = [name for name in differ if name not in follow]
    for name in follow:
        if len(_settings(params, [*found, name])) > len(_settings(params, found)):
            found.append(name)
    return tuple(found)


def _follows(name: str, options: set[str], params: Sequence[Mapping[str, str]]) -> bool:
    # A key that only some rows have belongs to an option of its group: that option tells the rows apart already.
    only_some = any(name not in mapping for mapping in params)
    layers = name == "model.layers" or name.startswith("model.layers.")
    return layers or name.endswith("._target_") or (only_some and name.partition(".")[0] in options)


def _settings(params: Sequence[Mapping[str, str]], names: Sequence[str]) -> set[tuple[str | None, ...]]:
    return {tuple(mapping.get(name) for name in names) for mapping in params}


def entries(
    rows: Iterable[RunRow],
    objective: str,
    *,
    maximise: bool,
    keys: Sequence[str],
    extra: Sequence[str] = (),
    shown: Sequence[str] | None = None,
) -> tuple[Entry, ...]:
    """Return entries, best first and those without a result last.

    Args:
        rows: Rows read from the store.
        objective: Metric that ranks, by its last value.
        maximise: True where more is better.
        keys: Parameters that tell one entry from another.
        extra: Further metrics to average.
        shown: Parameters that an entry names; None: `keys`.
    """
    groups: dict[tuple[str | None, ...], list[RunRow]] = {}
    for row in rows:
        groups.setdefault(tuple(row.params.get(key) for key in keys), []).append(row)
    shown = keys if shown is None else shown
    ranked, rest = [], []
    for members in groups.values():
        good = [row for row in members if row.outcome(objective) == "FINISHED"]
        if good:
            ranked.append(_entry(good, members, objective, shown, extra))
        bad = [row for row in members if row.outcome(objective) != "FINISHED"]
        rest += [_without_result(row, objective, shown, extra) for row in bad]
    ranked.sort(key=lambda entry: -entry.mean if maximise else entry.mean)
    rest.sort(key=lambda entry: entry.status)
    return (*ranks(ranked), *rest)


def _entry(
    rows: Sequence[RunRow], tried: Sequence[RunRow], objective: str, shown: Sequence[str], extra: Sequence[str]
) -> Entry:
    values = _seed_means(rows, objective)
    summary, step = summary_of(rows, objective), resolution(rows, objective)
    return Entry(
        rank=None,
        status="FINISHED",
        mean=summary.mean,
        deviation=summary.deviation,
        interval=summary.interval,
        resolution=step,
        values=values,
        seeds=tuple(values),
        tried=len({row.seed for row in tried}),
        params={key: rows[0].params[key] for key in shown if key in rows[0].params},
        extra={name: summary_of(rows, name) for name in extra},
        run_ids=tuple(row.run_id for row in rows),
        name=rows[0].name,
        diagnoses=tuple(dict.fromkeys(said for row in rows for said in row.diagnoses)),
    )


def _without_result(row: RunRow, objective: str, shown: Sequence[str], extra: Sequence[str]) -> Entry:
    entry = _entry([row], [row], objective, shown, extra)
    return replace(entry, status=row.outcome(objective), mean=math.nan, values={})


def summary_of(rows: Sequence[RunRow], metric: str) -> Summary:
    """Return a metric's mean and interval over the seeds of runs that are equal otherwise."""
    return summarise(_seed_means(rows, metric).values(), scale(metric), resolution(rows, metric))


def _seed_means(rows: Iterable[RunRow], metric: str) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for row in rows:
        found.setdefault(row.seed, []).append(row.metrics.get(metric, math.nan))
    return {seed: statistics.fmean(values) for seed, values in found.items()}


def ranks(ordered: Sequence[Entry]) -> list[Entry]:
    """Return the same entries with their ranks, equal for neighbours of equal means."""
    ranked: list[Entry] = []
    for place, entry in enumerate(ordered, start=1):
        tie = bool(ranked) and ranked[-1].mean == entry.mean
        ranked.append(replace(entry, rank=ranked[-1].rank if tie else place))
    return ranked
