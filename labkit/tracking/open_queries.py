"""Questions answered from an open store."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from labkit.tracking import tag
from labkit.tracking.filters import mlflow_filter
from labkit.tracking.queries import Wanted
from labkit.tracking.rows import RunRow

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

PAGE = 1000  # runs per request


def matching(client: MlflowClient, wanted: Wanted) -> list[RunRow]:
    """Return the runs of an open store that a question asks for, oldest first."""
    if wanted.run_ids is not None and not wanted.run_ids:
        return []
    found = searched(client, wanted.experiments, mlflow_filter(wanted), wanted.deleted)
    return [row for row in found if wanted.fits(row)]


def searched(
    client: MlflowClient, experiments: Iterable[str] | None, where: str, deleted: bool = False
) -> list[RunRow]:
    """Return the runs of an open store that fit a filter of MLflow's, oldest first.

    Args:
        client: An open MLflow client.
        experiments: Names; None for all.
        where: The filter, empty for every run.
        deleted: Runs that were deleted and can still be restored, instead of those that were not.
    """
    names = _experiments(client, experiments, deleted)
    return [_row(run, names) for run in _search(client, list(names), where, deleted)]


def curves(client: MlflowClient, run_id: str, keys: Iterable[str]) -> dict[str, list[tuple[int, float]]]:
    """Return every value of a run's metrics `keys`: key -> [(updates done, value)], see `reading.history`."""
    found = {key: client.get_metric_history(run_id, key) for key in keys}
    return {
        key: sorted({m.step: m.value for m in sorted(curve, key=lambda m: m.timestamp)}.items())
        for key, curve in found.items()
    }


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
