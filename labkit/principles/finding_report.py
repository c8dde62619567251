"""The finding of a principle, on a screen and as Markdown."""

from __future__ import annotations

import sys

from labkit.principles.finding import Finding
from labkit.report.sheet import Column, Sheet
from labkit.report.sheet_markdown import to_markdown
from labkit.report.sheet_terminal import to_terminal

_WIDTH = 150  # of a table that goes to a file


def show(name: str, question: str, finding: Finding, seconds: float) -> None:
    """Print tables, notes and claims with their verdicts to standard output.

    Args:
        name: Name of the principle.
        question: Question that it asks.
        finding: Tables, claims and notes.
        seconds: Time that the experiment took, seconds.
    """
    from rich.console import Console
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else _WIDTH, highlight=False)
    console.print(Text.assemble((name, "bold"), f"  {question}  ({seconds:.1f} s)"))
    for table in finding.tables:
        console.print(to_terminal(table))
    for note in finding.notes:
        console.print(Text(f"note: {note}", style="dim"))
    for claim in finding.claims:
        verdict = Text("holds  ", style="green") if claim.holds else Text("FALSE  ", style="bold red")
        console.print(Text.assemble(verdict, claim.sentence, (f"  [{claim.measured}]", "dim")), soft_wrap=True)
    console.print()


def finding_markdown(name: str, question: str, finding: Finding) -> str:
    """Return all tables, notes and claims as one Markdown text."""
    heads = [Column(head) for head in ("holds", "claim", "measured")]
    rows = [("yes" if claim.holds else "NO", claim.sentence, claim.measured) for claim in finding.claims]
    sheets = [*finding.tables, Sheet(heads, rows, "Claims")]
    notes = ["\n".join(f"- {note}" for note in finding.notes) + "\n"] if finding.notes else []
    return "\n".join([f"# {name}\n", f"{question}\n", *map(to_markdown, sheets), *notes])
