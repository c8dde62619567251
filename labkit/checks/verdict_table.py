"""The verdicts of `task=check` as sheets: an overview, and all of them in full."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from labkit.checks.check_verdict import CheckVerdict
from labkit.report.sheet import NOTHING, Column, Kind, Sheet, in_files, sheet_of
from labkit.report.sheet_markdown import to_markdown

FAILED = "FAILED"
_PASSED = Kind(lambda passed: "ok" if passed else FAILED, lambda passed: ("ok" if passed else FAILED,))


def overview(verdicts: Sequence[CheckVerdict]) -> Sheet:
    """Return a row for each layer, network and model, a column for each test: the worst number, or FAILED.

    A test that is not about a subject shows `-`.
    """
    tests = list(dict.fromkeys(verdict.test for verdict in verdicts))
    rows, passed = [], []
    for subject in dict.fromkeys(verdict.subject for verdict in verdicts):
        own = [verdict for verdict in verdicts if verdict.subject == subject]
        cells = [_worst([verdict for verdict in own if verdict.test == test]) for test in tests]
        notes = dict.fromkeys(note for verdict in own for note in verdict.note.split("; ") if note)
        rows.append([subject, *cells, "; ".join(notes)])
        passed.append(all(verdict.passed for verdict in own))
    columns = [*(Column(head, whole=True) for head in ("", *tests)), Column("note")]
    return Sheet(columns, rows, marks=["" if kept else "bad" for kept in passed])


def full(verdicts: Sequence[CheckVerdict]) -> Sheet:
    """Return a row for each verdict; files have the share of its tolerance as well."""
    return sheet_of(
        verdicts,
        [
            (Column("test", whole=True), lambda verdict: verdict.test),
            (Column("subject"), lambda verdict: verdict.subject),
            (Column("in"), lambda verdict: verdict.variable),
            (Column("measured"), lambda verdict: verdict.measured),
            (Column("expected"), lambda verdict: verdict.expected),
            (Column("verdict", _PASSED, whole=True), lambda verdict: verdict.passed),
            (Column("note"), lambda verdict: verdict.note),
            (in_files("share_of_tolerance"), lambda verdict: float(verdict.share)),
        ],
        marks=["" if verdict.passed else "bad" for verdict in verdicts],
        ruled="test",
    )


def full_markdown(verdicts: Sequence[CheckVerdict]) -> str:
    """Return every verdict as a Markdown table, under the sentence that sums them up."""
    return f"{summary(verdicts)}\n\n{to_markdown(full(verdicts))}"


def summary(verdicts: Sequence[CheckVerdict]) -> str:
    """Return a sentence: how many checks passed, and of which tests the others are."""
    failed = [verdict for verdict in verdicts if not verdict.passed]
    if not failed:
        return f"All {len(verdicts)} checks passed."
    return f"{len(failed)} of {len(verdicts)} checks FAILED: {', '.join(_counts(failed))}."


def _counts(verdicts: Sequence[CheckVerdict]) -> Iterator[str]:
    for test in dict.fromkeys(verdict.test for verdict in verdicts):
        yield f"{test} {sum(verdict.test == test for verdict in verdicts)}"


def _worst(verdicts: Sequence[CheckVerdict]) -> str:
    """Return the number that took most of its tolerance."""
    if not verdicts:
        return NOTHING
    worst = max(verdicts, key=lambda verdict: (verdict.share != verdict.share, verdict.share))
    return worst.brief if worst.passed else FAILED
