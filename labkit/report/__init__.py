"""From run records to what people read: figures, the end-of-run table, the leaderboard, the progress line.

Nothing here touches the store or live objects. Names are loaded on first use, so that importing this package costs
nothing: matplotlib and rich come only with the first figure or table. Three functions are not listed, because their
files have the same names: `from labkit.report.samples import samples`, `from labkit.report.search_table import
search_table` and `from labkit.report.page import page`.
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
    "rank": "leaderboard",
    "Leaderboard": "leaderboard",
    "Entry": "leaderboard",
    "to_rich": "layouts",
    "to_markdown": "layouts",
    "to_csv": "layouts",
    "Section": "leaderboard",
    "Progress": "progress",
    "Summary": "statistics",
    "summarise": "statistics",
    "Paired": "statistics",
    "paired": "statistics",
    "StageFacts": "search_table",
    "SearchTable": "search_table",
    "Tried": "search_table",
    "search_markdown": "search_layouts",
    "search_csv": "search_layouts",
    "headline": "search_layouts",
    "accounting": "search_layouts",
    "objective_by_parameter": "search_figures",
    "parameter_map": "search_map",
    "Member": "member_figures",
    "member_curves": "member_figures",
    "seed_spread": "member_figures",
    "StudyPage": "page",
    "PageFigure": "page",
    "search_page_table": "page",
    "search_page_stages": "page",
    "board_page_table": "page",
    "opened_test": "page",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
