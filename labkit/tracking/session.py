"""This process's connection to the store: one tracker, opened as early as possible and closed at the end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from labkit.config import ConfigError, build, plain
from labkit.tracking import tag
from labkit.tracking.settings import Tracking
from labkit.tracking.tracker import Tracker

# Environment variables that a multirun hands to its jobs, under any launcher.
PARENT_RUN = "LABKIT_PARENT_RUN"  # the parent run's id
STUDY, STAGE, TRIAL = "LABKIT_STUDY", "LABKIT_STAGE", "LABKIT_TRIAL"  # of a search, by name, name and number
STUDY_OF_TRIAL = "LABKIT_STUDY_OF_TRIAL"  # Optuna's name of the stage's study
PRUNED_BY = "LABKIT_PRUNED_BY"  # the storage through which a trial hears that it is given up; unset: never
CODE = "LABKIT_CODE"  # the versions of one's own code that the multirun was checked with
FINAL = "final"  # the last stage of a search: the winner, trained on the final split
TAGS = {STUDY: tag.STUDY, STAGE: tag.STAGE, TRIAL: tag.TRIAL}

_trackers: dict[tuple[int, str], Tracker] = {}
_kept = False


def tracker(tracking: Tracking, root: Path) -> Tracker:
    """Return this process's tracker of a store; the first call opens it, and MLflow's imports take a second.

    Args:
        tracking: Settings of what is recorded, and where.
        root: Key `paths.root`.
    """
    key = (os.getpid(), tracking.store(root))  # a forked worker needs its own
    if key not in _trackers:
        _trackers[key] = tracking.open(root)
    return _trackers[key]


def settings(config: DictConfig) -> Tracking:
    """Return what the key `tracker` of a composed configuration says; raises ConfigError."""
    node = config.get("tracker")
    keys = plain(node, resolve=True) if isinstance(node, DictConfig) else {}
    return build("tracker", keys, config.get("targets") or ())  # type: ignore[no-any-return]


def open_tracker(config: DictConfig) -> Tracker | None:
    """Return this process's tracker of what a configuration records; None where it records nothing.

    Raises:
        ConfigError: A key of `tracker` is wrong.
    """
    chosen = settings(config)
    return tracker(chosen, Path(config.paths.root)) if chosen.enabled else None


def start_writer(config: DictConfig) -> None:
    """Open the tracker early: its writer imports MLflow while this process imports torch, and writes nothing yet.

    What is wrong with the configuration is said where it is checked.
    """
    if isinstance(OmegaConf.select(config, "paths.root"), str):
        with suppress(ConfigError, OmegaConfBaseException):
            open_tracker(config)


def settle() -> None:
    """Wait until everything sent so far is in the store, at the end of a job in a launcher's worker process.

    Raises TrackingError if something was lost.
    """
    for key in [key for key in _trackers if key[0] == os.getpid()]:
        _trackers[key].settle()


@contextmanager
def keep_open() -> Iterator[None]:
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
        _trackers.pop(key).abandon(error)
