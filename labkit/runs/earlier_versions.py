"""Runs of the same settings with an earlier version of one's own code or curves: never reused, and named."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from labkit import own_code
from labkit.runs.standing import Known, counts, shows
from labkit.tracking import session, tag
from labkit.tracking.rows import RunRow
from labkit.tracking.tracker import Tracker


def tags(job: Known) -> dict[str, str]:
    """Return the tags of a run with code of one's own: `mine.py=1f0c... base.py=...`, and the hash of the rest."""
    code = {tag.CODE: text(job.code), tag.SETTINGS: job.settings_hash} if job.code else {}
    return code | ({tag.CURVES: job.curves} if job.curves else {})


def variables(job: Known) -> dict[str, str]:
    """Return the environment variables that tell a multirun's job of the code that it was checked with."""
    return {session.CODE: text(job.code)} if job.code else {}


def text(code: Mapping[str, str]) -> str:
    """Return versions on one line."""
    return " ".join(f"{file}={version}" for file, version in code.items())


def versions(text: str) -> own_code.Versions:
    """Return versions from one line."""
    return dict(part.rsplit("=", 1) for part in text.split())


def sentence(tracker: Tracker, jobs: Sequence[Known]) -> str:
    """Return which of the jobs have finished runs of other code or curves only; empty where there are none.

    Args:
        tracker: Tracker of the store.
        jobs: Jobs that are to be trained, or were just now.
    """
    own = {job.settings_hash or job.config_hash: job for job in jobs if job.code or job.curves}
    older = {
        settings: row
        for row in _of_one_settings(tracker, own.values())
        if (settings := row.settings_hash) in own and not counts(row, own[settings])
    }
    files = {file for settings, row in older.items() for file in _changed(row, own[settings])}
    if not files:
        return ""
    are = "1 run with the same settings is" if len(older) == 1 else f"{len(older)} runs with the same settings are"
    return f"{are} of an earlier version of {_listed(files)}: trained again."


def _of_one_settings(tracker: Tracker, jobs: Iterable[Known]) -> list[RunRow]:
    """Find finished runs with code of one's own, and those stored before runs took note of it."""
    jobs = list(jobs)
    found = tracker.finished_with_code() if any(job.code for job in jobs) else []
    for shape in sorted({job.shape for job in jobs}):
        found += [row for row in tracker.finished(shape) if not row.code]
    return found


def _changed(row: RunRow, job: Known) -> list[str]:
    code = own_code.changed(versions(row.code), job.code)
    curves = [] if shows(row, job) else [job.curves.rpartition("=")[0]]
    return code + curves


def _listed(files: Iterable[str]) -> str:
    names = sorted(files)
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more files" if len(names) > 3 else "")
