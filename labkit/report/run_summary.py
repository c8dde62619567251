"""The end-of-run table: how well the run did, what looks wrong, how to repeat it and how to open it."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

from labkit.report.durations import duration
from labkit.report.sheet import Column, Kind, Sheet
from labkit.report.sheet_terminal import to_terminal
from labkit.report.sheet_text import to_text

if TYPE_CHECKING:
    from rich.console import Group

_PARTS = (
    ("train", "train"),
    ("validation", "val"),
    ("test", "test"),
    ("validation, ensemble", "val/ensemble"),
    ("test, ensemble", "test/ensemble"),
)
_METRICS = ("accuracy", "precision", "recall", "loss")


@dataclass(frozen=True)
class RunSummary:
    """The last words on a run.

    Attributes:
        name: Name of what was run, such as an experiment's.
        run_id: MLflow's id; empty, as is `open_command`, of a run that was not recorded.
        status: FINISHED, FAILED or KILLED.
        metrics: Last value of each metric, `part/metric`; parts without a metric (a test set that stays shut) are left
            out of the table.
        seconds: Wall time, seconds; of a member, its share.
        reproduce: Command that repeats the run.
        open_command: Command or address that shows it.
        never_predicted: Names of classes that the network never chose.
        notes: Sentences, one each, such as `labkit.runs.symptoms` gives.
        measured: Samples that `train` is measured on; "" for the whole training part.
        suggested: Override words that a learning-rate range test suggests; "" for none.
    """

    name: str
    run_id: str
    status: str
    metrics: Mapping[str, float]
    seconds: float
    reproduce: str
    open_command: str
    never_predicted: Sequence[str] = field(default=())
    notes: Sequence[str] = field(default=())
    measured: str = ""
    suggested: str = ""


_SHARE, _LOSS = Kind(lambda value: _percent(value)), Kind(lambda value: f"{value:.4f}")
_COLUMNS = (
    Column("part", whole=True),
    Column("accuracy", _SHARE, right=True),
    Column("precision (macro)", _SHARE, right=True),
    Column("recall (macro)", _SHARE, right=True),
    Column("loss", _LOSS, right=True),
)


def run_sheet(summary: RunSummary) -> Sheet:
    """Return the last metrics of a run, a row for each part that has any."""
    rows = [[part, *(summary.metrics.get(f"{prefix}/{name}") for name in _METRICS)] for part, prefix in _PARTS]
    return Sheet(_COLUMNS, [row for row in rows if any(value is not None for value in row[1:])])


def _percent(value: float) -> str:
    return f"{100 * value:.2f}%" if math.isfinite(value) else f"{value}"


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else duration(seconds)


def _warnings(summary: RunSummary) -> list[str]:
    never = list(summary.never_predicted)
    listed = ", ".join(never[:10]) + (f" and {len(never) - 10} more" if len(never) > 10 else "")
    return [*([f"never predicted: {listed}"] if never else []), *summary.notes]


def _facts(summary: RunSummary) -> list[tuple[str, str]]:
    facts = [("suggested", summary.suggested)] if summary.suggested else []
    facts += [("train", summary.measured)] if summary.measured else []
    facts += [("time", _seconds(summary.seconds)), ("run id", summary.run_id)]
    facts += [("reproduce", summary.reproduce), ("open", summary.open_command)]
    return [(name, value) for name, value in facts if value]


def run_table(summary: RunSummary) -> Group:
    """Return the table as something that rich can print; `show_run` prints it so that commands stay whole."""
    from rich.console import Group
    from rich.text import Text

    good = summary.status == "FINISHED"
    title = Text.assemble((summary.name, "bold"), "  ", (summary.status, "green" if good else "bold red"))
    warnings = [Text(f"warning: {sentence}", style="yellow") for sentence in _warnings(summary)]
    facts = [Text.assemble((f"{name:<11}", "dim"), value) for name, value in _facts(summary)]
    return Group(title, to_terminal(run_sheet(summary)), *warnings, *facts)


def run_text(summary: RunSummary) -> str:
    """Return the table as plain text for logs and files: no colours, no frames, commands unbroken."""
    lines = [f"{summary.name}  {summary.status}", *to_text(run_sheet(summary)).splitlines()]
    lines += [f"warning: {sentence}" for sentence in _warnings(summary)]
    lines += [f"{name:<11}{value}" for name, value in _facts(summary)]
    return "\n".join(lines) + "\n"


def show_run(summary: RunSummary, stream: TextIO | None = None) -> None:
    """Print the table to `stream` (standard output): with rich on a terminal, as plain text elsewhere."""
    stream = stream if stream is not None else sys.stdout
    if not stream.isatty():
        stream.write(run_text(summary))
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(file=stream, highlight=False)
    for part in run_table(summary).renderables:
        # A sentence or a command is left for the terminal to wrap, so that it can be copied; a table adapts.
        console.print(part, soft_wrap=isinstance(part, Text))
