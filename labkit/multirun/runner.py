"""Jobs through Hydra's launcher, unless the store already holds their results."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hydra.core.utils import JobReturn, JobStatus

from labkit.multirun import launchers
from labkit.multirun.callback import hooks
from labkit.multirun.configured_task import ConfiguredSweeper
from labkit.multirun.parent_run import environment_words
from labkit.runs import earlier_versions, pruning
from labkit.runs.standing import finished
from labkit.tracking.rows import RunRow
from labkit.tracking.tracker import Tracker
from labkit.words import Words

if TYPE_CHECKING:
    from labkit.runs.plan import Plan


@dataclass(frozen=True)
class Answer:
    """The end of a job.

    Attributes:
        values: Values of the objectives; None if there is none.
        status: FINISHED, DIVERGED, PRUNED or FAILED.
        run_id: Id in the store; empty if unknown.
        error: Exception of a failed job.
        before: True where an earlier call had trained it.
    """

    values: tuple[float, ...] | None
    status: str
    run_id: str = ""
    error: Exception | None = None
    before: bool = False


class Runner:
    """Launches the jobs of one multirun, batch after batch, and numbers them on.

    Attributes:
        returns: Returns of Hydra's launcher, one list per batch.
        before: Rows of the store for jobs that were finished before, by config hash.
    """

    def __init__(
        self, sweeper: ConfiguredSweeper, tracker: Tracker | None, objectives: Sequence[str], most: int | None = None
    ) -> None:
        self._sweeper, self._tracker, self._objectives, self._most = sweeper, tracker, objectives, most
        self._hooks = hooks(sweeper.hydra_context)
        self._number = 0
        self.returns: list[list[JobReturn]] = []
        self.before: dict[str, RunRow] = {}

    def __call__(
        self, jobs: Sequence[Plan], variables: Sequence[Mapping[str, str]], rerun: bool = False
    ) -> list[Answer]:
        """Train the jobs that the store does not hold yet.

        Args:
            jobs: Plans of the jobs.
            variables: Environment variables of each job.
            rerun: Train those too that are finished.

        Returns:
            An answer per job, in order.
        """
        done = {} if rerun or self._tracker is None else finished(self._tracker, jobs)
        self.before |= done
        answers: dict[int, Answer] = {
            i: from_row(done[job.config_hash], self._objectives)
            for i, job in enumerate(jobs)
            if job.config_hash in done
        }
        reused = [(variables[i], answer.run_id) for i, answer in answers.items()]
        if reused and self._tracker is not None:
            pruning.follow(self._tracker, reused, self._objectives[0])
        missing = [i for i in range(len(jobs)) if i not in answers]
        if self._tracker is not None and (said := earlier_versions.sentence(self._tracker, [jobs[i] for i in missing])):
            print(said, file=sys.stderr)
        size = self._most or launchers.at_once(self._sweeper.config) or len(missing) or 1
        common = launchers.variables(self._sweeper.config)
        for start in range(0, len(missing), size):
            batch = missing[start : start + size]
            told = [{**common, **earlier_versions.variables(jobs[i]), **variables[i]} for i in batch]
            rows = [(*jobs[i].words, *environment_words(**own)) for i, own in zip(batch, told, strict=True)]
            for i, answer in zip(batch, self.launch(rows, [jobs[i] for i in batch]), strict=True):
                answers[i] = answer
        return [answers[i] for i in range(len(jobs))]

    def launch(self, rows: Sequence[Words], plans: Sequence[Plan] = ()) -> list[Answer]:
        """Launch one batch of jobs, whatever the store holds.

        Args:
            rows: Override words of each job.
            plans: Plan of each job of labkit's, in order; a job in another process has to plan for itself.

        Returns:
            An answer per job, in order.
        """
        if self._hooks is not None:
            self._hooks.expect(plans, self._number)
        returns = list(self._sweeper.launcher.launch([list(words) for words in rows], initial_job_idx=self._number))
        self._number += len(rows)
        self.returns.append(returns)
        return [from_return(back) for back in returns]


def from_return(back: JobReturn) -> Answer:
    """Return the end of a job that a launcher gave back."""
    value = back._return_value  # the property prints to stderr and raises what a job failed with
    if back.status is not JobStatus.COMPLETED:
        error = value if isinstance(value, Exception) else RuntimeError(f"the job ended as {back.status.name}")
        return Answer(None, "FAILED", error=error)
    if value is None:
        return Answer(None, "FINISHED")
    first = value[0] if isinstance(value, tuple | list) else value
    values = tuple(float(v) for v in value) if isinstance(value, tuple | list) else (float(value),)
    return Answer(values, getattr(first, "status", "FINISHED"), getattr(first, "run_id", ""))


def from_row(row: RunRow, objectives: Sequence[str]) -> Answer:
    """Return the end of a job that the store holds."""
    measured = all(name in row.metrics for name in objectives)
    values = tuple(row.metrics[name] for name in objectives) if measured else None
    status = "DIVERGED" if row.diverged else "FINISHED"
    return Answer(values, status, row.run_id, before=True)
