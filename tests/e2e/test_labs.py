"""`task=lab`: the plan, what is refused, and every part in the profile that needs no files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from labkit.labs.command import CommandOutcome
from labkit.labs.course import PartOutcome
from labkit.labs.schema import Claim
from labkit.labs.verdict import Verdict
from labkit.tasks.lab import finish, show
from labkit.tracking.reading import runs
from labkit.tracking.store import default_store
from tests.labs.lab_files import PARTS


def test_a_dry_run_prints_the_plan_and_does_nothing(labkit: Any) -> None:
    answer = labkit("task=lab", "lab=bgu", "part=part1", "profile=full", "task.dry_run=true")
    assert answer.code == 0, answer.err
    assert answer.out.startswith("bgu part1: softmax regression and its optimiser tries (of the course's data, the")
    assert "(profile full, about 0:3" in answer.out
    assert "labkit experiment=bgu/softmax data=peaks seeds=5" in answer.out
    assert answer.files == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["lab=kht"], "lab: there is no lab 'kht', did you mean 'kth'?"),
        (["lab=bgu"], "part: which of lab 'bgu'? valid: part1, part2, all."),
        (
            ["lab=kth", "part=ex1-2", "seed=3"],
            "seed=3: a part of a lab runs as its file in conf/labs says; only paths.* and data may be given.",
        ),
        (
            ["lab=kth", "part=ex1-2", "tracker=none"],
            "tracker=none: a part of a lab runs as its file in conf/labs says; only paths.* and data may be given.",
        ),
        (["lab=kth", "part=ex1-2", "profile=ful"], "profile: there is no profile 'ful', did you mean 'full'?"),
        (["lab=kth", "part=ex12"], "part: lab 'kth' has no part 'ex12', did you mean 'ex1-2'?"),
        (
            ["lab=boulder", "part=part1", "data.train_size=5"],
            "data.train_size=5: keys of a data set go with data=..., which gives the part another set.",
        ),
        (["lab=bgu", "part=part1", "data=spirals"], "data=spirals: bgu part1 has data of its own and takes no other."),
    ],
)
def test_what_is_not_there_is_refused(words: list[str], sentence: str, labkit: Any) -> None:
    answer = labkit("task=lab", *words)
    assert (answer.code, answer.err) == (2, f"labkit: {sentence}\n")
    assert answer.files == []


def test_a_part_whose_data_are_missing_writes_nothing(labkit: Any) -> None:
    answer = labkit("task=lab", "lab=bgu", "part=part1", "profile=full", "paths.data=nowhere")
    assert answer.code == 2
    assert answer.err.startswith("labkit: ")
    assert "nowhere/bgu/SwissRollData.mat is missing: put the course's file" in answer.err
    assert answer.err.endswith("Without files: profile=smoke.\n")
    assert answer.files == []


def test_a_given_data_set_whose_files_are_missing_is_told_apart_from_embedded_ones(labkit: Any) -> None:
    answer = labkit("task=lab", "lab=boulder", "part=part2", "profile=quick", "data=fsdd", "paths.data=nowhere")
    assert (answer.code, answer.files) == (2, [])
    assert "nowhere/fsdd/recordings is missing: put" in answer.err
    assert answer.err.endswith("Without files: data=cluttered_digits or data=tones or data=syllables.\n")


def judged(holds: bool | None) -> Verdict:
    return Verdict(Claim(says="it learns", step="a", metric="val/accuracy"), 0.5, None, None, 1, 1, holds, None, ())


@pytest.mark.parametrize(
    ("holds", "codes", "code"),
    [(True, {"a": 0}, 0), (None, {"a": 0}, 0), (False, {"a": 0}, 1), (True, {"a": 1}, 1), (True, {"a": 2, "b": 1}, 2)],
)
def test_the_exit_code_says_how_it_went(
    holds: bool | None, codes: dict[str, int], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = {name: CommandOutcome(["x"], code, (), 1.0) for name, code in codes.items()}
    done = PartOutcome("bgu", "part1", ran, [judged(holds)], 3.0)
    show(done, "full")
    ended = 0
    try:
        finish([done])
    except SystemExit as left:
        ended = int(str(left.code))
    assert ended == code
    said = capsys.readouterr().out
    assert ("outside its band: it learns" in said) == (holds is False)


@pytest.fixture
def run_part(clean_environment: dict[str, str], tmp_path: Path) -> Any:
    """`labkit task=lab ... profile=smoke` in a process of its own; the records that it leaves."""

    def run_part(*words: str) -> list[Any]:
        done = subprocess.run(
            [sys.executable, "-m", "labkit", "task=lab", "profile=smoke", *words],
            cwd=tmp_path,
            env=clean_environment,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return [row for row in runs(default_store(tmp_path)[0]) if "labkit.lab_part" in row.tags]

    return run_part


@pytest.mark.slow
@pytest.mark.parametrize(("lab", "part"), PARTS, ids=lambda value: str(value))
def test_every_part_runs_on_embedded_data(lab: str, part: str, run_part: Any) -> None:
    rows = run_part(f"lab={lab}", f"part={part}")
    (own,) = [row for row in rows if row.tags["labkit.lab_part"] == f"{lab}/{part}"]
    assert (own.status, own.params["profile"]) == ("FINISHED", "smoke")


@pytest.mark.slow
@pytest.mark.parametrize("data", ["tones", "syllables"])
def test_deep_networks_take_sounds_and_texts(data: str, run_part: Any) -> None:
    rows = run_part("lab=boulder", "part=part3", f"data={data}")
    assert [(row.name, row.params["data"], row.status) for row in rows] == [
        ("part2", data, "FINISHED"),
        ("part3", data, "FINISHED"),
    ]
