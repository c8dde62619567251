"""Runs of the same settings with other code or curves: which they are, and what is said of them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from labkit.compose import compose
from labkit.config import ConfigError
from labkit.multirun.optuna_sweep import fingerprint
from labkit.runs import earlier_versions
from labkit.runs.plan import Plan, plan
from labkit.runs.record import Job
from labkit.runs.standing import finished
from labkit.search.study import refuse_changes
from labkit.tracking import session
from labkit.tracking.rows import RunRow
from tests.stored import Store, job_plan, run_row


def job(config_hash: str, code: dict[str, str] | None = None, curves: str = "") -> Plan:
    config = {"model": {"hidden": 1}}
    settings = "s" if code else ""
    return job_plan(config_hash, shape="shape", config=config, code=code or {}, settings_hash=settings, curves=curves)


def row(config_hash: str, **tags: str) -> RunRow:
    return run_row(config_hash, {"config_hash": config_hash, "shape": "shape", **tags})


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], ""),
        ([row("new", code="mine.py=2 base.py=1", settings="s")], ""),
        ([row("x", code="mine.py=1 base.py=1", settings="another")], ""),
        (
            [row("old", code="mine.py=1 base.py=1", settings="s")],
            "1 run with the same settings is of an earlier version of mine.py: trained again.",
        ),
        (  # stored before runs took note of their code
            [row("s")],
            "1 run with the same settings is of an earlier version of base.py, mine.py: trained again.",
        ),
    ],
)
def test_the_sentence_names_the_files_that_changed(rows: list[RunRow], expected: str) -> None:
    assert earlier_versions.sentence(Store(*rows), [job("new", {"mine.py": "2", "base.py": "1"})]) == expected


def test_a_run_that_drew_other_curves_is_not_reused() -> None:
    store = Store(row("a", published="mine.yaml=1"), row("b", published="mine.yaml=2"))
    jobs = [job("a", curves="mine.yaml=2"), job("b", curves="mine.yaml=2")]
    assert list(finished(store, jobs)) == ["b"]
    told = "1 run with the same settings is of an earlier version of mine.yaml: trained again."
    assert earlier_versions.sentence(store, jobs) == told


def test_curves_count_only_where_they_are_drawn(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    seen = set()
    for value in (0.1, 0.2):
        file.write_text(f"source: me\ncurves: {{val/accuracy: [[0, {value}]]}}\n")
        words = [f"tracker.published={file}", "tracker.figures=true"]
        seen.add(plan(compose(words)).curves)
        assert plan(compose([*words, "tracker.figures=auto"])).curves == ""
        assert plan(compose(words)).config_hash == plan(compose([])).config_hash
    assert len(seen) == 2


def test_a_worker_that_read_other_code_than_the_sweep_refuses() -> None:
    ready: Any = SimpleNamespace(code={"mine.py": "2"})
    Job(ready, {session.CODE: "mine.py=2"})
    with pytest.raises(ConfigError, match=r"targets: mine.py changed while the sweep was running"):
        Job(ready, {session.CODE: "mine.py=1"})


def test_a_search_sees_the_code() -> None:
    """Under its default name it is another search; under one of the user's it refuses to go on."""
    space: Any = SimpleNamespace(dimensions=())
    prints = [fingerprint(job("a"), space, {}, code) for code in ({}, {"mine.py": "1"}, {"mine.py": "2"})]
    assert len(set(prints)) == 3
    was: dict[str, Any] = {"code": {"mine.py": "1", "base.py": "1"}}
    with pytest.raises(ConfigError, match=r"trained with an earlier version of mine.py"):
        refuse_changes("study", "search", was, {"code": {"mine.py": "2", "base.py": "1"}})
    refuse_changes("study", "search", was, was)
