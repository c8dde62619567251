"""Runs of the same settings with an earlier version of one's own code or curves: never reused, and named."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from labkit import own_code
from labkit.tracking import session

CODE, SETTINGS = "labkit.code", "labkit.settings"  # tags of runs with code of one's own
CURVES = "labkit.published"  # the curves drawn beside a run's own: they change its figures and none of its numbers


class Known(Protocol):
    """What is asked of a plan or of a checked job; see `labkit.runs.plan.Plan`."""

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


def tags(job: Known) -> dict[str, str]:
    """What a run with code of one's own carries: `mine.py=1f0c... base.py=...`, and the hash of the rest."""
    code = {CODE: text(job.code), SETTINGS: job.settings_hash} if job.code else {}
    return code | ({CURVES: job.curves} if job.curves else {})


def shows(row: Mapping[str, Any], job: Known) -> bool:
    """Whether a finished run's figures have the curves that the job's would have."""
    return not job.curves or row["tags"].get(CURVES) == job.curves


def variables(job: Known) -> dict[str, str]:
    """What the job of a multirun is told of the code that it was checked with."""
    return {session.CODE: text(job.code)} if job.code else {}


def text(code: Mapping[str, str]) -> str:
    """Versions on one line."""
    return " ".join(f"{file}={version}" for file, version in code.items())


def versions(text: str) -> own_code.Versions:
    """Versions from one line."""
    return dict(part.rsplit("=", 1) for part in text.split())


def sentence(tracker: Any, jobs: Sequence[Known]) -> str:
    """Says which of the jobs have finished runs of other code or curves only; empty where there are none.

    Args:
        tracker: of the store.
        jobs: those that are to be trained, or were just now.
    """
    own = {job.settings_hash or job.config_hash: job for job in jobs if job.code or job.curves}
    older = {
        settings: row
        for row in _of_one_settings(tracker, own.values())
        if (settings := _settings(row)) in own
        and (row["tags"]["labkit.config_hash"] != own[settings].config_hash or not shows(row, own[settings]))
    }
    files = {file for settings, row in older.items() for file in _changed(row, own[settings])}
    if not files:
        return ""
    are = "1 run with the same settings is" if len(older) == 1 else f"{len(older)} runs with the same settings are"
    return f"{are} of an earlier version of {_listed(files)}: trained again."


def _of_one_settings(tracker: Any, jobs: Iterable[Known]) -> list[Any]:
    """Finished runs with code of one's own, and those stored before runs took note of it."""
    jobs = list(jobs)
    found = []
    if any(job.code for job in jobs):
        found += tracker.find(f"tags.`{CODE}` LIKE '%' and attributes.status = 'FINISHED'")
    for shape in sorted({job.shape for job in jobs}):
        rows = tracker.find(f"tags.`labkit.shape` = '{shape}' and attributes.status = 'FINISHED'")
        found += [row for row in rows if CODE not in row["tags"]]
    return found


def _changed(row: Mapping[str, Any], job: Known) -> list[str]:
    told = row["tags"]
    code = own_code.changed(versions(told.get(CODE, "")), job.code)
    curves = [] if shows(row, job) else [job.curves.rpartition("=")[0]]
    return code + curves


def _settings(row: Mapping[str, Any]) -> str:
    found: str = row["tags"].get(SETTINGS) or row["tags"].get("labkit.config_hash", "")
    return found


def _listed(files: Iterable[str]) -> str:
    names = sorted(files)
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more files" if len(names) > 3 else "")
