"""The results page: every number in it is a record's, and what has no record is named."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from labkit.labs.page import PageEntry, page, page_entries
from labkit.labs.part_record import Record
from labkit.labs.schema import Claim, LabPart, Step
from labkit.labs.settings_table import lines, settings_sheet
from labkit.labs.step_record import StepRecord
from labkit.labs.verdict import Verdict
from labkit.tracking.rows import RunRow
from tests.stored import run_row


def row(profile: str = "full", start: int = 0, definition: str = "d", **tags: str) -> RunRow:
    usual = {"mlflow.source.git.commit": "0123456789", "hardware": "two cores", "versions": "a=1"}
    params = {"profile": profile, "data": "cifar10* mnist"}
    return run_row("r", {**usual, "part_definition": definition, **tags}, start_time=start, params=params)


CLAIM = Claim(
    says="it is good",
    step="train",
    metric="test/accuracy",
    full=(0.5, 0.7),
    goal=(0.65, None),
    source="a paper",
    assignment=0.6,
    assignment_says="about",
    published=0.62,
    published_by="a report",
)
VERDICT = Verdict(CLAIM, 0.615, 0.01, (0.595, 0.635), 5, 5, True, False, ("abcdefgh12", "b", "c"))
STEP = StepRecord(
    command="labkit x", code=0, seconds=75.0, training=65.0, run_ids=tuple("abcdefg"), tested=tuple("abcde")
)


def record(*verdicts: Verdict, about: RunRow | None = None, **step: Any) -> Record:
    return Record(about or row(), verdicts, {"train": replace(STEP, **step)})


def trained(run_id: str, seed: int, accuracy: float, **params: str) -> RunRow:
    metrics = {"val/accuracy": accuracy, "test/accuracy": accuracy - 0.01, "time/seconds": 1.0}
    if params.get("model") == "mlp":
        metrics["test/recall"] = 0.5
    return run_row(run_id, name="train", params={"seed": seed, **params}, metrics=metrics, end_time=1)


RUNS = {
    row.run_id: row
    for row in (
        trained("a" * 32, 0, 0.6, model="mlp"),
        trained("b" * 32, 1, 0.7, model="mlp"),
        trained("c" * 32, 0, 0.9, model="cnn"),
    )
}


PART = LabPart(title="a part", steps={"train": Step(run=["-m"])}, shows=["test/recall"])


def part(*records: Record, today: str = "d", claims: Sequence[Claim] | None = None) -> list[PageEntry]:
    def now(one: Record) -> tuple[str, Sequence[Claim]]:
        return today, [verdict.claim for verdict in one.verdicts] if claims is None else claims

    return page_entries("own first", PART, records, RUNS, now)


def text(*records: Record, **now: Any) -> str:
    return page(part(*records, **now), ["own second"], {"cifar10": "a copy"}, "labkit task=report lab=all")


def test_a_claim_stands_beside_the_worlds_numbers() -> None:
    line = next(line for line in text(record(VERDICT)).splitlines() if "it is good" in line)
    assert [cell.strip() for cell in line.strip("|").split("|")] == [
        "it is good (test/accuracy)",
        "61.50 ± 1.00",
        "5",
        "60.00 (about)",
        "62.00 (a report)",
        "50.00..70.00",
        "holds",
        "at least 65.00 missed",
        "a paper",
        "`abcdefgh` +2",
    ]


def test_a_narrow_band_is_written_with_the_digits_that_it_needs() -> None:
    narrow = replace(CLAIM, metric="train/loss", full=(2.301477, 2.301577), goal=None, assignment=2.3025583)
    line = next(
        line
        for line in text(record(replace(VERDICT, claim=narrow, found=2.3015271, deviation=8.9e-7))).splitlines()
        if "it is good" in line
    )
    assert "| 2.301527 ± 0.000001 | 5 | 2.302558 (about) |" in line
    assert "| 2.301477..2.301577 |" in line


@pytest.mark.parametrize(
    ("found", "half_width", "words"), [(0.02, 0.01, "more"), (-0.02, 0.01, "less"), (0.02, 0.03, "no difference shown")]
)
def test_a_question_about_a_difference_is_answered_by_its_interval(found: float, half_width: float, words: str) -> None:
    asked = Claim(says="better?", step="train", metric="test/accuracy", against={"model": "mlp"})
    ends = (found - half_width, found + half_width)
    verdict = replace(VERDICT, claim=asked, found=found, interval=ends, holds=None, reached=None)
    line = next(line for line in text(record(verdict)).splitlines() if "better?" in line)
    assert f"| {words} |" in line
    assert f"{100 * found:+.2f} [" in line


def test_the_page_says_how_often_the_test_set_was_opened_and_what_is_missing() -> None:
    said = text(record(VERDICT))
    line = next(line for line in said.splitlines() if line.startswith("| own first |"))
    assert [cell.strip() for cell in line.strip("|").split("|")] == [
        *("own first", "full", "cifar10* mnist", "1 of 1 hold", "0 of 1 reached", "7", "5", "1:05", "1:15"),
        "`make own-first PROFILE=full`",
    ]
    assert "Parts without a record: own second." in said
    assert "cifar10*: its files are not the published archive, so its checksum could not be compared: a copy." in said
    assert "mnist:" not in said
    assert "; data: cifar10* (a copy) mnist; 7 runs" in said
    assert "01234567;" in said


def test_every_setting_of_a_step_is_a_line() -> None:
    said = text(record(VERDICT, run_ids=list(RUNS)))
    assert (
        "| step | setting | n | val/accuracy (%) | test/accuracy (%) | train/loss | val/loss | test/recall (%) | runs"
        in said
    )
    assert "| train | model=cnn | 1 | 90.00 | 89.00 | - | - | - | `cccccccc` |" in said
    assert "| train | model=mlp | 2 | 65.00 ± 7.07 | 64.00 ± 7.07 | - | - | 50.00 ± 0.00 | `aaaaaaaa` +1 |" in said


def test_of_many_settings_the_best_and_the_worst_are_shown_and_each_stage_by_itself() -> None:
    many = [trained(f"{i:032}", 0, i / 100, **{"optimizer.lr": str(i)}) for i in range(16)]
    found = list(lines("grid", many))
    assert [line[1] for line in found] == [*(f"lr={i}" for i in range(15, 5, -1)), "3 more", "lr=2", "lr=1", "lr=0"]
    assert len({len(line) for line in found}) == 1
    many = many[:13]
    assert [line[1] for line in lines("grid", many)] == [f"lr={i}" for i in range(12, -1, -1)]
    staged = [row.with_tags({"labkit.stage": "coarse" if i < 6 else "fine"}) for i, row in enumerate(many)]
    assert [line[0] for line in lines("grid", staged)] == ["grid (coarse)"] * 6 + ["grid (fine)"] * 7
    lost = many[0].with_tags({"labkit.diverged_at": "7"})
    assert [line[1:3] for line in settings_sheet({"grid": [lost, many[1]]}).cells()] == [
        ["lr=1", "1"],
        ["lr=0 DIVERGED", "0"],
    ]


def test_what_was_checked_without_training_is_counted() -> None:
    about: dict[str, Any] = {"name": "or_xor", "params": {"task.only": "gradient"}}
    checks = run_row("d" * 32, {"checks": "3"}, metrics={"checks": 3.0, "checks_failed": 1.0}, **about)
    claims = run_row("d" * 32, {"principle": "or_xor"}, metrics={"claims": 5.0, "claims_false": 0.0}, **about)
    said = [line[1] for line in lines("step", [checks, claims])]
    assert said == ["3 checks, 1 failed: gradient", "or_xor: 5 claims, 0 false"]


def test_a_record_of_another_definition_is_marked() -> None:
    assert "changed since" not in text(record(VERDICT))
    said = text(record(VERDICT), today="e")
    assert "| own first | full | cifar10* mnist | 1 of 1 hold; changed since |" in said
    assert "The part has changed since" in said


def test_a_record_is_shown_in_todays_words() -> None:
    said = text(record(VERDICT), claims=[replace(CLAIM, says="it is very good", source="a book")])
    assert "changed since" not in said
    assert "| it is very good (test/accuracy) | 61.50 ± 1.00 |" in said
    assert "it is good" not in said


def test_a_record_whose_claims_have_another_band_by_now_is_marked() -> None:
    said = text(record(VERDICT), claims=[replace(CLAIM, full=(0.6, 0.7))])
    assert "| own first | full | cifar10* mnist | 1 of 1 hold; claims changed since |" in said
    assert "Its claims have changed since" in said


def test_failed_steps_and_what_runs_said_are_in_it() -> None:
    said = text(record(VERDICT, code=1, diagnoses=["1 of 7 runs, first abc: dead network"]))
    assert "| train (exit code 1) |" in said
    assert "| own first | full | cifar10* mnist | 1 of 1 hold; FAILED: train |" in said
    assert "- train: 1 of 7 runs, first abc: dead network" in said


def test_the_newest_record_of_the_largest_profile_counts_and_openings_of_all() -> None:
    rows = [row("full", 1, "old"), row("full", 3), row("quick", 9), row("full", 2)]
    tested = [["a"], ["b"], ["c"], ["b", "d"]]
    records = [record(about=r, tested=t, run_ids=t) for r, t in zip(rows, tested, strict=True)]
    (found,) = part(*records)
    assert (found.record.profile, found.record.row.start_time) == ("full", 3)
    assert found.tested == set("abcd")
    assert "4 runs opened the test set, once each (3 of them in other profiles or earlier" in text(*records)
    assert part() == []


def test_another_data_set_is_a_part_of_its_own() -> None:
    own, other = part(record(VERDICT), record(about=row("quick", 5, part_given="data=fsdd")))
    assert (own.given, other.given) == ("", "data=fsdd")
    assert other.command == "make own-first PROFILE=quick DATA=fsdd"
    assert "## own first (data=fsdd): a part" in text(other.record)


def test_its_keys_are_in_the_command_but_not_where_its_files_lie() -> None:
    given = shlex.join(["data=table", "data.root=/home/me/my data", "data.ignore=[a, b]"])
    (found,) = part(record(about=row("quick", 5, part_given=given)))
    assert found.command == "make own-first PROFILE=quick DATA='table data.ignore=[a, b]'"
    assert "/home" not in text(found.record)
