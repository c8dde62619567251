"""What a stored run says of itself, and the questions that find it.

It also covers tag.py, queries.py and filters.py.
"""

from __future__ import annotations

import math
from dataclasses import fields

import pytest

from labkit.tracking import tag
from labkit.tracking.filters import mlflow_filter
from labkit.tracking.queries import Wanted
from labkit.tracking.rows import RunRow
from tests.stored import Store, run_row

FINISHED = run_row("a", metrics={"val/loss": 0.5, "val/cost": math.inf})


@pytest.mark.parametrize(
    ("row", "objective", "outcome"),
    [
        (FINISHED, "val/loss", "FINISHED"),
        (FINISHED, "val/cost", "DIVERGED"),
        (FINISHED, "val/accuracy", "NO VALUE"),
        (FINISHED.with_tags({"labkit.diverged_at": "7"}), "val/loss", "DIVERGED"),
        (FINISHED.with_tags({"labkit.diverged_at": "7"}), "val/accuracy", "DIVERGED"),
        (run_row("a", {"pruned_at": "7"}, status="KILLED", metrics={"val/loss": 0.5}), "val/loss", "PRUNED"),
        *((run_row("a", status=status), "val/loss", status) for status in ("FAILED", "KILLED", "RUNNING")),
    ],
)
def test_how_a_run_ended_for_who_asks_for_a_metric(row: RunRow, objective: str, outcome: str) -> None:
    assert row.outcome(objective) == outcome


@pytest.mark.parametrize("name", ["sweep", "seeds_of", "lab_part", "checks", "principle"])
def test_what_speaks_for_others_is_no_training(name: str) -> None:
    row = run_row("a", {name: "x"})
    assert row.speaks_for_others
    assert row.is_untrained is (name in ("checks", "principle"))
    assert not run_row("a", {"study": "x"}).speaks_for_others


def test_a_notebook_may_ask_for_an_attribute_by_its_name() -> None:
    assert [FINISHED[one.name] for one in fields(RunRow)] == [getattr(FINISHED, one.name) for one in fields(RunRow)]
    for name in ("outcome", "seed", "nothing"):
        with pytest.raises(KeyError):
            FINISHED[name]


def test_other_tags_leave_the_row_as_it_was() -> None:
    row = run_row("a", {"stage": "coarse", "study": "theirs"})
    assert row.with_tags({tag.STAGE: "fine"}).tags == {"labkit.stage": "fine", "labkit.study": "theirs"}
    assert row.stage == "coarse"


def test_each_tag_has_a_name_of_its_own() -> None:
    names = [value for key, value in vars(tag).items() if key.isupper()]
    assert len(names) == len({*names}) > 40
    assert all(name.startswith(("labkit.", "mlflow.")) for name in names)


ROWS = [
    run_row("a", {"study": "s", "config_hash": "h", "shape": "x", "mlflow.parentRunId": "p"}, start_time=5),
    run_row("b", {"study": "s", "shape": "x", "code": "mine.py=1"}, start_time=7),
    run_row("c", {"study": "s"}, status="FAILED"),
    run_row("d", {"study": "t", "sweep": "s"}, status="RUNNING", experiment="kth"),
    run_row("e", {"seeds_of": "m"}),
    run_row("f", {"part_definition": "q", "part_whole": "true"}),
    run_row("g", {"part_definition": "q", "part_whole": "false"}),
    run_row("gone", {"study": "s"}),
]


def test_questions_by_name() -> None:
    store = Store(*ROWS, deleted=["gone"])
    answers = {
        "a": store.children("p"),
        "d": store.find(Wanted(status="RUNNING")),
        "ab": store.finished("x"),
        "b": store.finished_with_code(),
        "abc": store.by_study("s"),
        "c": store.failed("s"),
        "e": store.seed_rows("m"),
        "f": store.whole_parts("q"),
    }
    assert ["".join(row.run_id for row in found) for found in answers.values()] == [*answers]
    assert [row.run_id for row in store.sweeps("s")] == ["d"]
    assert [row.run_id for row in store.since(6)] == ["b"]
    assert [row.run_id for row in store.find(Wanted(experiments=("kth", "none")))] == ["d"]
    assert {*store.by_id(["a", "gone", "none", "a'b"])} == {"a"}
    assert {*store.by_id(["a", "gone"], deleted=True)} == {"gone"}


def test_a_value_is_quoted_as_it_can_be() -> None:
    asked = Wanted(tags={"labkit.study": "it's"}, having=("labkit.code",), status="FAILED", since=3, run_ids=("a", "b"))
    assert mlflow_filter(asked) == (
        "tags.`labkit.study` = \"it's\" and tags.`labkit.code` LIKE '%' and attributes.status = 'FAILED' "
        "and attributes.start_time >= 3 and attributes.run_id IN ('a', 'b')"
    )
    assert mlflow_filter(Wanted(tags={"labkit.study": "both \" and '"})) == ""  # sorted out among what is found
