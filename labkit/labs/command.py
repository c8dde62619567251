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
from labkit.runs.prepared_data import divided
from labkit.tracking import session
from labkit.tracking.settings import Mlflow
from labkit.tracking.store import TrackingError

MULTIRUN = "-m"


@dataclass(frozen=True)
class CommandOutcome:
    """How a command ended.

    Attributes:
        words: of the command line, without those of places.
        code: its exit code.
        rows: of its runs as the store has them; none of a command that trains nothing.
        seconds: wall time.
        notes: what a reader should know of the winners that it took over.
    """

    words: Sequence[str]
    code: int
    rows: Rows
    seconds: float
    notes: Sequence[str] = ()


def run_command(words: Sequence[str], places: Sequence[str] = ()) -> CommandOutcome:
    """Run `labkit WORDS PLACES` here, every training as a multirun, so that finished runs are not trained again.

    What is wrong is said on stderr as on the command line, and is the exit code.
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
    """The command line, as a shell takes it."""
    return shlex.join(["labkit", *words])


def check_data(words: Sequence[str]) -> None:
    """Read the data set of a command; raises ConfigError where files of it are missing or wrong, or too few samples."""
    divided(resolved(compose(words)))


def _dispatch_or_sweep(words: Sequence[str]) -> tuple[Rows, int]:
    words = [word for word in words if word != MULTIRUN]  # `sweep` is one
    if any(word.startswith("task=") for word in words):
        config, began, code = compose(words), int(1000 * time.time()), 0
        try:
            dispatch(config, words)
        except SystemExit as left:  # a check failed
            code = left.code if isinstance(left.code, int) else 1
        kept = session.tracker(Mlflow(), Path(config.paths.root)).since(began)
        here = provenance.process()  # others may be checking meanwhile
        return [row for row in kept if row.is_untrained and row.process == here], code
    rows = sweep(*words, "hydra.sweeper.max_failure_rate=1").rows  # what did not fail counts, and is claimed of
    failed = sum(row.status == "FAILED" for row in rows)
    return rows, int(failed > 0)
