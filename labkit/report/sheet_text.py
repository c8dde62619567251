"""A sheet as plain text: no colours, no frames, no line broken; for logs and files."""

from __future__ import annotations

from labkit.report.sheet import Sheet


def to_text(sheet: Sheet) -> str:
    """Return heads and rows in aligned columns, two spaces apart."""
    rows = [sheet.heads, *sheet.cells()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    places = list(zip(sheet.shown, widths, strict=True))
    return "".join(
        "  ".join(
            cell.rjust(width) if column.right else cell.ljust(width)
            for cell, (column, width) in zip(row, places, strict=True)
        ).rstrip()
        + "\n"
        for row in rows
    )
