"""Kinds of columns: metrics with their spread, intervals, seeds, settings, runs, commands, times."""

from __future__ import annotations

import math
from collections.abc import Iterable

from labkit.report import cells
from labkit.report.durations import duration
from labkit.report.sheet import NOTHING, Kind
from labkit.report.sheet_markdown import code
from labkit.report.statistics import Summary

_NO_ENDS = (None, None)


def estimate(metric: str) -> Kind:
    """Return the kind of a metric's summaries: mean ± deviation; in files mean, deviation, low and high end."""
    return Kind(lambda value: cells.spread(metric, value.mean, value.deviation), summary_fields)


def summary_fields(value: Summary) -> list[float | None]:
    """Return mean, deviation, low and high end of a summary, each None where there is none."""
    return [finite_or_none(value.mean), value.deviation, *(value.interval or _NO_ENDS)]


def further(metric: str) -> Kind:
    """Return the kind of summaries of a further metric: of a time the mean alone; in files mean and deviation."""
    return Kind(
        lambda value: cells.summary(metric, value),
        lambda value: (finite_or_none(value.mean), finite_or_none(value.deviation)),
    )


def interval(metric: str) -> Kind:
    """Return the kind of a metric's 95% intervals, (low, high)."""
    return Kind(lambda ends: cells.interval(metric, ends), lambda ends: ends)


def finite_or_none(value: float | None) -> float | None:
    """Return a finite number as it is; None, an empty cell, for NaN and infinity."""
    return value if value is not None and math.isfinite(value) else None


def _words(values: Iterable[str]) -> tuple[str]:
    return (" ".join(values),)


def _first(run_ids: tuple[str, ...]) -> str:
    return f"{run_ids[0][:8]}{_others(run_ids)}" if run_ids else ""


def _first_as_code(run_ids: tuple[str, ...]) -> str:
    return f"`{run_ids[0][:8]}`{_others(run_ids)}" if run_ids else ""


def _others(run_ids: tuple[str, ...]) -> str:
    return f" +{len(run_ids) - 1}" if len(run_ids) > 1 else ""


TRIED = Kind(lambda pair: cells.count(*pair), lambda pair: pair)  # (seeds with a result, seeds tried)
RANKED = Kind(lambda pair: cells.count(*pair) if pair[0] else NOTHING, lambda pair: pair)  # of a line without a result
SEEDS = Kind(cells.seeds, _words)
PARAMETER = Kind(cells.parameter)
RUNS = Kind(lambda run_ids: " ".join(run_id[:8] for run_id in run_ids), _words, screen=_first, runs=True)
FIRST_RUN = Kind(_first, _words, markdown=_first_as_code, runs=True)
SECONDS = Kind(lambda seconds: duration(seconds) if math.isfinite(seconds) else NOTHING)
COMMAND = Kind(markdown=code)
