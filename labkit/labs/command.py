"""One step of a part: a `labkit` command carried out in this process."""

from __future__ import annotations

import shlex
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from labkit.cli import dispatch
from labkit.compose import compose
from labkit.config import ConfigError
from labkit.labs.selection import Rows
from labkit.notebook import sweep
from labkit.runs import provenance
from labkit.runs.plan import resolved
from labkit.runs.prepared_data import divide_data
from labkit.tracking import session
from labkit.tracking.settings import Mlflow
from labkit.tracking.store import TrackingError

MULTIRUN = "-m"


@dataclass(frozen=True)
class CommandOutcome:
    """The outcome of one command.

    Attributes:
        words: Words of the command line, without those that say where files lie.
        code: Exit code.
        rows: Rows of its runs in the store.
        seconds: Wall time in seconds.
        notes: Sentences on the winners that it took over.
    """

    words: Sequence[str]
    code: int
    rows: Rows
    seconds: float
    notes: Sequence[str] = ()


def run_command(words: Sequence[str], places: Sequence[str] = ()) -> CommandOutcome:
    """Run `labkit WORDS PLACES` in this process, every training as a multirun, which skips finished runs.

    An error is printed on stderr as the command line does it, and becomes the exit code; none is raised, so that a part
    keeps a record of the steps before.

    Args:
        words: Words of the command line.
        places: Words that say where files lie; they are no part of the outcome's `words`.
    """
    started, code = time.perf_counter(), 0
    rows: Rows = ()
    try:
        rows, code = _dispatch_or_sweep([*words, *places])
    except ConfigError as error:
        print(f"labkit: {error}", file=sys.stderr)
        code = 2
    except TrackingError as error:
        print(f"labkit: {error}", file=sys.stderr)
        code = 1
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else 1
    except Exception:
        traceback.print_exc()
        code = 1
    return CommandOutcome(words, code, rows, time.perf_counter() - started)


def command_line(words: Sequence[str]) -> str:
    """Return the command line as a shell takes it."""
    return shlex.join(["labkit", *words])


def check_data(words: Sequence[str]) -> None:
    """Read and divide the data set of a command, to find its faults before anything trains.

    Raises:
        ConfigError: Files are missing or wrong, or there are too few samples.
    """
    divide_data(resolved(compose(words)))


def _dispatch_or_sweep(words: Sequence[str]) -> tuple[Rows, int]:
    """Run a task as the command line does, and anything else as a sweep; return its runs and the exit code."""
    words = [word for word in words if word != MULTIRUN]  # `sweep` always makes one
    if any(word.startswith("task=") for word in words):
        config, began, code = compose(words), int(1000 * time.time()), 0
        try:
            dispatch(config, words)
        except SystemExit as left:  # a check failed
            code = left.code if isinstance(left.code, int) else 1
        kept = session.tracker(Mlflow(), Path(config.paths.root)).since(began)
        here = provenance.process()  # other processes may record checks in the same store meanwhile
        return [row for row in kept if row.is_untrained and row.process == here], code
    rows = sweep(*words, "hydra.sweeper.max_failure_rate=1").rows  # claims are judged on what remains
    failed = sum(row.status == "FAILED" for row in rows)
    return rows, int(failed > 0)
