"""`labkit resume=`: which run goes on, by which words, and what is said where none can."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from labkit.config import ConfigError
from labkit.runs import checkpoint_files
from labkit.runs.checkpoints import RESUME
from labkit.runs.resumption import resumed

COMMAND = "LABKIT_DATA='/d a' labkit data=digits 'name=a b'"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the command, and no trace of the test in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(RESUME, "")
    monkeypatch.delenv("LABKIT_DATA", raising=False)
    return tmp_path


def leave(home: Path, run_id: str, at: int, **facts: Any) -> Path:
    """A checkpoint that was left at some time."""
    owned = checkpoint_files.folder(home) / run_id / "free+x"
    told = {"folder": str(home), "command": COMMAND, "run_ids": [run_id], "parent": "", **facts}
    checkpoint_files.write(owned, told, {})
    os.utime(owned / "000001", (at, at))
    return owned


def test_the_newest_or_the_one_that_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = home / "elsewhere"
    elsewhere.mkdir()
    first, second = leave(home, "aaaa", 10, folder=str(elsewhere)), leave(home, "bbbb", 20)
    leave(home, "cccc", 30, parent="p")
    assert resumed(["resume=newest"]) == ["data=digits", "name=a b"]
    assert os.environ[RESUME] == str(second)
    assert os.environ["LABKIT_DATA"] == "/d a"
    monkeypatch.setenv("LABKIT_DATA", "/here")
    assert resumed(["resume=aaaa", f"paths.root={home}"]) == ["data=digits", "name=a b"]
    assert (os.environ[RESUME], Path.cwd()) == (str(first), elsewhere)
    assert os.environ["LABKIT_DATA"] == "/here"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["resume=newest"], "resume: no run that broke off has left a checkpoint under"),
        (["resume=abcd"], "resume: no checkpoint of run 'abcd' under .*; there is none at all."),
        (["resume=abcd", "seed=1"], "resume: a run goes on as it began, so seed=1 cannot be given with it."),
    ],
)
def test_nothing_to_go_on_from(words: list[str], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        resumed(words)


@pytest.mark.parametrize(
    ("wanted", "facts", "sentence"),
    [
        ("aaab", {}, "no checkpoint of run 'aaab' under .*; did you mean 'aaaa'?"),
        ("aaaa", {"parent": "p"}, "run aaaa is a job of a multirun; the command of the multirun, called again"),
        ("aaaa", {"folder": "/no/such/folder"}, "the run began in /no/such/folder, which is no folder any more"),
        ("newest", {"parent": "p"}, "no run that broke off has left a checkpoint"),
    ],
)
def test_a_run_that_cannot_go_on(home: Path, wanted: str, facts: dict[str, Any], sentence: str) -> None:
    leave(home, "aaaa", 10, **facts)
    with pytest.raises(ConfigError, match=sentence):
        resumed([f"resume={wanted}"])


def test_a_run_that_is_under_way(home: Path) -> None:
    owned = leave(home, "aaaa", 10)
    owned.rename(owned.with_name(checkpoint_files.own_name()))
    with pytest.raises(ConfigError, match="run aaaa is under way in another process"):
        resumed(["resume=aaaa"])
    with pytest.raises(ConfigError, match="no run that broke off"):
        resumed(["resume=newest"])
