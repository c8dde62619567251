"""The end-of-run table: golden text, rich text with the same facts, and what the history gives away."""

from __future__ import annotations

import io
import math
from dataclasses import replace

import pytest
from rich.console import Console

from labkit.report.run_summary import RunSummary, run_table, run_text, show_run

SUMMARY = RunSummary(
    name="kth/ex3 [seed 1]",
    run_id="0123456789abcdef0123456789abcdef",
    status="FINISHED",
    metrics={
        **{"train/accuracy": 0.6068, "train/precision": 0.61, "train/recall": 0.6068, "train/loss": 1.1768},
        **{"test/accuracy": 0.4629, "test/loss": math.nan, "lr": 0.1},
    },
    seconds=65.2,
    reproduce="labkit experiment=kth/ex3 seed=1 model.hidden=[50,10] " + "x" * 200,
    open_command="labkit ui",
    never_predicted=[f"class {i}" for i in range(12)],
    notes=["the loss is odd"],
)
GOLDEN = f"""\
kth/ex3 [seed 1]  FINISHED
part   accuracy  precision (macro)  recall (macro)    loss
train    60.68%             61.00%          60.68%  1.1768
test     46.29%                  -               -     nan
warning: never predicted: {", ".join(f"class {i}" for i in range(10))} and 2 more
warning: the loss is odd
time       1:05
run id     0123456789abcdef0123456789abcdef
reproduce  {SUMMARY.reproduce}
open       labkit ui
"""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_plain_text():
    assert run_text(SUMMARY) == GOLDEN


def test_plain_text_where_the_output_is_no_terminal():
    stream = io.StringIO()
    show_run(SUMMARY, stream)
    assert stream.getvalue() == GOLDEN


def test_a_terminal_gets_the_same_facts_with_unbroken_commands_and_brackets(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    stream = Terminal()
    show_run(SUMMARY, stream)
    shown = stream.getvalue()
    for fact in ("kth/ex3 [seed 1]", "60.68%", "46.29%", "1.1768", SUMMARY.run_id, SUMMARY.reproduce, "labkit ui"):
        assert fact in shown


def test_the_table_is_something_rich_prints():
    console = Console(file=io.StringIO(), width=100)
    console.print(run_table(SUMMARY))
    assert "warning: the loss is odd" in console.file.getvalue()


@pytest.mark.parametrize(("seconds", "text"), [(0.04, "0.0 s"), (59.9, "59.9 s"), (60, "1:00"), (3725, "1:02:05")])
def test_time(seconds, text):
    summary = RunSummary("a", "b", "FAILED", {}, seconds, "c", "d")
    assert f"time       {text}\n" in run_text(summary)


def test_a_subset_of_the_training_part_is_named() -> None:
    told = run_text(replace(SUMMARY, measured="5,000 of 45,000 training samples, the same in every run"))
    assert "\ntrain      5,000 of 45,000 training samples, the same in every run\n" in told
    assert "warning: 5,000" not in told
