"""Real commands that are killed while they train: the same run goes on, each row once, equal to the last bit."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

# Long enough to be met under way; a checkpoint is due as often as 2% of the time allow.
LONG = ("model.hidden=50", "trainer.epochs=60", "trainer.eval_every=2/epoch", "tracker.checkpoint_every=0")
COMMANDS = {
    "single": LONG,
    "population": ("-m", "optimizer.lr=0.05,0.1", *LONG),
    "joblib": ("-m", "optimizer.lr=0.05,0.1", *LONG, "hydra/launcher=joblib"),
}
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(clean_environment: dict[str, str]) -> Start:
    """Start a command in a folder and a process group of its own."""

    def run(folder: Path, *words: str) -> subprocess.Popen[str]:
        folder.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "labkit", *words]
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command, cwd=folder, env=clean_environment, stdout=pipe, stderr=pipe, text=True, start_new_session=True
        )

    return run


def finish(running: subprocess.Popen[str]) -> str:
    _, err = running.communicate(timeout=120)
    assert running.returncode == 0, err
    return err


def cut(running: subprocess.Popen[str], folder: Path, number: int, whole_tree: bool = False) -> str:
    """Send a signal as soon as there are two checkpoints; what it said."""
    end = time.monotonic() + 90
    while len([*folder.glob("mlruns/checkpoints/*/*/[0-9]*")]) < 2:
        assert running.poll() is None, running.communicate()
        assert time.monotonic() < end
        time.sleep(0.01)
    (os.killpg if whole_tree else os.kill)(running.pid, number)
    return running.communicate(timeout=60)[1]


def rows(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Status and all rows of every run that trains, by its config hash."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    with sqlite3.connect(folder / "mlruns" / "mlflow.db") as store:
        query = "select value, run_uuid, status from tags join runs using (run_uuid) where key = 'labkit.config_hash'"
        for config_hash, run_id, status in store.execute(query).fetchall():
            metrics = store.execute(
                "select key, step, value from metrics where run_uuid = ? and key != 'time/seconds' order by 1, 2",
                (run_id,),
            )
            found.setdefault(config_hash, []).append((status, *metrics))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("whole_tree", [False, True])
@pytest.mark.parametrize("kind", COMMANDS)
def test_killed_and_gone_on_with(start: Start, tmp_path: Path, kind: str, whole_tree: bool) -> None:
    words = COMMANDS[kind]
    finish(start(tmp_path / "whole", *words))
    cut(start(tmp_path / "cut", *words), tmp_path / "cut", signal.SIGKILL, whole_tree)
    said = finish(start(tmp_path / "cut", *(["resume=newest"] if kind == "single" else words)))
    if kind != "joblib":  # whose workers say it
        assert "goes on after update" in said
    assert rows(tmp_path / "cut") == rows(tmp_path / "whole")
    assert not [*(tmp_path / "cut").glob("mlruns/checkpoints/*")]
    if kind == "single":
        one, other = (
            np.load(*(tmp_path / name).glob("mlruns/artifacts/*/*/artifacts/weights.npz")) for name in ("cut", "whole")
        )
        for name in other:
            np.testing.assert_array_equal(one[name], other[name])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_asked_to_end(start: Start, tmp_path: Path, number: int, code: int) -> None:
    running = start(tmp_path, *LONG)
    said = cut(running, tmp_path, number)
    assert running.returncode == code
    assert "labkit: stopped after update" in said
    ((run,),) = rows(tmp_path).values()
    assert run[0] == "KILLED"
    command = said.split("`")[1]
    assert command.startswith("labkit resume=")
    damaged = max(tmp_path.glob("mlruns/checkpoints/*/*/[0-9]*"))
    damaged.write_bytes(damaged.read_bytes()[:-9])
    goes_on = finish(start(tmp_path, *command.split()[1:]))
    assert "the one before it counts" in goes_on
    ((run,),) = rows(tmp_path).values()
    assert run[0] == "FINISHED"
    assert len(run[1:]) == len({row[:2] for row in run[1:]})


@pytest.mark.slow
def test_usr1_keeps_the_state_and_goes_on(start: Start, tmp_path: Path) -> None:
    running = start(tmp_path, *LONG)
    cut(running, tmp_path, signal.SIGUSR1)
    assert running.returncode == 0
    assert not [*tmp_path.glob("mlruns/checkpoints/*")]


@pytest.mark.slow
def test_a_changed_configuration_is_refused_with_the_difference(
    start: Start, tmp_path: Path, clean_environment: dict[str, str]
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "experiment").mkdir()
    file = own / "experiment" / "mine.yaml"
    file.write_text("# @package _global_\n# Mine.\ntrainer: {epochs: 60}\n")
    folder = tmp_path / "run"
    cut(start(folder, "-cd", str(own), "experiment=mine", "tracker.checkpoint_every=0"), folder, signal.SIGTERM)
    file.write_text("# @package _global_\n# Mine.\ntrainer: {epochs: 61}\n")
    running = start(folder, "resume=newest")
    _, err = running.communicate(timeout=60)
    assert running.returncode == 2
    assert "labkit: resume: the run cannot go on, since it began with trainer.epochs=60 (now 61)." in err
    assert [*folder.glob("mlruns/checkpoints/*/*/[0-9]*")], "what there was is still there"
    shutil.rmtree(folder)
