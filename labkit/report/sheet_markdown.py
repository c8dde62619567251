"""A sheet as Markdown."""

from __future__ import annotations

import re

from labkit.report.sheet import Cell, Column, Sheet

# What starts markup: a backslash or a bar always, < and & only where a tag or an entity could follow (p<0.001 is none).
_SIGNS = re.compile(r"[\\|]|<(?=[A-Za-z/!?])|&(?=#?\w+;)")


def to_markdown(sheet: Sheet) -> str:
    """Return its heading, the table, and the sentences below, each a paragraph."""
    rule = ["---:" if column.right else "---" for column in sheet.shown]
    rows = [[escape(head) for head in sheet.heads], rule, *sheet.cells(_cell)]
    text = f"## {escape(sheet.title)}\n\n" if sheet.title else ""
    text += "".join(f"| {' | '.join(row)} |\n" for row in rows)
    return text + "".join(f"\n{sentence}\n" for sentence in (*sheet.warnings, *sheet.notes))


def escape(text: str) -> str:
    """Return a text in one line that Markdown shows as it is; emphasis and links are left to it."""
    return re.sub(r"\r\n|\r|\n", "<br>", _SIGNS.sub(r"\\\g<0>", text))


def code(text: str) -> str:
    """Return a text as code in a cell, where only a bar needs a sign before it."""
    return f"`{' '.join(text.split())}`".replace("|", "\\|")


def _cell(column: Column, value: Cell) -> str:
    own = column.kind.markdown
    return escape(column.text(value)) if own is None or value in (None, "") else own(value)
