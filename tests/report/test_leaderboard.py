"""Ranking: order, ties, seeds, runs without a result; then the three layouts."""

from __future__ import annotations

import csv
import io
import math
import statistics
from dataclasses import replace

import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from scipy.special import expit, logit

from labkit.report.board_layout import board_csv, board_markdown, board_terminal
from labkit.report.leaderboard import rank
from tests.stored import run_row


def row(run_id, value=None, status="FINISHED", parent=None, extra=None, **params):
    metrics = ({} if value is None else {"val/accuracy": value}) | (extra or {})
    params = {key.replace("__", "."): item for key, item in params.items()}
    return run_row(run_id, name=f"run {run_id}", status=status, params=params, metrics=metrics, parent=parent)


def ids(board) -> list[str]:
    return [entry.run_ids[0] for entry in board.entries]


def test_best_first_and_ties_share_a_rank():
    rows = [row(run_id, value, a=run_id) for run_id, value in zip("pqrst", [0.2, 0.5, 0.5, 0.9, 0.1], strict=True)]
    board = rank(rows)
    assert ids(board) == ["s", "q", "r", "p", "t"]
    assert [entry.rank for entry in board.entries] == [1, 2, 2, 4, 5]


@pytest.mark.parametrize(
    ("objective", "best"),
    [("val/loss", "low"), ("time/seconds", "low"), ("test/accuracy", "high"), ("anything", "high")],
)
def test_losses_and_times_are_better_low(objective, best):
    rows = [row("low", extra={objective: 1.0}, a=1), row("high", extra={objective: 2.0}, a=2)]
    assert ids(rank(rows, objective))[0] == best
    assert ids(rank(rows, objective, maximise=best != "high"))[0] != best


def test_what_has_no_result_comes_last_with_its_status():
    rows = [
        row("nan", math.nan, a=1),
        row("failed", 0.99, status="FAILED", a=2),
        row("empty", a=3),
        row("good", 0.1, a=4),
        row("inf", math.inf, a=5),
    ]
    board = rank(rows)
    assert [(entry.run_ids[0], entry.rank, entry.status) for entry in board.entries] == [
        ("good", 1, "FINISHED"),
        ("nan", None, "DIVERGED"),
        ("inf", None, "DIVERGED"),
        ("failed", None, "FAILED"),
        ("empty", None, "NO VALUE"),
    ]


def test_only_differing_parameters_are_shown():
    rows = [
        row("p", 0.1, optimizer__lr=0.1, model="mlp", paths__root="/x", hydra__job=1),
        row("q", 0.2, optimizer__lr=0.2, model="mlp", paths__root="/y", hydra__job=2, model__skips="[]"),
    ]
    board = rank(rows)
    assert board.keys == ("optimizer.lr", "model.skips")
    assert board.entries[0].params == {"optimizer.lr": "0.2", "model.skips": "[]"}
    assert board.entries[1].params == {"optimizer.lr": "0.1"}


def test_what_no_result_depends_on_tells_no_rows_apart():
    """A sweep may use a run that was trained for another objective, or with its data in another place."""
    rows = [
        row("p", 0.5, a=1, seed=0, objective="val/loss", data__root="/there", targets="[]", trainer__device="cpu"),
        row("q", 0.7, a=1, seed=1, objective="val/accuracy", data__root="/here", targets="[x]", trainer__device="auto"),
    ]
    board = rank(rows)
    assert board.keys == ()
    assert [entry.mean for entry in board.entries] == [pytest.approx(0.6)]


def test_options_of_a_group_keep_entries_apart():
    """Not their constructors, nor keys that only one of them has: those follow."""
    one = {"model": "standard", "model___target_": "layers", "model__layers": "[linear]", "strategy__period": 1}
    other = {"model": "residual", "model___target_": "layers", "model__layers": "[residual]"}
    alternating = {**one, "strategy": "alternating", "strategy___target_": "alternating"}
    together = {**other, "strategy": "together", "strategy___target_": "together"}
    assert rank([row("p", 0.1, **alternating), row("q", 0.2, **together)]).keys == ("model", "strategy")
    again = row("r", 0.3, **(alternating | {"strategy__period": 2}))
    assert rank([row("p", 0.1, **alternating), row("q", 0.2, **together), again]).keys == (
        "model",
        "strategy",
        "strategy.period",
    )


def test_layer_lists_keep_entries_apart_where_nothing_else_does():
    rows = [row("p", 0.1, model="mlp", model__layers="[a]"), row("q", 0.2, model="mlp", model__layers="[b]")]
    board = rank(rows)
    assert board.keys == ("model.layers",)
    assert [entry.rank for entry in board.entries] == [1, 2]


def test_seeds_are_averaged_with_the_sample_standard_deviation():
    board = rank([row("p", 0.4, lr=1, seed=0), row("q", 0.5, lr=2, seed=0), row("r", 0.8, lr=1, seed=1)])
    first, second = board.entries
    assert first.mean == pytest.approx(0.6)
    assert first.deviation == pytest.approx(0.2 * math.sqrt(2))
    assert (first.seeds, first.run_ids, first.tried) == (("0", "1"), ("p", "r"), 2)
    assert (second.mean, second.deviation) == (0.5, None)
    assert board.keys == ("lr",)


def test_a_repeated_seed_counts_once():
    (entry,) = rank([row("p", 0.4, seed=0), row("q", 0.6, seed=0), row("r", 0.7, seed=1)]).entries
    assert entry.mean == pytest.approx(0.6)
    assert entry.deviation == pytest.approx(statistics.stdev([0.5, 0.7]))
    assert entry.run_ids == ("p", "q", "r")
    assert entry.tried == 2


def test_a_failed_seed_is_counted_and_listed():
    good, bad = rank([row("p", 0.4, seed=0), row("q", math.nan, seed=1)]).entries
    assert (good.seeds, good.tried, good.deviation) == (("0",), 2, None)
    assert (bad.status, bad.seeds, bad.tried) == ("DIVERGED", ("1",), 1)


def test_the_parent_of_a_multirun_is_no_contestant():
    rows = [row("parent"), row("p", 0.4, parent="parent", a=1), row("q", 0.6, parent="parent", a=2)]
    assert ids(rank(rows)) == ["q", "p"]


def test_rows_that_speak_for_others_are_no_contestants():
    rows = [row("p", 0.4, seed=0), row("q", 0.6, seed=1), row("means", 0.5), row("sweep", 0.5)]
    rows[2:] = rows[2].with_tags({"labkit.seeds_of": "x"}), rows[3].with_tags({"labkit.sweep": "x"})
    (entry,) = rank(rows).entries
    assert entry.run_ids == ("p", "q")
    assert entry.values == {"0": 0.4, "1": 0.6}


def test_a_pruned_run_has_no_result_though_it_has_a_value():
    rows = [row("p", 0.4, a=1), row("q", 0.9, a=2).with_tags({"labkit.pruned_at": "300"})]
    assert [(entry.run_ids[0], entry.status) for entry in rank(rows).entries] == [("p", "FINISHED"), ("q", "PRUNED")]


def test_further_metrics_are_averaged_with_their_spread():
    rows = [row("p", 0.4, extra={"test/accuracy": 0.5}, seed=0), row("q", 0.6, extra={"test/accuracy": 0.7}, seed=1)]
    (entry,) = rank(rows, extra=("test/accuracy",)).entries
    assert entry.extra["test/accuracy"].mean == pytest.approx(0.6)
    assert "| 60.00 ± 14.14 |" in board_markdown(rank(rows, extra=("test/accuracy",)))


def test_nothing_at_all():
    board = rank([])
    assert board.entries == ()
    assert board_markdown(board) == "| rank | val/accuracy (%) | runs |\n| ---: | ---: | --- |\n"


numbers = st.one_of(st.none(), st.floats(width=32))
statuses = st.sampled_from(["FINISHED", "FAILED", "RUNNING"])
some_rows = st.lists(st.tuples(numbers, st.integers(0, 3), st.integers(0, 2), statuses), max_size=30)


@given(some_rows)
def test_every_run_is_listed_once_and_order_follows_the_mean(values):
    rows = [row(str(i), value, status, lr=lr, seed=seed) for i, (value, lr, seed, status) in enumerate(values)]
    board = rank(rows)
    assert sorted(run_id for entry in board.entries for run_id in entry.run_ids) == sorted(r.run_id for r in rows)
    ranked = [entry for entry in board.entries if entry.rank is not None]
    assert list(board.entries[: len(ranked)]) == ranked
    means = [entry.mean for entry in ranked]
    assert means == sorted(means, reverse=True)
    assert [entry.rank for entry in ranked] == [1 + sum(other > mean for other in means) for mean in means]
    assert len({tuple(sorted(entry.params.items())) for entry in ranked}) == len(ranked)


BOARD = rank(
    [
        row("a" * 32, 0.46, loss__l2="0.00026308230480", seed=0, note="x|y", extra={"time/seconds": 2.0}),
        row("b" * 32, 0.48, loss__l2="0.00026308230480", seed=1, note="x|y", extra={"time/seconds": 4.0}),
        row("e" * 32, 0.47, loss__l2="0.00026308230480", seed=2, note="x|y", extra={"time/seconds": 3.0}),
        row("c" * 32, 0.44, loss__l2="0.001", seed=0, note="[z]", extra={"time/seconds": 1.0}),
        row("d" * 32, math.nan, loss__l2="0.001", seed=1, note="[z]"),
    ],
    extra=("time/seconds",),
)
MARKDOWN = r"""| rank | val/accuracy (%) | 95% interval | n | time/seconds | loss.l2 | note | status | runs |
| ---: | ---: | --- | --- | --- | --- | --- | --- | --- |
| 1 | 47.00 ± 1.00 | [44.53, 49.49] | 3 | 3 | 0.00026308230480 | x\|y | FINISHED | aaaaaaaa bbbbbbbb eeeeeeee |
| 2 | 44.00 | - | 1 of 2 | 1 | 0.001 | [z] | FINISHED | cccccccc |
| - | - | - | - | - | 0.001 | [z] | DIVERGED, seed 1 | dddddddd |

Mean ± sample standard deviation over n seeds; 95% interval of the mean by Student's t {}
"""


def test_markdown():
    shown = MARKDOWN.format("on the logit scale, from 3 seeds on, and none where the seeds do not differ.")
    assert board_markdown(BOARD) == shown


def test_csv_has_full_precision_and_whole_ids():
    lines = list(csv.DictReader(io.StringIO(board_csv(BOARD))))
    assert float(lines[0]["val/accuracy"]) == BOARD.entries[0].mean
    assert float(lines[0]["standard_deviation"]) == BOARD.entries[0].deviation
    size = scipy.stats.sem([0.46, 0.47, 0.48]) / (0.47 * 0.53)
    low, high = expit(scipy.stats.t.interval(0.95, 2, loc=logit(0.47), scale=size))
    assert float(lines[0]["interval_low"]) == pytest.approx(low)
    assert float(lines[0]["interval_high"]) == pytest.approx(high)
    assert (lines[2]["val/accuracy"], lines[2]["interval_low"], lines[2]["time/seconds"]) == ("", "", "")
    assert lines[0]["run_ids"] == " ".join(letter * 32 for letter in "abe")
    assert lines[0]["loss.l2"] == "0.00026308230480"
    assert [line["rank"] for line in lines] == ["1", "2", ""]
    assert [(line["n_seeds"], line["seeds_tried"]) for line in lines] == [("3", "3"), ("1", "2"), ("0", "1")]


def printed(table, width=140) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(table)
    return console.file.getvalue()


def test_rich_shows_the_same_cells():
    shown = printed(board_terminal(BOARD))
    for cell in ("47.00 ± 1.00", "[44.53, 49.49]", "1 of 2", "x|y", "[z]", "DIVERGED", "aaaaaaaa +2"):
        assert cell in shown


@pytest.mark.parametrize("width", [50, 60, 80, 100, 140])
def test_a_narrow_terminal_leaves_columns_out_instead_of_breaking_words(width):
    values = {"0.1": (0.46, 0.48, 0.47), "0.2": (0.44, 0.47, 0.455)}
    rows = [
        row(letter * 32, value, loss__l2=l2, seed=seed)
        for (l2, own), letters in zip(values.items(), ("abc", "def"), strict=True)
        for seed, (value, letter) in enumerate(zip(own, letters, strict=True))
    ]
    rows = [replace(r, metrics={**r.metrics, "test/accuracy": 0.4, "time/seconds": 3.0}) for r in rows]
    board = rank(rows, extra=("test/accuracy", "time/seconds"), baseline="loss.l2=0.1")
    shown = printed(board_terminal(board), width)
    assert max(map(len, shown.splitlines())) <= width
    assert "47.00 ± 1.00" in shown
    assert "45.50 ± 1.50" in shown
    left_out = shown.partition("too narrow for: ")[2]
    for head, cell in (
        ("95% interval", "[44.53, 49.49]"),
        ("test/accuracy", "40.00"),
        ("runs", "aaaaaaaa +2"),
        ("loss.l2", " 0.2 "),
    ):
        assert (head in left_out) != (cell in shown), head
    assert ("too narrow" in shown) == (width < 140)


def test_many_parameters_are_named_below_and_left_out():
    rows = [row(str(i), 0.1 * i, **{f"key{j}": i for j in range(12)}) for i in range(3)]
    shown = " ".join(printed(board_terminal(rank(rows), limit=2)).split())
    assert "1 more rows; 7 more parameters differ: key5, key6, key7, key8, key9, key10, key11" in shown


def test_thousands_of_runs():
    same = {f"key{i}": 1 for i in range(40)}
    board = rank([row(f"{i:032x}", i / 2000, lr=i // 4, seed=i % 4, **same) for i in range(2000)])
    assert len(board.entries) == 500
    assert board.entries[0].params == {"lr": "499"}
    assert len(board_csv(board).splitlines()) == 501
    assert len(printed(board_terminal(board)).splitlines()) >= 500


def test_each_data_set_has_its_parameters_in_its_own_order_and_files_have_one_table():
    """Keys are told in the order in which a data set's runs have them, which the runs of another may not."""

    def on(data, *rows):
        return [replace(one, params={**one.params, "data._target_": f"labkit.data.x.{data}"}) for one in rows]

    first = on("one", row("p", 0.1, a=1, b=1), row("q", 0.2, a=2, b=2))
    second = on("other", row("r", 0.3, c=1, b=1, a=1), row("s", 0.4, c=2, b=2, a=2))
    board = rank([*first, *second])
    assert [section.keys for section in board.sections] == [("a", "b"), ("c", "b", "a")]
    heads = [line for line in board_markdown(board).splitlines() if line.startswith("| rank")]
    assert [line.split(" | ")[2:-1] for line in heads] == [["a", "b"], ["c", "b", "a"]]
    lines = list(csv.DictReader(io.StringIO(board_csv(board))))
    assert [(line["data"], line["a"], line["b"], line["c"]) for line in lines] == [
        ("one", "2", "2", ""),
        ("one", "1", "1", ""),
        ("other", "2", "2", "2"),
        ("other", "1", "1", "1"),
    ]
