"""The runs behind a search's trials: read by the ids that the study remembers, and compared with what it remembers."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from labkit.runs.plan import Plan
from labkit.search.results import StageResult
from labkit.search.trials import StoredTrial
from labkit.tracking.rows import RunRow
from labkit.tracking.tracker import Tracker

Runs = Mapping[str, RunRow]  # by id


def of_stages(tracker: Tracker, study: str, stages: Sequence[StageResult]) -> dict[str, RunRow]:
    """Return the runs of all trials, by id; a failed trial's by their tags, for a job that raises tells no id."""
    trials = [trial for stage in stages for trial in stage.trials]
    found = tracker.by_id(run_id for trial in trials for run_id in trial.run_ids)
    if any(trial.state == "failed" for trial in trials):
        found |= {row.run_id: row for row in tracker.failed(study)}
    return found


def behind(stage: str, trial: StoredTrial, runs: Runs) -> list[RunRow]:
    """Return the rows of one trial's runs, in the order of its seeds."""
    own = [runs[run_id] for run_id in trial.run_ids if run_id in runs]
    if trial.state != "failed":
        return own
    ids, mark = {row.run_id for row in own}, (stage, str(trial.number))
    return own + [
        row for row in runs.values() if row.status == "FAILED" and row.run_id not in ids and _mark(row) == mark
    ]


def _mark(row: RunRow) -> tuple[str, str]:
    return row.stage, row.trial


def lost(
    tracker: Tracker,
    place: str,
    objectives: Sequence[str],
    trials: Sequence[StoredTrial],
    jobs: Sequence[Sequence[Plan]],
) -> dict[str, str]:
    """Return why trials that ended count no longer, by key: the store lacks a result that the study remembers.

    A run that a search was told of may be missing from the store, or never have come to its end there: it was deleted,
    the store is another one, or the process that wrote it died first.

    Args:
        tracker: Tracker of the store.
        place: Address of the store, for the reader.
        objectives: Metrics whose values the study remembers.
        trials: Trials that ended.
        jobs: Jobs of each trial, as they would be run today.
    """
    ids = [run_id for trial in trials for run_id in trial.run_ids]
    runs = tracker.by_id(ids)
    gone = set(ids) - runs.keys()
    deleted = tracker.by_id(gone, deleted=True).keys() if gone else set[str]()
    found = {}
    for trial, own in zip(trials, jobs, strict=True):
        missing = gone.intersection(trial.run_ids)
        if missing:
            found[trial.key] = "its run was deleted" if missing & deleted else f"its run is not in the store {place}"
        elif reason := _reason(trial, own, objectives, runs):
            found[trial.key] = reason
    return found


def _reason(trial: StoredTrial, jobs: Sequence[Plan], objectives: Sequence[str], runs: Runs) -> str:
    """Return why a trial counts no longer although the store knows its runs; "" if it does."""
    if not trial.run_ids:
        return "trained without being recorded"
    rows = [runs[run_id] for run_id in trial.run_ids]
    broken = next((row for row in rows if not row.ended), None)
    if broken is not None:
        return f"its run did not finish: {broken.status} in the store"
    known = [row.config_hash for row in rows]
    if "" not in known and {job.config_hash for job in jobs} != {*known}:
        return "its settings, code or data changed"
    if trial.values is not None and not _agree(trial.values, rows, objectives):
        return f"its value is not that of {' and '.join(objectives)} in the store"
    return ""


def _agree(values: Sequence[float], rows: Sequence[RunRow], objectives: Sequence[str]) -> bool:
    """Return whether the values of a trial are the means of these metrics over its runs."""
    if len(values) != len(objectives):
        return False
    means = (statistics.fmean(row.metrics.get(name, math.nan) for row in rows) for name in objectives)
    return all(math.isclose(value, mean, rel_tol=1e-6) for value, mean in zip(values, means, strict=True))
