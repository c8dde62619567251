"""The runs behind a search's trials: read by the ids that the study remembers, and compared with what it remembers."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from labkit.multirun.parent_run import Checked
from labkit.search.results import StageResult
from labkit.search.trials import Trial

_AT_ONCE = 400  # ids in one question: below what any database takes as variables of a statement
Runs = Mapping[str, Any]  # by id


def by_id(tracker: Any, run_ids: Iterable[str], *, deleted: bool = False) -> dict[str, Any]:
    """The store's rows of these runs, whoever made them; ids that it does not know are left out.

    Args:
        tracker: Of the store.
        run_ids: In any order.
        deleted: Only runs that were deleted and can still be restored, else only those that were not.
    """
    ids = sorted({run_id for run_id in run_ids if run_id.isalnum()})
    found: dict[str, Any] = {}
    for start in range(0, len(ids), _AT_ONCE):
        listed = ", ".join(f"'{run_id}'" for run_id in ids[start : start + _AT_ONCE])
        rows = tracker.find(f"attributes.run_id IN ({listed})", deleted=deleted)
        found |= {row["run_id"]: row for row in rows}
    return found


def of_stages(tracker: Any, study: str, stages: Sequence[StageResult]) -> dict[str, Any]:
    """The runs of all trials, by id. Those of a failed trial are found by their tags: a job that raises tells no id."""
    trials = [trial for stage in stages for trial in stage.trials]
    found = by_id(tracker, (run_id for trial in trials for run_id in trial.run_ids))
    if any(trial.state == "failed" for trial in trials):
        failed = tracker.find(f"tags.`labkit.study` = '{study}' and attributes.status = 'FAILED'")
        found |= {row["run_id"]: row for row in failed}
    return found


def behind(stage: str, trial: Trial, runs: Runs) -> list[Any]:
    """The rows of one trial's runs, in the order of its seeds."""
    own = [runs[run_id] for run_id in trial.run_ids if run_id in runs]
    if trial.state != "failed":
        return own
    ids, mark = {row["run_id"] for row in own}, (stage, str(trial.number))
    return own + [
        row for row in runs.values() if row["status"] == "FAILED" and row["run_id"] not in ids and _mark(row) == mark
    ]


def _mark(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["tags"].get("labkit.stage", ""), row["tags"].get("labkit.trial", "")


def lost(
    tracker: Any, place: str, objectives: Sequence[str], trials: Sequence[Trial], jobs: Sequence[Sequence[Checked]]
) -> dict[str, str]:
    """Why trials that ended count no longer, by key: the store lacks a result that the study remembers.

    A run that a search was told of may be missing from the store, or never have come to its end there: it was deleted,
    the store is another one, or the process that wrote it died first.

    Args:
        tracker: Of the store.
        place: Where the store is, for the reader.
        objectives: Metrics whose values the study remembers.
        trials: That ended.
        jobs: Of each trial, as it would be run today.
    """
    ids = [run_id for trial in trials for run_id in trial.run_ids]
    runs = by_id(tracker, ids)
    gone = set(ids) - runs.keys()
    deleted = by_id(tracker, gone, deleted=True).keys() if gone else set[str]()
    found = {}
    for trial, own in zip(trials, jobs, strict=True):
        missing = gone.intersection(trial.run_ids)
        if missing:
            found[trial.key] = "its run was deleted" if missing & deleted else f"its run is not in the store {place}"
        elif reason := _reason(trial, own, objectives, runs):
            found[trial.key] = reason
    return found


def _reason(trial: Trial, jobs: Sequence[Checked], objectives: Sequence[str], runs: Runs) -> str:
    """Why a trial counts no longer although the store knows its runs; "" if it does."""
    if not trial.run_ids:
        return "trained without being recorded"
    rows = [runs[run_id] for run_id in trial.run_ids]
    broken = next((row for row in rows if not _ended(row)), None)
    if broken is not None:
        return f"its run did not finish: {broken['status']} in the store"
    known = [row["tags"].get("labkit.config_hash") for row in rows]
    if None not in known and {job.config_hash for job in jobs} != {*known}:
        return "its settings, code or data changed"
    if trial.values is not None and not _agree(trial.values, rows, objectives):
        return f"its value is not that of {' and '.join(objectives)} in the store"
    return ""


def _agree(values: Sequence[float], rows: Sequence[Any], objectives: Sequence[str]) -> bool:
    """Whether the values of a trial are the means of these metrics over its runs."""
    if len(values) != len(objectives):
        return False
    means = (statistics.fmean(row["metrics"].get(name, math.nan) for row in rows) for name in objectives)
    return all(math.isclose(value, mean, rel_tol=1e-6) for value, mean in zip(values, means, strict=True))


def _ended(row: Mapping[str, Any]) -> bool:
    """Whether a run came to its end, be it that its search gave it up: the status is written last."""
    return row["status"] == "FINISHED" or (row["status"] == "KILLED" and "labkit.pruned_at" in row["tags"])
