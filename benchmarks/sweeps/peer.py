"""What a peer's process is told, how it takes its time, and the report it leaves in its folder."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.sweeps.start import Start, read
from benchmarks.sweeps.work import Work, chosen

REPORT = "report.json"
BEGAN = "LABKIT_BENCH_BEGAN"  # when the parent started this process


@dataclass
class Report:
    """Seconds of one measurement.

    Attributes:
        start_up: from the command until the data is in memory: imports, reading, normalising.
        compile: of programs, before the first update.
        training: wall time of all updates and evaluations; of trials side by side, until the last one ends. Without
            `logging` where that can be told apart.
        evaluating: the part of `training` that is evaluation, summed over the trials.
        logging: in calls to MLflow, summed over the trials.
        total: from the command to the end of the process, taken by the parent.
    """

    start_up: float = 0.0
    compile: float = 0.0
    training: float = 0.0
    evaluating: float = 0.0
    logging: float = 0.0
    total: float = 0.0

    @contextmanager
    def clock(self, name: str) -> Iterator[None]:
        """Add the time spent inside to the field `name`."""
        began = time.perf_counter()
        try:
            yield
        finally:
            setattr(self, name, getattr(self, name) + time.perf_counter() - began)

    def started(self) -> None:
        """Start-up is over."""
        self.start_up = time.time() - float(os.environ.get(BEGAN, time.time()))

    def write(self) -> None:
        """Leave the report in the working folder."""
        Path(REPORT).write_text(json.dumps(asdict(self)))


@dataclass(frozen=True)
class Task:
    """What a peer is to do.

    Attributes:
        tracked: False in a trial run that only times a step.
    """

    work: Work
    start: Start
    threads: int
    precision: str
    tracked: bool = True
    report: Report = field(default_factory=Report)


def task() -> Task:
    """From the command line of a peer's process: `<work> [--smoke] [--threads n] [--precision p] [--time-steps n]`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("work")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--time-steps", type=int, default=0)
    given = parser.parse_args()
    start = read(Path())
    if given.time_steps:
        start = start.shortened(given.time_steps)
    return Task(chosen(given.work, given.smoke), start, given.threads, given.precision, not given.time_steps)


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
