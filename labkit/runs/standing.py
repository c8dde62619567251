"""The stored run that counts for a job: the newest that finished, with equal numbers and with the figures asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from labkit.tracking.rows import RunRow
from labkit.tracking.tracker import Tracker


class Known(Protocol):
    """The attributes of a plan that are asked here; see `labkit.runs.plan.Plan`."""

    @property
    def config_hash(self) -> str: ...
    @property
    def shape(self) -> str: ...
    @property
    def settings_hash(self) -> str: ...
    @property
    def curves(self) -> str: ...
    @property
    def code(self) -> Mapping[str, str]: ...


def counts(row: RunRow, job: Known) -> bool:
    """Return whether a stored run is a job's result: it finished, has the job's numbers and draws the job's curves."""
    return row.finished and row.config_hash == job.config_hash and shows(row, job)


def shows(row: RunRow, job: Known) -> bool:
    """Return whether a run's figures have the curves that the job's would have."""
    return not job.curves or row.curves == job.curves


def standing(rows: Iterable[RunRow], jobs: Iterable[Known], *, any_end: bool = False) -> dict[str, RunRow]:
    """Return the run that counts for each job, by config hash: the newest that counts.

    Args:
        rows: Runs of the store in any order.
        jobs: Jobs; one without such a run is left out.
        any_end: True to take the newest run of a job however it ended, where none counts.
    """
    wanted = {job.config_hash: job for job in jobs}
    own = [row for row in sorted(rows, key=lambda row: row.start_time) if row.config_hash in wanted]
    newest = {row.config_hash: row for row in own} if any_end else {}
    return newest | {row.config_hash: row for row in own if counts(row, wanted[row.config_hash])}


def finished(tracker: Tracker, jobs: Sequence[Known]) -> dict[str, RunRow]:
    """Return the run that counts for each job, by config hash, among all of the store."""
    return standing((row for shape in sorted({job.shape for job in jobs}) for row in tracker.finished(shape)), jobs)
