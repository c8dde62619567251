"""`labkit task=principles`: tables and verdicts on the screen, a run for each in the store, refusals, exit codes."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from labkit.principles.finding import Finding, MeasuredClaim, sheet
from labkit.principles.finding_report import finding_markdown
from labkit.report.sheet_csv import to_csv
from labkit.tasks import principles


def test_each_principle_is_printed_with_its_verdicts_and_kept_as_a_run(labkit) -> None:
    answer = labkit("task=principles", "task.only=[pooling,convolution]")
    assert answer.code == 0, answer.err
    assert "9 of 9 claims hold" in answer.out
    assert answer.out.index("28 x 28 x 8") < answer.out.index("2 x 2 pooling"), "in the lab's order"
    kept = [Path(name) for name in answer.files if name.startswith("mlruns/artifacts/caltech/")]
    names = {str(Path(*path.parts[5:])) for path in kept}
    assert {"convolution.md", "figures/convolution.png", "tables/convolution_3.csv", "pooling.md"} <= names


def test_a_false_claim_ends_with_exit_code_1(labkit, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(record: Any) -> Finding:
        return Finding([sheet("t", ("a",), [("1",)])], [MeasuredClaim("one is two", False, "1 and 2")])

    changed = dataclasses.replace(principles.PRINCIPLES["pooling"], finding=wrong)
    monkeypatch.setitem(principles.PRINCIPLES, "pooling", changed)
    answer = labkit("task=principles", "task.only=pooling", "tracker=none")
    assert (answer.code, answer.files) == (1, [])
    assert "FALSE  one is two  [1 and 2]" in answer.out
    assert "false: one is two" in answer.out


@pytest.mark.parametrize(
    ("only", "told"),
    [("[poolin]", "task.only: there is no principle 'poolin', did you mean 'pooling'?"), ("[]", "got an empty list")],
)
def test_a_wrong_name_is_refused_in_one_sentence(labkit, only: str, told: str) -> None:
    answer = labkit("task=principles", f"task.only={only}")
    assert (answer.code, answer.files) == (2, [])
    assert told in answer.err


def test_tables_keep_their_lines_as_markdown_and_csv() -> None:
    finding = Finding(
        [sheet("Images", ("image", "pixels"), [("1", "1 0\n0 1")])], [MeasuredClaim("a | b", True, "5")], ["n"]
    )
    assert "| 1 | 1 0<br>0 1 |" in finding_markdown("pooling", "What?", finding)
    assert r"| yes | a \| b | 5 |" in finding_markdown("pooling", "What?", finding)
    assert to_csv(finding.tables[0]) == "image,pixels\n1,1 0; 0 1\n"


@pytest.mark.slow
def test_every_claim_holds(labkit) -> None:
    answer = labkit("task=principles", "tracker=none")
    assert answer.code == 0, answer.out
    assert "28 of 28 claims hold" in answer.out
