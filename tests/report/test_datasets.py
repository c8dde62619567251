"""Results on different data are ranked apart, and the headings say what is different."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from labkit.report.board_layout import board_csv, board_markdown, board_terminal
from labkit.report.datasets import by_data
from labkit.report.leaderboard import rank
from tests.stored import run_row

CIFAR, DIGITS = "labkit.data.cifar.cifar10", "labkit.data.digits.digits"


def row(run_id, target=CIFAR, sha="aa", value=0.5, **params):
    params = {"data._target_": target} | {key.replace("__", "."): item for key, item in params.items()}
    tags = {"data_sha256": sha * 32} if sha else {}
    return run_row(run_id, tags, params=params, metrics={"val/accuracy": value})


def groups(rows) -> dict[str, str]:
    return {name: "".join(row.run_id for row in own) for name, own in by_data(rows).items()}


def test_constructors_and_contents_make_data_sets():
    rows = [row("p"), row("q", DIGITS, "bb"), row("r"), row("s", DIGITS, "bb")]
    assert groups(rows) == {"cifar10": "pr", "digits": "qs"}


def test_equal_names_are_told_apart_by_the_keys_that_differ():
    rows = [row("p", sha="aa", data__noise=0.1), row("q", sha="bb", data__noise=0.2), row("r", DIGITS, "cc")]
    assert groups(rows) == {"cifar10, data.noise=0.1": "p", "cifar10, data.noise=0.2": "q", "digits": "r"}


def test_equal_names_and_keys_are_told_apart_by_the_hash():
    rows = [row("p", sha="aa"), row("q", sha="bb"), row("r", sha="")]
    assert groups(rows) == {
        "cifar10 (sha256 aaaaaaaa)": "p",
        "cifar10 (sha256 bbbbbbbb)": "q",
        "cifar10 (no hash)": "r",
    }


def test_a_run_that_broke_off_before_its_data_were_read_goes_with_its_like():
    assert groups([row("p"), row("q", sha="")]) == {"cifar10": "pq"}
    assert groups([row("p", target="", sha="")]) == {"data not recorded": "p"}


@pytest.fixture
def board():
    rows = [row("a" * 32, value=0.5, lr=1), row("b" * 32, value=0.4, lr=2)]
    return rank(
        [*rows, row("c" * 32, DIGITS, "bb", 0.97, lr=1, width=3), row("d" * 32, DIGITS, "bb", 0.9, lr=1, width=4)]
    )


def test_ranks_and_parameters_count_within_a_data_set(board):
    assert [section.data for section in board.sections] == ["cifar10", "digits"]
    assert [section.keys for section in board.sections] == [("lr",), ("width",)]
    assert [entry.rank for entry in board.entries] == [1, 2, 1, 2]
    assert board.keys == ("lr", "width")


def test_every_layout_says_so(board):
    text = board_markdown(board)
    assert text.startswith("2 data sets; results on different data do not compare, so each is ranked by itself.\n")
    assert "\n## cifar10\n\n| rank | val/accuracy (%) | lr | runs |\n" in text
    assert "\n## digits\n\n| rank | val/accuracy (%) | width | runs |\n" in text
    assert [line.split(",")[0] for line in board_csv(board).splitlines()] == ["data", *["cifar10"] * 2, *["digits"] * 2]
    console = Console(file=io.StringIO(), width=120)
    console.print(board_terminal(board, 1))
    for fact in ("2 data sets", "cifar10", "digits", "1 more rows"):
        assert fact in console.file.getvalue()


def test_the_baseline_is_looked_for_in_each_data_set():
    rows = [row("p", lr=1), row("q", value=0.4, lr=2), row("r", DIGITS, "bb", lr=3), row("s", DIGITS, "bb", lr=4)]
    board = rank(rows, baseline="lr=1")
    assert [entry.is_baseline for entry in board.entries] == [True, False, False, False]
    assert [section.note for section in board.sections] == ["", "no baseline lr=1"]
    assert "No differences: no baseline lr=1." in board_markdown(board)


def test_what_the_runs_were_told_of_their_data_stands_below_the_table():
    notes = ("no sample of class c in the test part", "3 of 9 files left out")
    told, again = (row(name, sha="aa", **params).with_tags({"labkit.data_notes": "\n".join(notes)}) for name, params in
                   (("p", {}), ("r", {"lr": 1})))  # fmt: skip
    other = row("q", DIGITS, "bb")
    board = rank([told, again, other])
    assert [section.remarks for section in board.sections] == [notes, ()]
    for note in notes:
        assert board_markdown(board).count(f"Data: {note}.") == 1
    console = Console(file=io.StringIO(), width=120)
    console.print(board_terminal(board))
    assert console.file.getvalue().count("Data: no sample of class c in the test part.") == 1
