"""labkit itself: its command line, as a user types it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks.sweeps import tracking
from benchmarks.sweeps.peer import Report
from benchmarks.sweeps.work import Work


def measure(
    work: Work, folder: Path, environment: Mapping[str, str], precision: str, launcher: str | None
) -> subprocess.CompletedProcess[str]:
    """Run the sweep in `folder`."""
    return subprocess.run(
        [sys.executable, "-m", "labkit", *work.words(precision, launcher)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def report(work: Work, folder: Path) -> Report:
    """From its runs: `time/seconds` is a trial's share of updates and evaluations. Everything else is start-up."""
    histories = tracking.histories(work, folder / tracking.STORE)
    training = sum(row.get("time/seconds", 0.0) for history in histories.values() for row in history.values())
    return Report(training=training)
