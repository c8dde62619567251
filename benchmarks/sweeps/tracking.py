"""MLflow on SQLite: an empty store for a measurement, a peer's runs in it, and what a store holds at the end."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from benchmarks.sweeps.peer import Report
from benchmarks.sweeps.work import Work

STORE = Path("mlruns") / "mlflow.db"
History = dict[int, dict[str, float]]  # updates done -> metric -> value


def create(work: Work, folder: Path) -> None:
    """An empty store with the experiment of `work`: a user has one already, so nobody is charged for its tables."""
    from labkit.tracking.store import open_store

    client = open_store(f"sqlite:///{folder / STORE}", folder / "mlruns" / "artifacts")
    client.create_experiment(work.name)


def connect(work: Work) -> None:
    """Send this process's runs to the store in the working folder."""
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{STORE}")
    mlflow.set_experiment(work.name)


@contextmanager
def run(work: Work, value: float, report: Report) -> Iterator[str]:
    """One trial's run, open; yields its id. Opening and closing count as logging."""
    import mlflow

    with report.clock("logging"):
        active = mlflow.start_run(run_name=f"{work.key}={value!r}")
        mlflow.log_params({work.key: value, "activation": work.activation, "hidden": work.hidden})
    yield str(active.info.run_id)
    with report.clock("logging"):
        mlflow.end_run()


def log(step: int, row: dict[str, float]) -> None:
    """One evaluation of the open run."""
    import mlflow

    mlflow.log_metrics(row, step=step)


def log_history(run_id: str, history: Sequence[tuple[int, dict[str, float]]]) -> None:
    """All evaluations of a run at once, for a peer that has them only at the end."""
    from time import time_ns

    from mlflow import MlflowClient
    from mlflow.entities import Metric

    now = time_ns() // 1_000_000
    metrics = [Metric(key, value, now, step) for step, row in history for key, value in row.items()]
    MlflowClient().log_batch(run_id, metrics=metrics)


def histories(work: Work, file: Path) -> dict[float, History]:
    """Every finished trial in a store: value of the swept key to its evaluations."""
    found: dict[float, History] = {}
    with closing(sqlite3.connect(file)) as store:
        trials = store.execute(
            "select p.run_uuid, p.value from params p join runs r on r.run_uuid = p.run_uuid "
            "where p.key = ? and r.status = 'FINISHED'",
            (work.key,),
        ).fetchall()
        for run_id, value in trials:
            rows = store.execute(
                "select step, key, value, is_nan from metrics where run_uuid = ?", (run_id,)
            ).fetchall()
            if not rows or "," in value:  # the parent of a multirun: it holds the whole list
                continue
            history = found.setdefault(float(value), {})
            for step, key, number, is_nan in rows:
                history.setdefault(step, {})[key] = float("nan") if is_nan else number
    return found
