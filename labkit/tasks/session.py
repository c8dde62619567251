"""This process's connection to the store: one tracker, opened as early as possible and closed at the end."""

from __future__ import annotations

import os
from pathlib import Path

from labkit.tracking.client import Tracker
from labkit.tracking.store import default_store

PARENT_RUN = "LABKIT_PARENT_RUN"  # environment variable: the parent run's id, handed to the jobs of a multirun

_trackers: dict[tuple[int, str], Tracker] = {}


def tracker(root: Path) -> Tracker:
    """The tracker for the store under `root`; the first call starts the writer, whose imports take a second."""
    uri, artifacts = default_store(root)
    key = (os.getpid(), uri)  # a forked worker needs its own
    if key not in _trackers:
        _trackers[key] = Tracker(uri, artifacts)
    return _trackers[key]


def close() -> None:
    """Wait until everything is written; raises TrackingError if something was lost."""
    for key in [key for key in _trackers if key[0] == os.getpid()]:
        _trackers.pop(key).close()
