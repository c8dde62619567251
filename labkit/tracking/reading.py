"""Runs read back from the store, for reports and leaderboards. MLflow is imported on first use."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from labkit.tracking.aftermath import nothing_there, take_care
from labkit.tracking.open_queries import curves, searched
from labkit.tracking.rows import RunRow
from labkit.tracking.store import TrackingError, open_store, sentence, sqlite_file

if TYPE_CHECKING:
    from mlflow import MlflowClient


def runs(
    uri: str, *, experiments: Iterable[str] | None = None, where: str = "", run_ids: Iterable[str] | None = None
) -> list[RunRow]:
    """All matching runs, oldest first; none if the store does not exist yet (it is not created by looking).

    Args:
        uri: the store.
        experiments: names; all experiments if None. Unknown names match nothing.
        where: an MLflow search filter, such as "tags.`mlflow.parentRunId` = '...'" or "attributes.status = 'FAILED'".
        run_ids: only these.

    Raises:
        TrackingError: the store cannot be read, or the filter is not understood.
    """
    client = _client(uri)
    if client is None:
        return []
    try:
        wanted = None if run_ids is None else set(run_ids)
        found = searched(client, experiments, where)
    except Exception as error:
        raise TrackingError(sentence(uri, error)) from error
    return [row for row in found if wanted is None or row.run_id in wanted]


def history(uri: str, run_id: str, keys: Iterable[str] | None = None) -> dict[str, list[tuple[int, float]]]:
    """Return every value of a run's metrics: key -> [(updates done, value)], in order of updates; all keys if None.

    A step that was logged twice (a resumed run) appears once, with its latest value.

    Raises:
        TrackingError: There is no such store or run, or the store cannot be read.
    """
    client = _client(uri)
    if client is None:
        raise TrackingError(f"tracking store {uri}: there is none yet, so no run {run_id!r}.")
    try:
        wanted = list(keys) if keys is not None else sorted(client.get_run(run_id).data.metrics)
        return curves(client, run_id, wanted)
    except Exception as error:
        raise TrackingError(sentence(uri, error)) from error


def artifact(uri: str, run_id: str, name: str) -> bytes:
    """The content of one artifact. Raises TrackingError if there is none of that name."""
    import tempfile

    client = _client(uri)
    if client is None:
        raise TrackingError(f"tracking store {uri}: there is none yet, so no run {run_id!r}.")
    try:
        with tempfile.TemporaryDirectory(prefix="labkit-") as scratch:
            return Path(client.download_artifacts(run_id, name, scratch)).read_bytes()
    except Exception as error:
        raise TrackingError(f"run {run_id}: no artifact {name!r} ({sentence(uri, error)})") from error


def _client(uri: str) -> MlflowClient | None:
    """The open store, or None for a SQLite file that does not exist."""
    file = sqlite_file(uri)
    artifact_root = os.path.join(file.parent, "artifacts") if file else ""
    if nothing_there(uri, artifact_root):
        return None
    client = open_store(uri, artifact_root)
    take_care(client, uri, artifact_root)
    return client
