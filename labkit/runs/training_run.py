"""One run, or several as one population: trained, recorded and shown."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Sequence

import torch

from labkit.engine.block import Outcome
from labkit.engine.loop import Progress
from labkit.engine.loop import train as train_population
from labkit.metrics import never_predicted
from labkit.report.progress import ProgressLine
from labkit.report.run_summary import RunSummary, show_run
from labkit.runs import commands, earlier_versions, executions, record
from labkit.runs.decision_regions import Film, Frames
from labkit.runs.diagnosis import Diagnosis, diagnosis
from labkit.runs.plan import Plan
from labkit.runs.pruning import Trial, hopeless, trial_of
from labkit.runs.record import Job, Place
from labkit.runs.result import Objective, Result
from labkit.tracking import session
from labkit.tracking.tracker import Run


def _of_earlier_versions(plan: Plan) -> str:
    """A sentence on stored runs of the same settings with other code, where the backend can tell."""
    tracker = session.tracker(plan.tracking, plan.paths.root)
    return earlier_versions.sentence(tracker, [plan]) if tracker.reads else ""


def objective(names: Sequence[str], result: Result) -> Objective | tuple[Objective, ...] | None:
    """Return what a search is told: the last values of the metrics `names`; None where one was never measured."""
    if any(name not in result.metrics for name in names):
        return None
    values = tuple(Objective(result.metrics[name], result.run_id, result.status) for name in names)
    return values if len(values) > 1 else values[0]


def train_plan(plan: Plan) -> Objective | tuple[Objective, ...] | None:
    """Train one plan in this process's environment; return what a search is told."""
    return objective(plan.objectives, execute(Job(plan, dict(os.environ))))


def execute(job: Job, quiet: bool = False) -> Result:
    """Train one job as a population of one.

    The run ends FINISHED, or FAILED or KILLED with the exception that ended it, which is raised.
    """
    result = execute_all([job], quiet=quiet)[0]
    if isinstance(result, Exception):
        raise result
    return result


def execute_all(
    jobs: Sequence[Job], quiet: bool = False, runs: Sequence[Run | None] | None = None
) -> list[Result | Exception]:
    """Train jobs of one structure as one population and record each; one result or failure per job, in order.

    Args:
        jobs: the members.
        quiet: print nothing.
        runs: Runs of the jobs in the store, where they have begun already.
    """
    runs = [record.start(job) for job in jobs] if runs is None else runs
    line = ProgressLine(quiet=quiet)
    watch = Watch(jobs, runs, line)
    try:
        record.await_store(jobs, runs)
        recipes, parts, root = [job.plan.recipe for job in jobs], jobs[0].plan.parts, jobs[0].plan.paths.root
        if not quiet and (sentence := executions.slower(recipes[0], parts, root)):
            print(f"labkit: {sentence}", file=sys.stderr)
        execution = executions.chosen(recipes, parts, root).execution
        outcomes = train_population(recipes, parts, watch, execution)
    except BaseException as error:
        for run in filter(None, runs):
            record.break_off(run, error)
        if not isinstance(error, Exception):
            raise
        return [error] * len(jobs)
    finally:
        line.finish()
    members = tuple(job.plan.config_hash for job in jobs)
    return [
        record_outcome(job, run, outcome, Place(members, m), m in watch.pruned, quiet, watch.film.frames[m])
        for m, (job, run, outcome) in enumerate(zip(jobs, runs, outcomes, strict=True))
    ]


def record_outcome(
    job: Job, run: Run | None, outcome: Outcome, place: Place, pruned: bool, quiet: bool, frames: Frames = ()
) -> Result | Exception:
    """Record how a job ended and show it, unless it is one of many; a failure to record is its own job's alone."""
    try:
        found = diagnosis(job.plan, outcome, pruned)
        if run is not None:
            record.end(job, run, outcome, place, pruned, found, frames)
        status = "PRUNED" if pruned else "DIVERGED" if outcome.diverged else "FINISHED"
        run_id = run.id if run is not None else ""
        result = Result(run_id, outcome.metrics, outcome.history, outcome.parameters, job.plan.config, status)
    except Exception as error:
        if run is not None:
            record.break_off(run, error)
        return error
    if not quiet and job.parent is None:
        said = _of_earlier_versions(job.plan) if run is not None else ""
        show_run(summary(job.plan, run_id, outcome, found, said))
    return result


class Watch:
    """Watches a population train: the progress line, every evaluation to the store, and who is to be pruned.

    Attributes:
        pruned: positions of the members that their search gave up.
        film: frames of the decision regions, for the members that asked for them.
    """

    def __init__(self, jobs: Sequence[Job], runs: Sequence[Run | None], line: ProgressLine) -> None:
        first = jobs[0].plan
        self._name = first.name if len(jobs) == 1 else f"{first.name} x {len(jobs)}"
        self._jobs, self._runs, self._line = jobs, runs, line
        self._trials: list[Trial | None] = [trial_of(job) for job in jobs]
        self._accuracy: float | None = None
        self._started = False
        self.pruned: set[int] = set()
        self.film = Film([job.plan for job in jobs])

    def __call__(self, step: Progress) -> Sequence[int] | None:
        if not self._started:
            self._line.start(step.total, self._name)
            self._started = True
        pruned = self._note(step) if step.rows else None
        if step.rows:
            self.film.note(step)
        if step.rows or self._line.due():
            loss = step.loss() if step.step else None
            self._line.update(step.step, loss=loss, val_accuracy=self._accuracy, lr=step.lr())
        return pruned

    def _note(self, step: Progress) -> Sequence[int]:
        """Hand the evaluation to the store and to the search; returns whom to stop."""
        accuracies = []
        for m, row in enumerate(step.rows):
            if row is None:
                continue
            run = self._runs[m]
            accuracies.append(row[1].get("val/accuracy", math.nan))
            if run is not None:
                run.log(*row)
        known = [accuracy for accuracy in accuracies if math.isfinite(accuracy)]
        self._accuracy = max(known) if known else None
        if any(run is not None for run in self._runs):
            next(run for run in self._runs if run is not None).check()
        if not 0 < step.step < step.total:
            return []
        stop = hopeless(self._trials, step.step, [row and row[1] for row in step.rows])
        self.pruned |= set(stop)
        return stop


def summary(ready: Plan, run_id: str, outcome: Outcome, found: Diagnosis, said: str) -> RunSummary:
    """The record of a finished run as its end-of-run table shows it."""
    root = ready.paths.root
    unseen = never_predicted(torch.from_numpy(outcome.confusion), ready.parts.class_names)
    suggested = ""
    if outcome.suggested_range is not None:
        suggested = "schedule.lr_min={:.3g} schedule.lr_max={:.3g}".format(*outcome.suggested_range)
    return RunSummary(
        name=ready.name,
        run_id=run_id,
        status="DIVERGED" if outcome.diverged else "FINISHED",
        metrics=outcome.metrics,
        seconds=outcome.metrics["time/seconds"],
        reproduce=ready.command,
        open_command=commands.pages(ready.tracking.store(root), root) if run_id and ready.tracking.has_pages else "",
        never_predicted=[] if outcome.diverged else unseen,
        notes=(*ready.data.notes, *found.notes, *found.details, *filter(None, [said])),
        measured=ready.measured,
        suggested=suggested,
    )
