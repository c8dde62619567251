"""Sheets as the HTML tables of a page, everything escaped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby

from labkit.report.sheet import NOTHING, Sheet

_ID = 8  # letters of a run's id that a page shows; the rest is in its title


def to_html(sheets: Sequence[Sheet], name: str = "results", run_url: str = "") -> str:
    """Return a table for neighbours with the same heads, in which each sheet is a group under its title.

    Args:
        sheets: Sheets, in order.
        name: Class of the tables in the style sheet.
        run_url: Address of a run, with `{run_id}` in it; "" for none.
    """
    return "".join(_table(list(alike), name, run_url) for _, alike in groupby(sheets, key=lambda sheet: sheet.heads))


def _table(sheets: Sequence[Sheet], name: str, run_url: str) -> str:
    lines = [cells for sheet in sheets for cells in sheet.cells()]
    numeric = [
        not column.kind.runs and _numbers([line[i] for line in lines]) for i, column in enumerate(sheets[0].shown)
    ]
    marks = [_attribute("num" if right else "") for right in numeric]
    heads = "".join(f"<th{mark}>{escape(head)}</th>" for head, mark in zip(sheets[0].heads, marks, strict=True))
    groups = "".join("\n".join(["<tbody>", *_group(sheet, marks, run_url), "</tbody>\n"]) for sheet in sheets)
    return f'<table class="{name}">\n<thead><tr>{heads}</tr></thead>\n{groups}</table>\n'


def _group(sheet: Sheet, marks: Sequence[str], run_url: str) -> Iterator[str]:
    if sheet.title:
        beside = f"<span>{escape(sheet.about)}</span>" if sheet.about else ""
        yield f'<tr class="stage"><th colspan="{len(marks)}">{escape(sheet.title)}{beside}</th></tr>'
    places = [i for i, column in enumerate(sheet.columns) if column.head is not None]
    for number, (row, texts) in enumerate(zip(sheet.rows, sheet.cells(), strict=True)):
        cells = (
            f'<td class="runs">{_links(row[i], run_url)}</td>'
            if sheet.columns[i].kind.runs
            else f"<td{mark}>{escape(text)}</td>"
            for i, text, mark in zip(places, texts, marks, strict=True)
        )
        yield f"<tr{_attribute(sheet.mark(number))}>{''.join(cells)}</tr>"


def _links(run_ids: Sequence[str], run_url: str) -> str:
    return "".join(_link(run_id, run_url.replace("{run_id}", run_id)) for run_id in run_ids or ())


def _link(run_id: str, address: str) -> str:
    tag, where = ("a", f' href="{escape(address)}"') if address else ("span", "")
    return f'<{tag} class="id"{where} title="{escape(run_id)}">{escape(run_id[:_ID])}</{tag}>'


def _attribute(name: str) -> str:
    return f' class="{name}"' if name else ""


def _numbers(cells: Sequence[str]) -> bool:
    """Return whether there are cells and each starts as a number or an interval, or is empty."""
    return bool(cells) and all(cell == NOTHING or cell.lstrip("+-[")[:1].isdigit() for cell in cells)
