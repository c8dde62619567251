"""What a study remembers against what the store has: whose runs they are, and which of them count no longer."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from labkit.multirun import search_runs
from labkit.multirun.search_outcome import rows, tried
from labkit.runs.plan import Plan
from labkit.search.results import StageResult
from labkit.search.trials import StoredTrial
from labkit.tracking.rows import RunRow
from tests.stored import Store, job_plan, run_row

METRICS = {"val/accuracy": 0.5, "val/loss": 1.25}


def row(run_id: str, status: str = "FINISHED", config_hash: str = "h", **tags: str) -> RunRow:
    params = {"loss.l2": "0.1", "seed": "0"}
    return run_row(run_id, {"config_hash": config_hash, **tags}, status=status, params=params, metrics=METRICS)


def trial(*run_ids: str, state: str = "complete", number: int = 0) -> StoredTrial:
    values = (0.5,) if state == "complete" else None
    return StoredTrial(number, number, str(number), {"loss.l2": 0.1}, values, state, None, (), run_ids, "")


def jobs(*hashes: str) -> list[Plan]:
    return [job_plan(config_hash) for config_hash in hashes]


PRUNED = {"pruned_at": "9"}
REASONS: list[tuple[StoredTrial, Sequence[RunRow], str]] = [
    (trial("a"), [row("a")], ""),
    (trial("a", "b"), [row("a"), row("b", config_hash="i")], ""),
    (trial("a", state="diverged"), [row("a", diverged_at="3")], ""),
    (trial("a", state="pruned"), [row("a", "KILLED", **PRUNED)], ""),
    (trial("a"), [], "its run is not in the store here"),
    (trial("a"), [row("a", deleted="yes")], "its run was deleted"),
    (trial("a", "b"), [row("a"), row("b", config_hash="i", deleted="yes")], "its run was deleted"),
    (trial("a", state="pruned"), [row("a", "KILLED", deleted="yes", **PRUNED)], "its run was deleted"),
    (trial("a", state="diverged"), [row("a", deleted="yes")], "its run was deleted"),
    *(
        (trial("a"), [row("a", status)], f"its run did not finish: {status} in the store")
        for status in ("FAILED", "KILLED", "RUNNING")
    ),
    (trial("a", state="pruned"), [row("a", "RUNNING", **PRUNED)], "its run did not finish: RUNNING in the store"),
    (trial(), [], "trained without being recorded"),
    (trial("a"), [row("a", config_hash="old")], "its settings, code or data changed"),
    (trial("a", "b"), [row("a"), row("b")], "its settings, code or data changed"),  # one seed more is wanted
]


@pytest.mark.parametrize(("one", "stored", "why"), REASONS)
def test_why_a_trial_counts_no_longer(one: StoredTrial, stored: Sequence[RunRow], why: str) -> None:
    asked = jobs("h", "i") if len(one.run_ids) > 1 else jobs("h")
    store = Store(*stored, deleted=[row.run_id for row in stored if "labkit.deleted" in row.tags])
    assert search_runs.lost(store, "here", ["val/accuracy"], [one], [asked]) == ({one.key: why} if why else {})


def test_a_value_of_another_objective_counts_no_longer() -> None:
    store, why = Store(row("a")), "its value is not that of val/loss in the store"
    assert search_runs.lost(store, "here", ["val/loss"], [trial("a")], [jobs("h")]) == {"0": why}
    both = search_runs.lost(store, "here", ["val/accuracy", "val/loss"], [trial("a")], [jobs("h")])
    assert both == {"0": "its value is not that of val/accuracy and val/loss in the store"}


def test_a_thousand_runs_are_asked_for_in_portions() -> None:
    store = Store(*(row(f"r{i}") for i in range(1000)))
    trials = [trial(f"r{i}", number=i) for i in range(1000)]
    assert search_runs.lost(store, "here", ["val/accuracy"], trials, [jobs("h")] * 1000) == {}
    assert store.asked == 3


def test_stage_and_trial_are_those_of_the_study_whoever_used_a_run_first() -> None:
    store = Store(row("a", study="theirs", stage="other", trial="7"))
    stages = [StageResult(name, None, (), (trial("a", number=3),)) for name in ("coarse", "fine")]
    runs = search_runs.of_stages(store, "ours", stages)
    assert [(one.stage, one.runs[0].run_id, one.params) for one in tried(stages, runs)] == [
        ("coarse", "a", {"loss.l2": "0.1"}),
        ("fine", "a", {"loss.l2": "0.1"}),
    ]
    tags = [{name: found.tags[f"labkit.{name}"] for name in ("study", "stage", "trial")} for found in
            rows("ours", stages, runs)]  # fmt: skip
    assert tags == [{"study": "ours", "stage": name, "trial": "3"} for name in ("coarse", "fine")]


def test_a_failed_trial_has_the_run_of_its_last_attempt_and_nobody_elses() -> None:
    tags = {"study": "ours", "stage": "fine"}
    store = Store(
        row("first", "FAILED", trial="2", **tags),  # run again since, as number 5
        row("last", "FAILED", trial="5", **tags),
        row("killed", "KILLED", trial="5", **tags),
    )
    stages = [StageResult("fine", None, (), (trial(state="failed", number=5),))]
    runs = search_runs.of_stages(store, "ours", stages)
    assert [found.run_id for found in search_runs.behind("fine", stages[0].trials[0], runs)] == ["last"]
    assert [found.run_id for found in rows("ours", stages, runs)] == ["last"]
