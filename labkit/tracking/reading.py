"""Runs read back from the store, for reports and leaderboards. MLflow is imported on first use."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from labkit import process
from labkit.tracking import tag
from labkit.tracking.filters import mlflow_filter
from labkit.tracking.queries import Wanted
from labkit.tracking.rows import RunRow
from labkit.tracking.store import TrackingError, open_store, sentence, sqlite_file

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

PAGE = 1000  # runs per request
DIED = "The training process ended without a word: it was killed or crashed."


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
        found = _matching(client, experiments, where)
    except Exception as error:
        raise TrackingError(sentence(uri, error)) from error
    return [row for row in found if wanted is None or row.run_id in wanted]


def matching(client: MlflowClient, wanted: Wanted) -> list[RunRow]:
    """Return the runs of an open store that a question asks for, oldest first."""
    if wanted.run_ids is not None and not wanted.run_ids:
        return []
    found = _matching(client, wanted.experiments, mlflow_filter(wanted), wanted.deleted)
    return [row for row in found if wanted.fits(row)]


def _matching(
    client: MlflowClient, experiments: Iterable[str] | None, where: str, deleted: bool = False
) -> list[RunRow]:
    names = _experiments(client, experiments, deleted)
    return [_row(run, names) for run in _search(client, list(names), where, deleted)]


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


def curves(client: MlflowClient, run_id: str, keys: Iterable[str]) -> dict[str, list[tuple[int, float]]]:
    """The same from an open store."""
    found = {key: client.get_metric_history(run_id, key) for key in keys}
    return {
        key: sorted({m.step: m.value for m in sorted(curve, key=lambda m: m.timestamp)}.items())
        for key, curve in found.items()
    }


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


def end_orphans(client: MlflowClient) -> None:
    """End the runs that a dead process of this machine left RUNNING: KILLED; in whatever command opens the store.

    A store that cannot be written is as good for reading; the next command tries again.
    """
    with suppress(Exception):
        for row in matching(client, Wanted(status="RUNNING")):
            owner = process.read(row.process)
            if owner is not None and process.dead(owner):
                for key in (tag.NOTE, tag.SHOWN_NOTE):
                    client.set_tag(row.run_id, key, DIED)
                client.set_terminated(row.run_id, "KILLED")


def _client(uri: str) -> MlflowClient | None:
    """The open store, or None for a SQLite file that does not exist."""
    file = sqlite_file(uri)
    if file is not None and not file.exists():
        return None
    client = open_store(uri, os.path.join(file.parent, "artifacts") if file else "")
    end_orphans(client)
    return client


def _experiments(client: MlflowClient, wanted: Iterable[str] | None, deleted: bool = False) -> dict[str, str]:
    """Experiment id -> name; with `deleted` also of experiments that were deleted."""
    from mlflow.entities import ViewType

    view = ViewType.ALL if deleted else ViewType.ACTIVE_ONLY
    names = None if wanted is None else set(wanted)
    found: dict[str, str] = {}
    token = None
    while True:
        page = client.search_experiments(view, max_results=PAGE, page_token=token)
        found |= {e.experiment_id: e.name for e in page if names is None or e.name in names}
        token = page.token
        if not token:
            return found


def _search(client: MlflowClient, experiment_ids: list[str], where: str, deleted: bool) -> list[Run]:
    from mlflow.entities import ViewType

    view = ViewType.DELETED_ONLY if deleted else ViewType.ACTIVE_ONLY
    found: list[Run] = []
    token = None
    while experiment_ids:
        page = client.search_runs(
            experiment_ids, where, view, max_results=PAGE, order_by=["attributes.start_time ASC"], page_token=token
        )
        found += page
        token = page.token
        if not token:
            break
    return found


def _row(run: Run, experiments: dict[str, str]) -> RunRow:
    tags = dict(run.data.tags)
    return RunRow(
        run_id=run.info.run_id,
        name=run.info.run_name,
        experiment=experiments[run.info.experiment_id],
        status=run.info.status,
        start_time=run.info.start_time,
        end_time=run.info.end_time,
        params=dict(run.data.params),
        metrics=dict(run.data.metrics),
        tags=tags,
        parent=tags.get(tag.PARENT),
    )
