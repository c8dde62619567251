"""A sheet as strict JSON, which `pandas.DataFrame(found["rows"], columns=found["columns"])` reads."""

from __future__ import annotations

import json
import math

from labkit.report.sheet import Plain, Sheet


def to_json(sheet: Sheet) -> str:
    """Return title, columns of files, rows and sentences; null stands for nothing and for what is not finite."""
    content = {
        "title": sheet.title,
        "columns": sheet.fields,
        "rows": [[_finite(value) for value in record] for record in sheet.records()],
        "notes": [*sheet.warnings, *sheet.notes],
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _finite(value: Plain) -> Plain:
    return None if isinstance(value, float) and not math.isfinite(value) else value
