"""A job's line to the search that proposed it: intermediate values go there, the word to stop comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labkit.tasks import session
from labkit.tasks.recording import Job


@dataclass(frozen=True)
class Trial:
    """The trial that a job is, and the metric its search watches."""

    handle: Any
    objective: str

    def hopeless(self, step: int, row: Mapping[str, float]) -> bool:
        """Report the evaluation after `step` updates; whether the search gives the trial up."""
        if self.objective not in row:
            return False
        self.handle.report(step, row[self.objective])
        return bool(self.handle.should_stop())


def trial_of(job: Job) -> Trial | None:
    """The job's trial; None for a job of no search, or of one that never prunes."""
    told = job.environment
    if not told.get(session.PRUNED_BY):
        return None
    from labkit.search.live import handle

    place = handle(told[session.PRUNED_BY], told[session.STUDY_OF_TRIAL], int(told[session.TRIAL]))
    return Trial(place, job.plan.objectives[0])
