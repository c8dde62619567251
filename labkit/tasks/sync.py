"""`task=sync`: what earlier commands could not store is put into the store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from omegaconf import DictConfig

from labkit.tracking.aftermath import take_care
from labkit.tracking.spool import spool_folder
from labkit.tracking.store import TrackingError, default_store, open_store


def sync() -> Callable[[DictConfig, Sequence[str]], None]:
    """Make the task that empties `mlruns/spool`, as any command that opens the store does by the way.

    Returns:
        The task. It raises TrackingError where the store does not take all of it.
    """

    def task(config: DictConfig, overrides: Sequence[str]) -> None:
        uri, artifact_root = default_store(Path(config.paths.root))
        folder = spool_folder(artifact_root)
        if not folder.is_dir():
            print("sync: nothing waits for the store.")
            return
        found = take_care(open_store(uri, artifact_root), uri, artifact_root, lambda line: print(f"sync: {line}"))
        kept = [left for left in found if left.reason]
        if kept:
            raise TrackingError(f"sync: {len(kept)} of {len(found)} spools under {folder} wait on; see above.")
        waiting = len(list(folder.glob("*"))) if folder.is_dir() else 0
        if waiting:
            print(
                f"sync: {waiting} spools belong to commands that are under way, to other machines or to other stores."
            )
        elif not found:
            print("sync: nothing waits for the store.")

    return task
