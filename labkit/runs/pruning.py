"""The line of jobs to the search that proposed them: intermediate values go there, the word to stop comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labkit.engine.state import Row
from labkit.runs.record import Job
from labkit.tracking import session
from labkit.tracking.tracker import Tracker

if TYPE_CHECKING:
    from labkit.search.live import Handle


@dataclass(frozen=True)
class Trial:
    """The trial that a job is, and the metric its search watches."""

    handle: Handle
    objective: str


def hopeless(trials: Sequence[Trial | None], step: int, rows: Sequence[Mapping[str, float] | None]) -> list[int]:
    """Report one evaluation of jobs that train in step, all of them before any is judged; who is to be given up.

    Args:
        trials: One per job; None for a job that nobody prunes.
        step: Updates done.
        rows: The evaluation of each job; None for one that takes no part in it.

    Returns:
        Positions of the jobs to stop.
    """
    known = [
        (m, trial.handle, row[trial.objective])
        for m, (trial, row) in enumerate(zip(trials, rows, strict=True))
        if trial is not None and row is not None and trial.objective in row
    ]
    if not known:
        return []
    from labkit.search import live

    positions, handles, values = zip(*known, strict=True)
    live.report(handles, step, values)
    return [m for m, over in zip(positions, live.verdicts(handles), strict=True) if over]


def catch_up(trials: Sequence[Trial | None], histories: Sequence[Sequence[Row]]) -> None:
    """Report the evaluations of jobs that go on from a checkpoint; those that were reported before stay as they are.

    Args:
        trials: One per job; None for a job that nobody prunes.
        histories: Evaluations of each job so far.
    """
    pruned = [m for m, trial in enumerate(trials) if trial is not None]
    rows = {m: dict(histories[m]) for m in pruned}
    for step in sorted({step for known in rows.values() for step in known if step}):
        hopeless(trials, step, [rows.get(m, {}).get(step) for m in range(len(trials))])


def trial_of(job: Job) -> Trial | None:
    """The job's trial; None for a job of no search, or of one that never prunes."""
    told = job.environment
    if not told.get(session.PRUNED_BY):
        return None
    from labkit.search.live import handle

    place = handle(told[session.PRUNED_BY], told[session.STUDY_OF_TRIAL], int(told[session.TRIAL]))
    return Trial(place, job.plan.objectives[0])


def follow(tracker: Tracker, reused: Sequence[tuple[Mapping[str, str], str]], objective: str) -> None:
    """Let the pruner of a search know how runs fared that were trained before, as if they trained now.

    Args:
        tracker: Tracker of the store.
        reused: Environment variables that each job would have had, and the id of its run.
        objective: Metric that the search watches.
    """
    pruned = [(told, run_id) for told, run_id in reused if told.get(session.PRUNED_BY)]
    if not pruned:
        return
    from labkit.search.live import handle

    curves = tracker.histories([run_id for _, run_id in pruned], [objective])
    for (told, _), curve in zip(pruned, curves, strict=True):
        steps = dict(curve.get(objective, []))
        inner = {step: value for step, value in steps.items() if 0 < step < max(steps)}
        handle(told[session.PRUNED_BY], told[session.STUDY_OF_TRIAL], int(told[session.TRIAL])).follow(inner)
