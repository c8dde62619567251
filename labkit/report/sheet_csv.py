"""A sheet as CSV: full precision, whole ids; nothing is an empty field."""

from __future__ import annotations

import csv
import io

from labkit.report.sheet import Sheet


def to_csv(sheet: Sheet) -> str:
    """Return the columns of files, a line for each row."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(sheet.fields)
    writer.writerows(sheet.records())
    return buffer.getvalue()
