"""What a part's record keeps of its steps, and what it gives back."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest

from labkit.labs.command import CommandOutcome
from labkit.labs.step_record import rows_of, step_record, stored_step, wall_seconds
from labkit.tracking.rows import RunRow
from tests.stored import run_row


def row(run_id: str, stage: str | None, **metrics: float) -> RunRow:
    tags = {} if stage is None else {"stage": stage}
    found = {"val/accuracy": 0.5, "time/seconds": 2.0, **metrics}
    return run_row(run_id, tags, metrics=found, end_time=2000)


def ran(*rows: RunRow) -> CommandOutcome:
    return CommandOutcome(("sweeps=own",), 0, list(rows), 1.0)


def stored(step: CommandOutcome) -> dict[str, Any]:
    """The keys of a step in `steps.json`."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(step_record(step))))
    return plain


def test_a_step_gives_back_the_stages_that_its_runs_had_in_it() -> None:
    """One run in two stages of this search; its own tags name the search that trained it first."""
    step = step_record(ran(row("a", "coarse"), row("a", "fine"), row("b", "fine")))
    store = {run_id: row(run_id, "elsewhere") for run_id in "ab"}
    known = [(one.run_id, one.stage) for one in rows_of(step, store)]
    assert known == [("a", "coarse"), ("a", "fine"), ("b", "fine")]
    assert [one.run_id for one in rows_of(step, {"b": store["b"]})] == ["b"]


def test_a_run_in_two_stages_trained_and_opened_the_test_set_once() -> None:
    tested = {"test/accuracy": 0.5}
    step = step_record(ran(row("a", "confirm", **tested), row("a", "final", **tested)))
    assert (step.training, step.tested) == (2.0, ("a",))


def test_rows_of_an_earlier_version_keep_their_own_tags() -> None:
    plain = stored(ran(row("a", None)))
    del plain["stages"], plain["diagnoses"]
    assert rows_of(stored_step(plain), {"a": row("a", "coarse")})[0].tags == {"labkit.stage": "coarse"}
    assert rows_of(step_record(ran(row("a", None))), {"a": row("a", None)})[0].tags == {}


def test_a_step_comes_back_as_it_was_stored() -> None:
    step = ran(row("a", "coarse", **{"test/accuracy": 0.5}), row("b", None))
    plain = stored(step)
    assert list(plain) == ["command", "code", "seconds", "training", "run_ids", "stages", "tested", "diagnoses"]
    assert stored_step(plain) == step_record(step)


def test_a_record_that_does_not_count_openings_of_the_test_set_is_not_read() -> None:
    plain = stored(ran(row("a", None)))
    del plain["tested"]
    with pytest.raises(ValueError, match="tested"):
        stored_step(plain)


@pytest.mark.parametrize(
    ("spans", "seconds"),
    [
        ([], 0),
        ([(1000, 4000)], 3),
        ([(1000, 4000), (1000, 4000), (2000, 3000)], 3),  # members of a population
        ([(9000, 9500), (1000, 4000), (3000, 5000), (2000, None)], 4.5),  # two calls, and a run without an end
    ],
)
def test_wall_time_counts_overlaps_once(spans: list[tuple[int, int | None]], seconds: float) -> None:
    assert wall_seconds([run_row("r", start_time=start, end_time=end) for start, end in spans]) == seconds
