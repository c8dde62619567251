"""What a part's record keeps of its steps, and what it gives back."""

from __future__ import annotations

from labkit.labs.command import CommandOutcome
from labkit.labs.part_record import _step, rows_of
from labkit.tracking.rows import RunRow
from tests.stored import run_row


def row(run_id: str, stage: str | None, **metrics: float) -> RunRow:
    tags = {} if stage is None else {"stage": stage}
    found = {"val/accuracy": 0.5, "time/seconds": 2.0, **metrics}
    return run_row(run_id, tags, metrics=found, end_time=2000)


def ran(*rows: RunRow) -> CommandOutcome:
    return CommandOutcome(("sweeps=own",), 0, list(rows), 1.0)


def test_a_step_gives_back_the_stages_that_its_runs_had_in_it() -> None:
    """One run in two stages of this search; its own tags name the search that trained it first."""
    step = _step(ran(row("a", "coarse"), row("a", "fine"), row("b", "fine")))
    store = {run_id: row(run_id, "elsewhere") for run_id in "ab"}
    known = [(one.run_id, one.stage) for one in rows_of(step, store)]
    assert known == [("a", "coarse"), ("a", "fine"), ("b", "fine")]
    assert [one.run_id for one in rows_of(step, {"b": store["b"]})] == ["b"]


def test_a_run_in_two_stages_trained_and_opened_the_test_set_once() -> None:
    tested = {"test/accuracy": 0.5}
    step = _step(ran(row("a", "confirm", **tested), row("a", "final", **tested)))
    assert (step["training"], step["tested"]) == (2.0, ["a"])


def test_rows_of_an_earlier_version_keep_their_own_tags() -> None:
    step = {"run_ids": ["a"]}
    assert rows_of(step, {"a": row("a", "coarse")})[0].tags == {"labkit.stage": "coarse"}
    assert rows_of(_step(ran(row("a", None))), {"a": row("a", None)})[0].tags == {}
