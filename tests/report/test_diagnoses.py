"""What the runs of a sweep said, counted by setting, in the tables that a sweep leaves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from labkit.labs.step_record import diagnoses
from labkit.report.board_layout import board_markdown
from labkit.report.leaderboard import rank
from labkit.report.search_layout import search_markdown
from labkit.report.search_table import Tried, search_table
from labkit.tracking.rows import RunRow
from tests.stored import run_row

IDLE = "not learnt: validation accuracy 10.32% is that of guessing"
FAR = "overfits: training accuracy 99.00%, validation accuracy 71.00%"


def row(lr: float, *said: str, seed: int = 0, value: float = 0.1032, status: str = "FINISHED") -> RunRow:
    return run_row(
        f"{lr}-{seed}".ljust(32, "f"),
        {"diagnosis": "\n".join(said)} if said else {},
        status=status,
        params={"optimizer.lr": lr, "seed": seed},
        metrics={"val/accuracy": value},
    )


def told(rows: list[RunRow]) -> list[str]:
    return [line for line in board_markdown(rank(rows)).splitlines() if line and not line.startswith(("|", "Mean"))]


def test_settings_that_share_a_rank_because_none_has_learnt_are_told() -> None:
    rows = [row(lr, IDLE) for lr in (3, 5, 8)]
    assert [entry.rank for entry in rank(rows).entries] == [1, 1, 1]
    assert told(rows) == [
        "None of the 3 settings has learnt anything, so their order says nothing.",
        f"3 of 3 settings, first lr 3: {IDLE}.",
    ]


def test_seeds_of_a_setting_count_once_and_each_kind_by_itself() -> None:
    rows = [row(3, IDLE, seed=seed) for seed in (0, 1)] + [row(0.1, FAR, value=0.71), row(0.2, value=0.9)]
    assert told(rows) == [
        f"1 of 3 settings, first lr 0.1: {FAR}.",
        f"1 of 3 settings, first lr 3: {IDLE}.",
    ]


def test_what_was_pruned_or_failed_is_no_proof_of_learning() -> None:
    pruned = row(9, "pruned: its search gave it up after 60 updates", status="KILLED")
    pruned = pruned.with_tags({"labkit.pruned_at": "60"})
    gone = row(7, "diverged: the loss of update 6 is not finite", value=float("nan"))
    lost = [row(3, IDLE), pruned, gone, row(5, status="FAILED")]
    assert told(lost)[0].startswith("None of the 4 settings has learnt")
    assert "None of" not in " ".join(told([pruned, row(5, status="FAILED")]))
    assert "None of" not in " ".join(told([row(3, IDLE), row(5, value=0.9), gone]))


def test_a_setting_may_be_a_mapping() -> None:
    rows = [
        replace(row(3, IDLE), params={"loss.l2": "{linear_1: 0.5}", "seed": "0"}),
        replace(row(5), params={"loss.l2": "0.0", "seed": "0"}),
    ]
    assert told(rows) == [f"1 of 2 settings, first l2 {{linear_1: 0.5}}: {IDLE}."]


def test_one_setting_is_not_counted() -> None:
    assert told([row(3, IDLE), row(3, FAR, seed=1)]) == [f"{IDLE}.", f"{FAR}."]


@pytest.mark.parametrize("said", ["pruned: its search gave it up after 60 updates", "stopped early: val/loss ..."])
def test_what_somebody_asked_for_is_no_fault(said: str) -> None:
    assert told([row(3, said), row(5)]) == []


def test_a_search_says_it_of_all_its_stages() -> None:
    rows = [row(lr, IDLE) for lr in (3, 5)] + [row(0.1, value=0.9)]
    trials = [Tried("search", "complete", [one], {"optimizer.lr": one.params["optimizer.lr"]}) for one in rows]
    assert f"2 of 3 settings, first lr 3: {IDLE}." in search_markdown(search_table(trials))


def test_a_lab_counts_runs_and_reads_what_earlier_versions_kept() -> None:
    old = "dead network: the loss stays at ln 10; the gradient fades"
    rows = [row(3, FAR, IDLE), row(5, IDLE), row(8, old), row(0.1)]
    assert [line.partition(", first")[0] + line[-20:] for line in diagnoses(rows)] == [
        "1 of 4 runs" + FAR[-20:],
        "2 of 4 runs" + IDLE[-20:],
        "1 of 4 runs" + old[-20:],
    ]
