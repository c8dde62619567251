"""Which stored run counts for a job, as a table of cases."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from labkit.runs.standing import counts, finished, standing
from labkit.tracking.rows import RunRow
from tests.stored import Store, job_plan, run_row

JOB = job_plan("h", shape="s")


def row(run_id: str, start: int, status: str = "FINISHED", **tags: str) -> RunRow:
    return run_row(run_id, {"config_hash": "h", "shape": "s", **tags}, status=status, start_time=start)


OLD, NEW = row("old", 1), row("new", 2)
CASES: list[tuple[str, list[RunRow], str, str, str]] = [
    # what is stored, its rows, the curves that the job draws; the run that counts, and the one that a board shows
    ("nothing", [], "", "", ""),
    ("one", [OLD], "", "old", "old"),
    ("two, the newest", [OLD, NEW], "", "new", "new"),
    ("in any order", [NEW, OLD], "", "new", "new"),
    ("diverged is an end", [row("d", 1, diverged_at="3")], "", "d", "d"),
    ("failed is none", [row("f", 1, "FAILED")], "", "", "f"),
    ("pruned is none", [row("p", 1, "KILLED", pruned_at="3")], "", "", "p"),
    ("running is none", [row("r", 1, "RUNNING")], "", "", "r"),
    ("a later failure takes nothing back", [OLD, row("f", 3, "FAILED")], "", "old", "old"),
    ("the newest of those without an end", [row("f", 1, "FAILED"), row("k", 2, "KILLED")], "", "", "k"),
    ("another configuration", [row("x", 1, config_hash="i")], "", "", ""),
    ("no configuration at all", [run_row("x", {"lab_part": "kth/ex3"})], "", "", ""),
    ("other curves", [row("c", 1, published="mine.yaml=1")], "mine.yaml=2", "", "c"),
    ("no curves", [OLD], "mine.yaml=2", "", "old"),
    ("the same curves", [row("c", 1, published="mine.yaml=2"), NEW], "mine.yaml=2", "c", "c"),
    ("curves that nobody asked for", [row("c", 1, published="mine.yaml=1")], "", "c", "c"),
]


@pytest.mark.parametrize(("stored", "curves", "expected", "shown"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_which_run_counts(stored: list[RunRow], curves: str, expected: str, shown: str) -> None:
    job = replace(JOB, curves=curves)
    ids: dict[str, Any] = {"h": expected} if expected else {}
    for found in (standing(stored, [job]), finished(Store(*stored), [job])):
        assert {key: one.run_id for key, one in found.items()} == ids
    assert {row.run_id for row in stored if counts(row, job)} >= {*ids.values()}
    board = {key: one.run_id for key, one in standing(stored, [job], any_end=True).items()}
    assert board == ({"h": shown} if shown else {})


def test_each_job_has_its_own() -> None:
    jobs = [JOB, replace(JOB, config_hash="i"), replace(JOB, config_hash="j", shape="t")]
    rows = [OLD, row("b", 1, config_hash="i"), row("c", 1, config_hash="j", shape="t")]
    assert {key: one.run_id for key, one in finished(Store(*rows), jobs).items()} == {"h": "old", "i": "b", "j": "c"}
