"""`task=compare`: the leaderboard of the runs in the store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from omegaconf import DictConfig

from labkit.config import ConfigError, Flag, nearest
from labkit.report.board_layout import show
from labkit.report.leaderboard import rank
from labkit.shipped import IN_FILE, defaults
from labkit.tracking.reading import runs
from labkit.tracking.rows import RunRow
from labkit.tracking.store import default_store

_EXTRA = ("test/accuracy", "time/seconds")


@defaults("task/compare")
def compare(
    *, metric: str = IN_FILE, minimise: Flag = IN_FILE, lab: str | None = None, baseline: str | None = None
) -> Callable[[DictConfig, Sequence[str]], None]:
    """Make the task that prints the runs in the store, best first, with the parameters that differ.

    Args:
        metric: Metric that ranks them.
        minimise: True where less is better; False: what is usual for the metric.
        lab: Lab whose runs alone are shown; None for all.
        baseline: Name or id of a run, or `key=value` words that pick a row; the others are compared with it by seed.

    Returns:
        The task. It raises ConfigError where there are no such runs.
    """

    def task(config: DictConfig, overrides: Sequence[str]) -> None:
        uri, _ = default_store(Path(config.paths.root))
        rows = _rows(runs(uri), uri, lab, metric)
        show(rank(rows, metric, maximise=False if minimise else None, extra=_EXTRA, baseline=baseline))

    return task


def _rows(rows: Sequence[RunRow], uri: str, lab: str | None, metric: str) -> list[RunRow]:
    """Return the runs of a lab, or all.

    Args:
        rows: Rows of the store.
        uri: Address of the store, for messages.
        lab: Name of a lab; None for all.
        metric: Metric that at least one of them must have.

    Raises:
        ConfigError: There are no such runs, or none of them has the metric.
    """
    if not rows:
        raise ConfigError(f"compare: there are no runs in {uri}.")
    labs = {row.experiment for row in rows}
    if lab is not None and lab not in labs:
        raise ConfigError(f"task.lab: there are no runs of lab {lab!r} in {uri}, {nearest(lab, labs)}")
    found = [row for row in rows if lab in (None, row.experiment)]
    metrics = {name for row in found if not row.speaks_for_others for name in row.metrics}
    if metric not in metrics:
        raise ConfigError(f"task.metric: no run has {metric!r}, {nearest(metric, metrics)}")
    return found
