"""The trainer's end: what it sends, what it costs, and how it behaves without ever importing MLflow.

It also covers line.py and run.py.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from labkit.tracking.client import MlflowTracker
from labkit.tracking.run import MlflowRun, cut, finite, metric_name


def test_light_import() -> None:
    """The client must not bring heavy packages into the trainer."""
    heavy = "mlflow", "numpy", "torch", "sqlite3"
    code = f"import labkit.tracking.client, sys; print([name for name in {heavy} if name in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("train/loss", "train/loss"),
        ("grad_l1/layer 1", "grad_l1/layer 1"),
        ("loss.l2", "loss.l2"),
        ("../x", "x"),
        ("/a//b/", "a/b"),
        ("a=b[0]", "a_b_0_"),
        ("", "_"),
        ("x" * 300, "x" * 250),
    ],
)
def test_names(key: str, expected: str) -> None:
    """Any key becomes one that MLflow takes; ordinary ones stay as they are."""
    assert metric_name(key) == expected


def test_cut_is_visible_and_fits() -> None:
    """A long value keeps its beginning and says how long it was."""
    assert cut("short", 6000) == "short"
    assert len(cut("x" * 7000, 6000)) == 6000
    assert cut("x" * 7000, 6000).endswith("x ... [cut: 7000 characters]")


def test_infinities_become_nan() -> None:
    """MLflow would store 1.8e308."""
    assert finite(1.5) == 1.5
    assert all(math.isnan(finite(value)) for value in (math.inf, -math.inf, math.nan))


def test_a_command_that_turns_out_wrong_writes_nothing(tmp_path: Path) -> None:
    """No run, no store, no waiting for MLflow's import at the end, no zombie."""
    tracker = MlflowTracker(f"sqlite:///{tmp_path}/mlruns/mlflow.db", tmp_path / "mlruns/artifacts")
    writer = tracker._line.process.pid
    begin = time.monotonic()
    tracker.close()
    assert time.monotonic() - begin < 0.5
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ChildProcessError):
        os.waitpid(writer, os.WNOHANG)
    tracker.close()  # a second call does nothing
    with pytest.raises(ValueError, match="closed"):
        tracker.start_run("kth", "late")


def test_the_writer_stands_apart_from_the_terminal(tmp_path: Path) -> None:
    """Ctrl-C reaches the trainer's process group only."""
    with MlflowTracker(f"sqlite:///{tmp_path}/mlflow.db", tmp_path) as tracker:
        writer = tracker._line.process.pid
        assert os.getsid(writer) == writer != os.getsid(0)


def test_bad_artifact_names_and_ended_runs_are_refused(tmp_path: Path) -> None:
    """A name that leaves the artifact folder, and anything after the end, is a mistake of the caller."""
    tracker = MlflowTracker(f"sqlite:///{tmp_path}/mlflow.db", tmp_path)
    run = MlflowRun(tracker, 0)
    for name in ("../x", "/etc/x", "a//b", ""):
        with pytest.raises(ValueError, match="relative path"):
            run.artifact_text(name, "text")
    run.open = False
    with pytest.raises(ValueError, match="has ended"):
        run.log(0, {"train/loss": 1.0})
    tracker.close()
