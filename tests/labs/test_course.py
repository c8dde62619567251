"""A lab of two parts, run in this process: winners handed on, earlier parts first, finished work skipped, a record."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from labkit.compose import CONF, compose
from labkit.config import ConfigError
from labkit.labs import chosen_parts, part_record
from labkit.labs.course import Course
from labkit.labs.schema import read
from labkit.tasks import report
from labkit.tasks.lab import lab
from labkit.tracking import session
from labkit.tracking.reading import runs
from labkit.tracking.store import default_store

LAB = """
first:
  title: two rates
  accepts: {kinds: [vector], classes: 3, samples: 100}
  steps:
    rates:
      run: [name=rates, trainer.epochs=2, "model.hidden=[8,9]", "optimizer.lr=1e-9,0.1", seeds=2]
      smoke: [data=spirals]
  claims:
    - {says: better than guessing, step: rates, metric: val/accuracy, smoke: [0.4, 1], any_data: true}
    - {says: as good as on spirals, step: rates, metric: val/accuracy, smoke: [0.4, 1]}
second:
  title: the better one again
  accepts: {kinds: [vector]}
  steps:
    again:
      run: [name=again, data=spirals, trainer.epochs=1, "seeds=2"]
      takes: [{keys: [optimizer.lr, model.hidden], from: [first.rates]}]
      smoke: [trainer.batch_size=16]
    checked: {run: [task=check, task.only=differences]}
  claims:
    - {says: learns nothing, step: again, metric: val/accuracy, smoke: [0, 0.1]}
    - {says: is right, step: checked, metric: differences/smallest_error, smoke: [null, 1.0e-9]}
"""


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warm_writers: Any) -> Iterator[Any]:
    """`labkit task=lab lab=own part=...`; returns the exit code."""
    folder = tmp_path / "labs"
    folder.mkdir()
    (folder / "own.yaml").write_text(LAB)
    monkeypatch.setattr(chosen_parts, "LABS", folder)
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> int:
        words = ("task=lab", "lab=own", "profile=smoke", f"paths.root={tmp_path}", *words)
        try:
            lab(dry_run="task.dry_run=true" in words)(compose(words), words)
        except SystemExit as left:
            return int(str(left.code))
        finally:
            session.close()
        return 0

    with warm_writers():
        yield call


def rows(root: Path) -> list[Any]:
    return list(runs(default_store(root)[0]))


def test_a_part_runs_the_parts_it_needs_first_and_nothing_twice(
    call: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("part=second") == 1  # a claim is false
    said = capsys.readouterr().out
    assert "it takes winners of first, which runs first" in said
    assert "+ optimizer.lr, model.hidden of first.rates: highest val/accuracy" in said
    assert "labkit name=again data=spirals trainer.epochs=1 seeds=2 trainer.batch_size=16" in said
    assert said.count(f"trainer.batch_size=16 paths.root={tmp_path}\n") == 2  # as printed it goes to the same store
    assert "outside its band: learns nothing" in said
    trained = [row for row in rows(tmp_path) if row.name in ("rates", "again") and row.params.get("seed")]
    assert len(trained) == 4 + 2
    again = [row for row in trained if row.name == "again"]
    assert {(row.params["optimizer.lr"], row.params["model.hidden"]) for row in again} == {("0.1", "[8, 9]")}
    records = {row.name: row for row in rows(tmp_path) if "labkit.lab_part" in row.tags}
    assert {name: row.status for name, row in records.items()} == {"first": "FINISHED", "second": "FAILED"}
    first, second = part_record.read([records["first"], records["second"]], tmp_path)
    assert len(first.tested) == 4
    assert [verdict.holds for verdict in second.verdicts] == [False, True]
    assert second.steps["again"].command.startswith("labkit name=again")
    assert str(tmp_path) not in second.steps["again"].command
    assert (len(second.steps["checked"].run_ids), second.steps["checked"].training) == (1, 0)
    assert second.tested == set(second.steps["again"].run_ids) == {row.run_id for row in again}

    assert call("part=second") == 1
    assert "it takes winners of first, which has run" in capsys.readouterr().out
    now = [row for row in rows(tmp_path) if row.name in ("rates", "again") and row.params.get("seed")]
    assert len(now) == 6

    words = ("task=report", "lab=own", f"paths.root={tmp_path}", "task.file=results.md")
    report.report(file="results.md")(compose(words), words)
    said = (tmp_path / "results.md").read_text()
    mean = sum(row.metrics["val/accuracy"] for row in again) / 2
    assert f"| learns nothing (val/accuracy) | {100 * mean:.2f} ±" in said
    assert "| own second | smoke | spirals | 1 of 2 hold | - | 3 | 2 |" in said
    assert "| checked | 3 checks, 0 failed: differences |" in said
    assert "two hidden layers of tanh, trained, first 10 of W2: smallest error " in said
    assert [verdict.found < 1e-9 for verdict in second.verdicts if verdict.claim.step == "checked"] == [True]


def test_a_report_lies_beside_the_store_unless_told(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    for name, file, expected in (
        ("all", None, "mlruns/reports/results.md"),
        ("kth", None, "mlruns/reports/kth.md"),
        ("all", "docs/results.md", "docs/results.md"),
    ):
        assert report.page_path(tmp_path, name, file) == tmp_path / expected
    with pytest.raises(ConfigError, match=r"task\.file: expected the path of a page such as docs/results\.md"):
        report.page_path(tmp_path, "all", "docs")


def test_a_part_on_another_data_set_is_known_again_by_its_data(call: Any, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("data=gmm_generated", "data.samples=400")
    assert call("part=first", *words) in (0, 1)
    for data, state in ((words, "has run"), (("data=gmm_generated", "data.samples=401"), "runs first")):
        capsys.readouterr()
        assert call("part=second", "task.dry_run=true", *data) == 0
        assert f"it takes winners of first, which {state}" in capsys.readouterr().out


def test_too_little_data_is_said_before_anything_runs(
    call: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = LAB.replace("smoke: [data=spirals]", "smoke: [data=spirals, data.train_size=2000]", 1)
    (tmp_path / "labs" / "own.yaml").write_text(text)
    assert call("part=first", "data=gmm_generated", "data.samples=1000") == 2
    assert "data.train_size: 2000 samples asked for, but only" in capsys.readouterr().err
    assert not (tmp_path / "mlruns").exists() or rows(tmp_path) == []


def test_a_part_of_all_labs_is_refused(call: Any) -> None:
    with pytest.raises(ConfigError, match="part: lab=all is every part of every lab, expected no part or all, got 'x'"):
        call("lab=all", "part=x")


def test_data_of_a_kind_may_bring_words_of_their_own(call: Any, tmp_path: Path) -> None:
    text = LAB.replace("{kinds: [vector], classes: 3, samples: 100}", "{kinds: [vector], words: {vector: [seeds=1]}}")
    (tmp_path / "labs" / "own.yaml").write_text(text)
    part = read(tmp_path / "labs", "own").parts["first"]
    rates = part.steps["rates"]
    assert "seeds=2" in Course("smoke", tmp_path).words(part, rates)
    given = Course("smoke", tmp_path, (), ("data=gmm_generated",), "vector").words(part, rates)
    assert ("seeds=1" in given, "seeds=2" in given, "data=gmm_generated" in given) == (True, False, True)


def test_another_data_set_is_taken_where_it_fits(call: Any) -> None:
    for word, complaint in (
        ("data=circle", "data=circle: own first expects at least 3 classes, got 2."),
        ("data=digits", "data=digits: own first expects data of kind vector, got 'image'."),
    ):
        with pytest.raises(ConfigError, match=complaint):
            call("part=first", word)


@pytest.mark.parametrize(
    ("profile", "data", "bands"),
    [("smoke", (), [(0.4, 1), (0.4, 1)]), ("smoke", ("data=own",), [(0.4, 1), None]), ("full", (), [])],
)
def test_what_is_asked_of_another_data_set_and_of_another_profile(
    profile: str, data: tuple[str, ...], bands: list[Any], call: Any, tmp_path: Path
) -> None:
    asked = Course(profile, tmp_path, (), data).claims_of(read(tmp_path / "labs", "own").parts["first"])
    assert [claim.band(profile) for claim in asked] == bands


def test_published_numbers_are_not_about_another_data_set() -> None:
    part = read(CONF / "labs", "boulder").parts["part1"]
    rule = next(claim for claim in part.claims if claim.any_data)
    assert rule.published is not None
    asked = list(Course("quick", Path(), (), ("data=names",)).claims_of(part))
    assert [claim.band("quick") for claim in asked if claim.any_data] == [rule.quick]
    assert {(claim.assignment, claim.published, claim.published_by) for claim in asked} == {(None, None, "")}
