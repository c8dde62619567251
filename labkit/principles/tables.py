"""What a principle was found to be, on a screen and as Markdown and CSV files."""

from __future__ import annotations

import csv
import io
import sys

from labkit.principles.finding import Finding, Table

_WIDTH = 150  # of a table that goes to a file


def show(name: str, question: str, finding: Finding, seconds: float) -> None:
    """Print tables, notes and claims with their verdicts to standard output."""
    from rich import box
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else _WIDTH, highlight=False)
    console.print(Text.assemble((name, "bold"), f"  {question}  ({seconds:.1f} s)"))
    for table in finding.tables:
        lines = any("\n" in cell for row in table.rows for cell in row)
        console.print(Text(table.title, style="italic"))
        drawn = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, show_lines=lines)
        for i, head in enumerate(table.columns):
            words = not any(sign.isdigit() for row in table.rows for sign in row[i])
            drawn.add_column(head, justify="left" if words or not i else "right")
        for row in table.rows:
            drawn.add_row(*(Text(cell) for cell in row))
        console.print(drawn)
    for note in finding.notes:
        console.print(Text(f"note: {note}", style="dim"))
    for claim in finding.claims:
        verdict = Text("holds  ", style="green") if claim.holds else Text("FALSE  ", style="bold red")
        console.print(Text.assemble(verdict, claim.sentence, (f"  [{claim.measured}]", "dim")), soft_wrap=True)
    console.print()


def to_markdown(name: str, question: str, finding: Finding) -> str:
    """All tables, notes and claims as one Markdown text."""
    tables = [f"## {table.title}\n\n{_markdown(table)}" for table in finding.tables]
    rows = [("yes" if claim.holds else "NO", claim.sentence, claim.measured) for claim in finding.claims]
    claims = _markdown(Table("", ("holds", "claim", "measured"), rows))
    notes = [f"- {note}" for note in finding.notes]
    parts = [f"# {name}", question, *tables, f"## Claims\n\n{claims}", *(["\n".join(notes)] if notes else [])]
    return "\n\n".join(parts) + "\n"


def _markdown(table: Table) -> str:
    rows = [table.columns, ["---"] * len(table.columns), *table.rows]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', '/').replace(chr(10), '<br>') for cell in row)} |" for row in rows
    )


def to_csv(table: Table) -> str:
    """One table; the lines of a cell are joined by semicolons."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows(
        [["; ".join(" ".join(line.split()) for line in cell.splitlines()) for cell in row] for row in table.rows]
    )
    return buffer.getvalue()
