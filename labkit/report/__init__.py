"""From run records to what people read: figures, the end-of-run table, the leaderboard, the progress line.

Nothing here touches the store or live objects. Names are loaded on first use, so that importing this package costs
nothing: matplotlib and rich come only with the first figure or table. `samples` is the one function that is not listed,
because its file has the same name: `from labkit.report.samples import samples`.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "learning_curves": "figures",
    "confusion_matrix": "figures",
    "gradient_norms": "figures",
    "range_test": "figures",
    "render": "figures",
    "RunSummary": "tables",
    "run_table": "tables",
    "run_text": "tables",
    "show_run": "tables",
    "diagnose": "tables",
    "rank": "leaderboard",
    "Leaderboard": "leaderboard",
    "Entry": "leaderboard",
    "to_rich": "layouts",
    "to_markdown": "layouts",
    "to_csv": "layouts",
    "Progress": "progress",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
