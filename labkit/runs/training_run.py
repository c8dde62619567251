"""One run, or several as one population: trained, recorded and shown."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch

from labkit.engine.block import Outcome
from labkit.engine.loop import Progress
from labkit.engine.loop import train as train_population
from labkit.metrics import never_predicted
from labkit.report.progress import ProgressLine
from labkit.report.run_summary import RunSummary, show_run
from labkit.runs import commands, earlier_versions, executions, record
from labkit.runs.checkpoints import Checkpoints
from labkit.runs.decision_regions import Film, Frames
from labkit.runs.diagnosis import Diagnosis, diagnosis
from labkit.runs.own_exit import no_way_out
from labkit.runs.plan import Plan
from labkit.runs.pruning import Trial, catch_up, hopeless, trial_of
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


class Begun(NamedTuple):
    """Jobs whose training can start, or go on.

    Attributes:
        runs: Their runs in the store; None where nothing is recorded.
        checkpoints: The keeper of their checkpoints, which knows the state to go on from.
    """

    runs: Sequence[Run | None]
    checkpoints: Checkpoints


def begin(jobs: Sequence[Job], broken_off: Sequence[str | None] | None = None) -> Begun:
    """Start the runs of jobs of one structure, or go on with those that an earlier call left with a checkpoint.

    Args:
        jobs: The members.
        broken_off: Ids of runs of theirs to go on with in any case; None for none.

    Raises:
        ConfigError: `labkit resume=` names a training that cannot go on here.
    """
    checkpoints = Checkpoints(jobs)
    ids = checkpoints.run_ids if checkpoints.state is not None else broken_off or [None] * len(jobs)
    return Begun([record.start(job, run_id) for job, run_id in zip(jobs, ids, strict=True)], checkpoints)


def execute_all(jobs: Sequence[Job], quiet: bool = False, begun: Begun | None = None) -> list[Result | Exception]:
    """Train jobs of one structure as one population and record each; one result or failure per job, in order.

    Args:
        jobs: the members.
        quiet: print nothing.
        begun: Runs and checkpoints of the jobs, where they have begun already.
    """
    runs, checkpoints = begin(jobs) if begun is None else begun
    line = ProgressLine(quiet=quiet)
    watch = Watch(jobs, runs, line)
    try:
        record.await_store(jobs, runs)
        if not quiet:
            recipe, root = jobs[0].plan.recipe, jobs[0].plan.paths.root
            if sentence := executions.slower(recipe, jobs[0].plan.parts, root):
                print(f"labkit: {sentence}", file=sys.stderr)
        outcomes = train_jobs(jobs, watch, checkpoints)
    except BaseException as error:
        checkpoints.leave()
        for run in filter(None, runs):
            record.break_off(run, error)
        if not isinstance(error, Exception):
            raise
        return [error] * len(jobs)
    finally:
        line.finish()
    members = tuple(job.plan.config_hash for job in jobs)
    results = [
        record_outcome(job, run, outcome, Place(members, m), m in watch.pruned, quiet, watch.film.frames[m])
        for m, (job, run, outcome) in enumerate(zip(jobs, runs, outcomes, strict=True))
    ]
    if any(isinstance(result, Exception) for result in results):
        checkpoints.leave()  # what could not be recorded need not be trained again
    else:
        checkpoints.done()
    if checkpoints.late is not None:
        raise checkpoints.late
    return results


def train_jobs(jobs: Sequence[Job], watch: Watch, checkpoints: Checkpoints) -> list[Outcome]:
    """Train jobs of one structure as one population, from a checkpoint where there is one, and keep checkpoints.

    Args:
        jobs: The members.
        watch: Who watches them train.
        checkpoints: Who keeps the checkpoints.
    """
    recipes, parts = [job.plan.recipe for job in jobs], jobs[0].plan.parts
    execution = checkpoints.execution or executions.chosen(recipes, parts, jobs[0].plan.paths.root).execution
    total = recipes[0].trainer.length(len(parts.train), recipes[0].schedule).total
    training = None
    if checkpoints.state is not None:
        training = checkpoints.state["training"]
        watch.restore(checkpoints.state["observer"], training)
    with no_way_out(), checkpoints.watching(execution, total, watch.plain, watch.run_ids):
        return train_population(recipes, parts, watch, execution, checkpoints, training)


def record_outcome(
    job: Job, run: Run | None, outcome: Outcome, place: Place, pruned: bool, quiet: bool, frames: Frames = ()
) -> Result | Exception:
    """Record how a job ended and show it, unless it is one of many; a failure to record is its own job's alone."""
    try:
        found = diagnosis(job.plan, outcome, pruned)
        if run is not None:
            record.end(job, run, outcome, place, pruned, found, frames)
        status = "PRUNED" if pruned else "DIVERGED" if outcome.diverged else "FINISHED"
        if run is not None:
            run.begun()
        run_id = run.known_id if run is not None else ""
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

    def plain(self) -> dict[str, Any]:
        """Return what a watch of the same jobs goes on with."""
        return {"pruned": sorted(self.pruned), "frames": self.film.frames}

    def restore(self, value: Mapping[str, Any], training: Mapping[str, Any]) -> None:
        """Take over a result of `plain`, and send the evaluations so far: the store takes those that it lacks.

        Args:
            value: Result of `plain`.
            training: State of the training, which has the evaluations.
        """
        self.pruned, self.film.frames = set(value["pruned"]), value["frames"]
        histories = [history for block in training["blocks"] for history in block["state"]["histories"]]
        for run, history in zip(self._runs, histories, strict=True):
            if run is not None:
                for row in history:
                    run.log(*row)
        catch_up(self._trials, histories)

    def run_ids(self) -> list[str]:
        """Return the ids of the jobs' runs, empty where the store has not said them yet."""
        return [run.known_id if run is not None else "" for run in self._runs]

    def __call__(self, step: Progress) -> Sequence[int] | None:
        if not self._started:
            self._line.start(step.total, self._name, step.step)
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
