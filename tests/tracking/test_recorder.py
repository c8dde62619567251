"""A store that fails under the writer: what is kept, what is given up, and that the status says so."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest

from labkit.tracking.recorder import Patience, Recorder
from labkit.tracking.tag import PROCESS


class Store:
    """Stands in for MlflowClient; fails with `errors` first, then records."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.metrics: list[Any] = []
        self.tags: dict[str, str] = {}
        self.status = ""

    def log_batch(self, run_id: str, metrics: Any, params: Any, tags: Any) -> None:
        """Record metrics and tags, all or none."""
        if self.errors:
            raise self.errors.pop(0)
        assert len(metrics) + len(params) + len(tags) <= 1000
        self.metrics += metrics
        self.tags |= {tag.key: tag.value for tag in tags}

    def set_tag(self, run_id: str, key: str, value: str) -> None:
        """Record a tag."""
        self.tags[key] = value

    def delete_tag(self, run_id: str, key: str) -> None:
        """Take a tag away; MLflow too raises where there is none."""
        del self.tags[key]

    def get_run(self, run_id: str) -> Any:
        """Return the run with its tags."""
        return SimpleNamespace(data=SimpleNamespace(tags=self.tags))

    def set_terminated(self, run_id: str, status: str, milliseconds: int) -> None:
        """Record the end."""
        self.status = status


FULL = RuntimeError("(sqlite3.OperationalError) database or disk is full")
LOCKED = RuntimeError("(sqlite3.OperationalError) database is locked")
REJECTED = RuntimeError("INVALID_PARAMETER_VALUE: no")


def recorder(store: Store, seconds: float, reports: list[Exception]) -> Recorder:
    """A recorder on the stand-in, with a budget for waiting."""
    return Recorder(store, "id", "artifacts", True, Patience(seconds), reports.append)  # type: ignore[arg-type]


def test_large_buffers_go_in_batches() -> None:
    """MLflow takes 1000 values at a time."""
    store, reports = Store(), []  # type: Store, list[Exception]
    run = recorder(store, 0, reports)
    for step in range(250):
        run.log(step, 0, {f"m{k}": float(k) for k in range(10)})
    assert run.flush() is None
    assert len(store.metrics) == 2500
    assert not reports


@pytest.mark.parametrize("error", [FULL, LOCKED])
def test_what_passes_loses_nothing(error: Exception) -> None:
    """A full disk or a lock keeps the values buffered; they are written at the next flush."""
    store, reports = Store(error), []  # type: Store, list[Exception]
    run = recorder(store, 0, reports)
    run.log(0, 0, {"a": 1.0})
    assert run.flush() is error
    run.finish("FINISHED", "", 1)
    assert len(store.metrics) == 1
    assert (store.status, reports, run.lost) == ("FINISHED", [], 0)


def test_the_last_flush_waits_a_little() -> None:
    """At the end of a run it is tried again within the budget."""
    store, reports = Store(LOCKED, LOCKED), []  # type: Store, list[Exception]
    run = recorder(store, 30, reports)
    run.log(0, 0, {"a": 1.0})
    run.finish("FINISHED", "", 1)
    assert (len(store.metrics), store.status) == (1, "FINISHED")


@pytest.mark.parametrize("error", [FULL, RuntimeError("401")])
def test_what_the_store_does_not_take_is_neither_lost_nor_ended(error: Exception) -> None:
    """Whoever has the spool is told; the run gets no status before all of it is there."""
    store, reports = Store(*[error] * 9), []  # type: Store, list[Exception]
    run = recorder(store, 0, reports)
    run.log(0, 0, {"a": 1.0, "b": 2.0})
    with pytest.raises(RuntimeError, match=re.escape(str(error))):
        run.finish("FINISHED", "", 1)
    assert (store.status, reports, run.lost, run.waiting) == ("", [], 0, 2)


def test_a_loss_is_told_and_never_ends_finished() -> None:
    """What the store refuses is reported, and the run ends FAILED with the count."""
    error = REJECTED
    store, reports = Store(error), []  # type: Store, list[Exception]
    run = recorder(store, 0, reports)
    run.log(0, 0, {"a": 1.0, "b": 2.0})
    run.finish("FINISHED", "", 1)
    assert reports == [error]
    assert store.status == "FAILED"
    assert store.tags["mlflow.note.content"] == "2 tracked values or files could not be stored."


@pytest.mark.parametrize(
    ("tags", "left"),
    [
        ({}, {}),
        ({"mlflow.note.content": "a word of the user's"}, {"mlflow.note.content": "a word of the user's"}),
        ({"mlflow.note.content": "killed", "labkit.note": "killed"}, {}),
    ],
)
def test_a_run_that_ended_well_does_not_say_why_it_was_given_up(tags: dict[str, str], left: dict[str, str]) -> None:
    """As where another process took it for dead, or an earlier call of its sweep failed."""
    store, reports = Store(), []  # type: Store, list[Exception]
    store.tags = dict(tags)
    recorder(store, 0, reports).finish("FINISHED", "", 1)
    assert (store.tags, store.status, reports) == (left, "FINISHED", [])


def test_a_reason_is_marked_as_ours() -> None:
    store, reports = Store(), []  # type: Store, list[Exception]
    recorder(store, 0, reports).finish("KILLED", "no word", 1)
    assert store.tags == {"mlflow.note.content": "no word", "labkit.note": "no word"}


def test_a_run_that_another_process_took_over_is_left_alone() -> None:
    store = Store()
    run = recorder(store, 0, [])
    assert not run.taken_over(), "nobody said who trains it"
    run.tag(PROCESS, "this one")
    run.flush()
    assert not run.taken_over()
    store.tags[PROCESS] = "another"
    assert run.taken_over()


def test_what_is_stored_is_not_stored_again() -> None:
    """A run that goes on sends its evaluations from the first one; each run says its last one twice."""
    from mlflow.entities import Metric

    store = Store()
    run = recorder(store, 0, [])
    run.take_up([Metric("a", 2.0, 0, 10), Metric("b", float("nan"), 0, 10)])
    for step, values in (
        (0, {"a": 1.0, "b": 1.0}),
        (10, {"a": 2.0, "b": float("nan"), "c": 3.0}),
        (20, {"a": 2.0, "b": 4.0}),
        (20, {"a": 2.0, "b": 4.0, "time/seconds": 5.0}),
        (20, {"a": float("nan"), "b": float("nan")}),  # ruined by the last update
    ):
        run.log(step, 0, values)
    run.flush()
    written = [(metric.key, metric.step, metric.value) for metric in store.metrics]
    assert [row[:2] for row in written] == [
        ("c", 10), ("a", 20), ("b", 20), ("time/seconds", 20), ("a", 20), ("b", 20),
    ]  # fmt: skip
    assert str(written[-2:]) == "[('a', 20, nan), ('b', 20, nan)]"
