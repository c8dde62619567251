"""The real command, whose store breaks while it trains: it ends well, and the next command has every value."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

WORDS = ("trainer.steps=30000", "trainer.eval_every=150", "model.hidden=16")  # 3 s of training
ROWS = 2221  # of each metric one an evaluation, and those of the end


@dataclass
class Command:
    """A training under way.

    Attributes:
        folder: Folder that it was given in.
        process: The trainer.
        kept: What a fault keeps for its repair.
    """

    folder: Path
    process: subprocess.Popen[str]
    kept: list[Any] = field(default_factory=list)

    @property
    def database(self) -> Path:
        return self.folder / "mlruns" / "mlflow.db"

    def writer(self) -> int:
        """Process id of the writer."""
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                try:
                    parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
                    words = (entry / "cmdline").read_bytes()
                except OSError:
                    continue
                if int(parent) == self.process.pid and b"labkit.tracking.writer" in words:
                    return int(entry.name)
        raise AssertionError("there is no writer")

    def await_rows(self) -> None:
        """Wait until the store has the first evaluations."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self.database.exists() and rows(self.database):
                return
            time.sleep(0.05)
        raise AssertionError("nothing came into the store")


def rows(database: Path) -> list[tuple[str, int, int]]:
    """Of each run its status, its rows of metrics, and how many of them differ in name or step."""
    query = """select status, count(*), count(distinct key || ' ' || step)
        from runs join metrics on metrics.run_uuid = runs.run_uuid group by runs.run_uuid"""
    with closing(sqlite3.connect(database, timeout=30)) as connection:
        return connection.execute(query).fetchall()


def labkit(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A command in a folder."""
    return subprocess.run(
        [sys.executable, "-m", "labkit", *words], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


def kill_writer(command: Command) -> None:
    os.kill(command.writer(), signal.SIGKILL)


def truncate(command: Command) -> None:
    command.kept.append(shutil.copy(command.database, command.folder / "copy"))
    os.truncate(command.database, 5000)


def restore(command: Command) -> None:
    shutil.copy(command.kept[0], command.database)


def forbid(command: Command) -> None:
    """As where a disk is mounted again for reading only; `root` heeds no permissions, so a folder takes its place."""
    command.database.rename(command.folder / "copy")
    command.database.mkdir()


def allow(command: Command) -> None:
    command.database.rmdir()
    (command.folder / "copy").rename(command.database)


def move_away(command: Command) -> None:
    (command.folder / "mlruns").rename(command.folder / "away")


def move_back(command: Command) -> None:
    shutil.rmtree(command.folder / "mlruns", ignore_errors=True)
    (command.folder / "away").rename(command.folder / "mlruns")


def lock(command: Command) -> None:
    command.kept.append(sqlite3.connect(command.database, isolation_level=None))
    command.kept[0].execute("begin exclusive")


def unlock(command: Command) -> None:
    command.kept[0].close()


Fault = Callable[[Command], Any]
FAULTS: dict[str, tuple[Fault, Fault, int]] = {  # what breaks it, what mends it, whether something must wait for that
    "the writer is killed": (kill_writer, lambda command: None, 0),
    "the writer is stopped": (lambda command: os.kill(command.writer(), signal.SIGSTOP), lambda command: None, 0),
    "the file is truncated": (truncate, restore, 1),
    "the file is removed": (lambda command: command.database.unlink(), lambda command: None, 1),
    "a folder is in its place": (forbid, allow, 1),
    "the project is moved": (move_away, move_back, 1),
    "it stays locked": (lock, unlock, 1),
}
LONG = ("the writer is stopped", "it stays locked")  # a minute each


@pytest.mark.parametrize(
    "fault", [pytest.param(fault, marks=pytest.mark.slow) if fault in LONG else fault for fault in FAULTS]
)
def test_a_store_that_breaks_costs_nothing(tmp_path: Path, fault: str) -> None:
    break_, mend, waits = FAULTS[fault]
    process = subprocess.Popen(
        [sys.executable, "-m", "labkit", *WORDS],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    command = Command(tmp_path, process)
    command.await_rows()
    break_(command)
    out, err = process.communicate(timeout=150)
    assert (process.returncode, "Traceback" in err) == (0, False), err
    assert "FINISHED" in out
    assert ("Nothing is lost" in err) == bool(waits), err
    mend(command)
    assert len(list(tmp_path.glob("mlruns/spool/left-*"))) == waits
    said = labkit(tmp_path, "task=compare")
    assert said.returncode == 0, said.stderr
    assert ("in the store now: 1 run" in said.stderr) == bool(waits)
    assert rows(command.database) == [("FINISHED", ROWS, ROWS)]
    assert not (tmp_path / "mlruns/spool").exists()
    assert len(list(tmp_path.glob("mlruns/artifacts/*/*/artifacts/weights.npz"))) >= 1
    assert "nothing waits" in labkit(tmp_path, "task=sync").stdout


def test_a_whole_tree_that_is_killed_keeps_what_it_had_recorded(tmp_path: Path) -> None:
    """The lines outlive both processes: the run ends KILLED, with what its writer had not stored yet."""
    process = subprocess.Popen(
        [sys.executable, "-m", "labkit", *WORDS, "tracker.checkpoint_every=null"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    command = Command(tmp_path, process)
    command.await_rows()
    writer = command.writer()
    os.kill(writer, signal.SIGSTOP)  # it is behind when both die
    before = rows(command.database)[0][1]
    time.sleep(1)
    for one in (process.pid, writer):
        os.kill(one, signal.SIGKILL)
    process.wait()
    (spool,) = tmp_path.glob("mlruns/spool/*")
    logged = spool.read_text().count('"op": "log"')
    assert labkit(tmp_path, "task=sync").returncode == 0
    ((status, count, different),) = rows(command.database)
    assert status == "KILLED"
    assert count == different > before
    with closing(sqlite3.connect(command.database)) as connection:
        assert connection.execute("select count(distinct step) from metrics").fetchone() == (logged,)
