"""This process's connection to the store: one tracker, opened as early as possible and closed at the end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from labkit.tracking import tags
from labkit.tracking.client import Tracker
from labkit.tracking.store import default_store

# Environment variables that a multirun hands to its jobs, under any launcher.
PARENT_RUN = "LABKIT_PARENT_RUN"  # the parent run's id
STUDY, STAGE, TRIAL = "LABKIT_STUDY", "LABKIT_STAGE", "LABKIT_TRIAL"  # of a search, by name, name and number
STUDY_OF_TRIAL = "LABKIT_STUDY_OF_TRIAL"  # Optuna's name of the stage's study
PRUNED_BY = "LABKIT_PRUNED_BY"  # the storage through which a trial hears that it is given up; unset: never
CODE = "LABKIT_CODE"  # the versions of one's own code that the multirun was checked with
FINAL = "final"  # the last stage of a search: the winner, trained on the final split
TAGS = {STUDY: tags.STUDY, STAGE: tags.STAGE, TRIAL: tags.TRIAL}

_trackers: dict[tuple[int, str], Tracker] = {}
_kept = False


def tracker(root: Path) -> Tracker:
    """The tracker for the store under `root`; the first call starts the writer, whose imports take a second."""
    uri, artifacts = default_store(root)
    key = (os.getpid(), uri)  # a forked worker needs its own
    if key not in _trackers:
        _trackers[key] = Tracker(uri, artifacts)
    return _trackers[key]


def start_writer(config: DictConfig) -> None:
    """Start the writer early: it imports MLflow while this process imports torch; it writes nothing before a run."""
    enabled, root = (OmegaConf.select(config, key) for key in ("tracker.enabled", "paths.root"))
    if enabled is True and isinstance(root, str):
        tracker(Path(root))


def settle() -> None:
    """Wait until everything sent so far is in the store, at the end of a job in a launcher's worker process.

    Raises TrackingError if something was lost.
    """
    for key in [key for key in _trackers if key[0] == os.getpid()]:
        _trackers[key].settle()


@contextmanager
def kept() -> Iterator[None]:
    """Keep the trackers between the multiruns inside the `with`: each waits for its values, none for a new writer."""
    global _kept
    before, _kept = _kept, True
    try:
        yield
    finally:
        _kept = before


def close() -> None:
    """Wait until everything is written; raises TrackingError if something was lost."""
    if _kept:
        settle()
        return
    for key in [key for key in _trackers if key[0] == os.getpid()]:
        _trackers.pop(key).close()


def abandon(error: Exception) -> None:
    """End the runs that an exception left open, such as the parent of a multirun with a failed job: FAILED."""
    for key in [key for key in _trackers if key[0] == os.getpid()]:
        _trackers.pop(key).__exit__(type(error), error, None)
