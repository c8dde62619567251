"""The verdicts of `task=check` as terminal tables, Markdown and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from labkit.checks.verdict import Verdict
from labkit.report.cells import NOTHING, markdown_table

if TYPE_CHECKING:
    from rich.table import Table

HEADS = ("test", "subject", "in", "measured", "expected", "verdict", "note")
FAILED = "FAILED"


def overview(verdicts: Sequence[Verdict]) -> Table:
    """A row for each layer, network and model, a column for each test: the worst number, or FAILED.

    A test that is not about a subject shows `-`.
    """
    tests = list(dict.fromkeys(verdict.test for verdict in verdicts))
    table = _table(["", *tests, "note"], whole=["", *tests])
    for subject in dict.fromkeys(verdict.subject for verdict in verdicts):
        own = [verdict for verdict in verdicts if verdict.subject == subject]
        cells = [_worst([verdict for verdict in own if verdict.test == test]) for test in tests]
        notes = "; ".join(dict.fromkeys(note for v in own for note in v.note.split("; ") if note))
        _row(table, [subject, *cells, notes], all(verdict.passed for verdict in own))
    return table


def full(verdicts: Sequence[Verdict]) -> Table:
    """A row for each verdict."""
    table = _table(HEADS, whole=["test", "verdict"])
    for before, verdict in zip([None, *verdicts], verdicts, strict=False):
        if before is not None and before.test != verdict.test:
            table.add_section()
        _row(table, _cells(verdict), verdict.passed)
    return table


def to_markdown(verdicts: Sequence[Verdict]) -> str:
    """Every verdict as a Markdown table, under the sentence that sums them up."""
    return f"{summary(verdicts)}\n\n" + markdown_table(HEADS, map(_cells, verdicts))


def to_csv(verdicts: Sequence[Verdict]) -> str:
    """Every verdict, with the share of its tolerance at full precision."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([*HEADS, "share_of_tolerance"])
    writer.writerows([*_cells(verdict), repr(float(verdict.share))] for verdict in verdicts)
    return buffer.getvalue()


def summary(verdicts: Sequence[Verdict]) -> str:
    """How many passed, and of which tests the others are."""
    failed = [verdict for verdict in verdicts if not verdict.passed]
    if not failed:
        return f"All {len(verdicts)} checks passed."
    return f"{len(failed)} of {len(verdicts)} checks FAILED: {', '.join(_counts(failed))}."


def _counts(verdicts: Sequence[Verdict]) -> Iterator[str]:
    for test in dict.fromkeys(verdict.test for verdict in verdicts):
        yield f"{test} {sum(verdict.test == test for verdict in verdicts)}"


def _worst(verdicts: Sequence[Verdict]) -> str:
    """The number that took most of its tolerance."""
    if not verdicts:
        return NOTHING
    worst = max(verdicts, key=lambda verdict: (verdict.share != verdict.share, verdict.share))
    return worst.brief if worst.passed else FAILED


def _cells(verdict: Verdict) -> list[str]:
    word = "ok" if verdict.passed else FAILED
    return [
        verdict.test,
        verdict.subject,
        verdict.variable,
        verdict.measured,
        verdict.expected,
        word,
        verdict.note,
    ]


def _table(heads: Sequence[str], whole: Sequence[str]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head in heads:
        table.add_column(head, overflow="fold", no_wrap=head in whole)
    return table


def _row(table: Table, cells: Sequence[str], passed: bool) -> None:
    from rich.text import Text

    table.add_row(*map(Text, cells), style="" if passed else "bold red")
