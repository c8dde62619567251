"""Runs that do not end well, started together since each spends its time importing; the status that is left behind."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from labkit.tracking.reading import runs
from labkit.tracking.rows import RunRow
from labkit.tracking.store import default_store

LONG = ("trainer.steps=100000000", "trainer.eval_every=1000", "model.hidden=16")


def rows_in(folder: Path) -> list[RunRow]:
    return runs(default_store(folder)[0])


@pytest.fixture(scope="module")
def ended(
    own: Path, clean_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, tuple[int, str, Path]]]:
    """Ending -> exit code, stderr and folder, of a run that was killed, interrupted, or raised."""
    words = {
        "kill": LONG,
        "interrupt": LONG,
        "raise": ("-cd", str(own), "-m", "optimizer=broken,sgd", "targets=[own_parts.broken]", "trainer.epochs=1"),
    }
    started = {ending: _start(ending, words[ending], own, clean_environment, tmp_path_factory) for ending in words}
    left = {}
    try:
        for ending, (running, folder) in started.items():
            if ending != "raise":
                _wait(lambda folder=folder: _statuses(folder) == ["RUNNING"])  # type: ignore[misc]
                running.send_signal(signal.SIGKILL if ending == "kill" else signal.SIGINT)
            _, err = running.communicate(timeout=60)
            left[ending] = (running.returncode, err, folder)
            _wait(lambda folder=folder: "RUNNING" not in _statuses(folder))  # type: ignore[misc]
        yield left
    finally:
        for running, _ in started.values():
            running.kill()
            running.wait()


def _start(
    name: str, words: tuple[str, ...], own: Path, environment: dict[str, str], factory: pytest.TempPathFactory
) -> tuple[subprocess.Popen[str], Path]:
    folder = factory.mktemp(name)
    variables = {**environment, "PYTHONPATH": str(own)}
    command = [sys.executable, "-m", "labkit", *words]
    with open(os.devnull, "w") as nothing:
        return (
            subprocess.Popen(command, cwd=folder, env=variables, stdout=nothing, stderr=subprocess.PIPE, text=True),
            folder,
        )


def _statuses(folder: Path) -> list[str]:
    file = folder / "mlruns" / "mlflow.db"
    if not file.exists():
        return []
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as store:
        return [status for (status,) in store.execute("select status from runs")]


def _wait(condition: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def test_a_killed_run_is_killed(ended: dict[str, tuple[int, str, Path]]) -> None:
    code, _, folder = ended["kill"]
    assert (code, _statuses(folder)) == (-signal.SIGKILL, ["KILLED"])


def test_an_interrupted_run_is_killed_and_says_nothing_more(ended: dict[str, tuple[int, str, Path]]) -> None:
    code, err, folder = ended["interrupt"]
    assert (code, _statuses(folder)) == (130, ["KILLED"])
    assert "Traceback" not in err
    assert "KeyboardInterrupt" in rows_in(folder)[0].tags["mlflow.note.content"]


def test_a_run_that_raises_failed(ended: dict[str, tuple[int, str, Path]]) -> None:
    code, err, folder = ended["raise"]
    parent, broken, fine = rows_in(folder)
    assert code == 1
    assert (parent.status, broken.status, fine.status) == ("FAILED", "FAILED", "FINISHED")
    assert "ArithmeticError: the loss is negative" in err
    assert "the loss is negative" in broken.tags["mlflow.note.content"]


@pytest.mark.slow
def test_a_store_that_cannot_be_used_is_said_in_a_sentence(process: Any, tmp_path: Path) -> None:
    answer = process(cwd=tmp_path, MLFLOW_TRACKING_URI="sqlite:////dev/null/mlflow.db")
    assert answer.code == 1
    assert "Traceback" not in answer.err
    assert "labkit: tracking store" in answer.err
