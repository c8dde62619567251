"""Differences to a baseline: against scipy's paired t test, and what a baseline may be called."""

from __future__ import annotations

import csv
import io

import pytest
import scipy.stats

from labkit.config import ConfigError
from labkit.report import baseline
from labkit.report.board_layout import board_csv, board_markdown
from labkit.report.leaderboard import rank
from tests.stored import run_row

VALUES = {"0": [0.50, 0.53, 0.49, 0.55], "0.001": [0.52, 0.55, 0.50, 0.58], "1e-05": [0.51, 0.52, 0.50, 0.55]}


def row(run_id, value, name="x", status="FINISHED", **params):
    params = {key.replace("__", "."): item for key, item in params.items()}
    return run_row(run_id, name=name, status=status, params=params, metrics={"val/accuracy": value})


def rows():
    return [
        row(f"{l2}-{seed}".ljust(32, "f"), value, loss__l2=l2, seed=seed, model__hidden="[50, 10]", fixed="True")
        for l2, values in VALUES.items()
        for seed, value in enumerate(values)
    ]


def entry(board, l2):
    return next(entry for entry in board.entries if entry.params["loss.l2"] == l2)


def test_differences_are_those_of_the_paired_t_test():
    board = rank(rows(), baseline="loss.l2=0")
    assert entry(board, "0").is_baseline
    assert entry(board, "0").difference is None
    for l2 in ("0.001", "1e-05"):
        expected = scipy.stats.ttest_rel(VALUES[l2], VALUES["0"])
        found = entry(board, l2).difference
        assert found.n == 4
        assert found.p_value == pytest.approx(expected.pvalue)
        assert found.interval == pytest.approx(tuple(expected.confidence_interval()))


def test_layouts_show_them():
    text = board_markdown(rank(rows(), baseline="loss.l2=0"))
    assert "| difference to the baseline |" in text
    assert "Difference to loss.l2=0: " in text
    assert "| +2.00 [+0.70, +3.30] p=0.016 |" in text
    assert "| baseline |" in text
    assert "percentage points, paired over the seeds both have" in text
    lines = list(csv.DictReader(io.StringIO(board_csv(rank(rows(), baseline="loss.l2=0")))))
    assert float(lines[0]["difference"]) == pytest.approx(0.02)
    assert lines[0]["difference_n"] == "4"
    assert float(lines[0]["difference_low"]) == pytest.approx(0.02 - 0.012990, abs=1e-5)
    assert lines[2]["difference"] == ""


def test_a_seed_that_only_one_has_is_left_out_and_said():
    board = rank([*rows(), row("g" * 32, 0.9, loss__l2="0.001", seed=9, model__hidden="[50, 10]", fixed="True")],
                 baseline="loss.l2=0")  # fmt: skip
    assert entry(board, "0.001").difference.difference == pytest.approx(0.02)
    assert "p=0.016 (4 of 5 seeds)" in board_markdown(board)


@pytest.mark.parametrize(
    "name",
    [
        "loss.l2=0.001",
        "loss.l2=1e-3",
        "loss.l2=0.001,model.hidden=[50,10]",
        "fixed=true,loss.l2=0.0010",
        "0.001-0ffff",
        "0.001-2".ljust(32, "f"),
    ],
)
def test_names_of_a_baseline(name):
    assert entry(rank(rows(), baseline=name), "0.001").is_baseline


def test_a_run_by_its_name():
    board = rank([row("p", 0.5, "plain", a=1), row("q", 0.6, "other", a=2)], baseline="plain")
    assert [e.is_baseline for e in board.entries] == [False, True]
    assert board.entries[0].difference.difference == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("loss.l=0", "baseline: unknown parameter 'loss.l', did you mean 'loss.l2'?"),
        ("loss.l2=3", "baseline: no run has loss.l2=3, valid: 0, 0.001, 1e-05."),
        ("fixed=true", "baseline: expected one setting, got 'fixed=true' which fits 3; a name that fits only one is "
         "'loss.l2=0.001'."),
        ("y", "baseline: expected the name or id of a run, or key=value, got 'y' which no run has, valid: x."),
    ],
)  # fmt: skip
def test_a_baseline_that_is_none_is_refused_in_one_sentence(name, sentence):
    with pytest.raises(ConfigError) as error:
        rank(rows(), baseline=name)
    assert str(error.value) == sentence


def test_parts_that_fit_only_apart_are_refused():
    mixed = [row("p", 0.5, a=1, b=1), row("q", 0.5, a=2, b=2)]
    with pytest.raises(ConfigError, match="every part of 'a=1,b=2' fits some run, but no run has all of them"):
        rank(mixed, baseline="a=1,b=2")


def test_a_baseline_without_a_result_leaves_the_ranking_and_says_why():
    board = rank([row("p", 0.5, a=1), row("q", 0.6, status="FAILED", a=2)], baseline="a=2")
    assert [(e.rank, e.difference) for e in board.entries] == [(1, None), (None, None)]
    assert "No differences: the baseline a=2 has no result (FAILED)." in board_markdown(board)


def test_two_seeds_that_gain_one_sample_each_show_no_certainty():
    """`+1.43 [+1.43, +1.43] p<0.001` from two seeds whose gains are the same single sample of 70."""
    board = rank(
        [sized(row(f"{a}{s}", (60 + s + a) / 70, a=a, seed=s)) for a in (0, 1) for s in (0, 1)], baseline="a=0"
    )
    text = board_markdown(board)
    assert "| +1.43 |" in text
    assert "p<" not in text
    assert "interval of the mean" in text
    assert "none where they differ by one sample at most (of 70 validation samples: 1.43 points)" in text
    assert "95% interval |" not in text


def test_three_seeds_that_gain_the_same_sample_show_none_either():
    rows = [sized(row(f"{a}{s}", (60 + 2 * s + a) / 70, a=a, seed=s)) for a in (0, 1) for s in (0, 1, 2)]
    text = board_markdown(rank(rows, baseline="a=0"))
    assert "| +1.43 |" in text
    assert "| [" in text  # each mean has one: its seeds are two samples apart
    coarse = [one.with_tags({"labkit.samples": "train=700 val=10 test=70"}) for one in rows]
    assert "| [" not in board_markdown(rank(coarse, baseline="a=0"))  # of 10 samples one is 10 points


def sized(one):
    return one.with_tags({"labkit.samples": "train=700 val=70 test=1"})


@pytest.mark.parametrize(
    ("written", "stored", "same"),
    [
        ("0.001", "0.0010000000000000002", True),
        ("1e-3", "0.0010000000000000002", True),
        ("0.1", "0.10000000000000003", True),
        ("0.001", "0.00100001", False),
        ("0", "1e-12", False),
        ("-0.5", "0.5", False),
        ("[0.1]", "[0.1]", True),
    ],
)
def test_numbers_are_matched_by_closeness(written: str, stored: str, same: bool) -> None:
    assert baseline._same(written, stored) is same
