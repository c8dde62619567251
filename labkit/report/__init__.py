"""From run records to what people read: figures, the end-of-run table, the leaderboard, the progress line.

Nothing here touches the store or live objects. Names are loaded on first use, so that importing this package costs
nothing: matplotlib and rich come only with the first figure or table. Two functions are not listed, because their
files have the same names: `from labkit.report.samples import samples` and `from labkit.report.search_table
import search_table`.
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
    "Sheet": "sheet",
    "Column": "sheet",
    "Kind": "sheet",
    "to_terminal": "sheet_terminal",
    "to_text": "sheet_text",
    "to_markdown": "sheet_markdown",
    "to_csv": "sheet_csv",
    "to_json": "sheet_json",
    "to_html": "sheet_html",
    "RunSummary": "run_summary",
    "run_table": "run_summary",
    "run_text": "run_summary",
    "show_run": "run_summary",
    "rank": "leaderboard",
    "Leaderboard": "leaderboard",
    "Entry": "leaderboard",
    "board_terminal": "board_layout",
    "board_markdown": "board_layout",
    "board_csv": "board_layout",
    "board_sheets": "board_layout",
    "Section": "leaderboard",
    "ProgressLine": "progress",
    "Summary": "statistics",
    "summarise": "statistics",
    "Paired": "statistics",
    "paired_difference": "statistics",
    "StageFacts": "search_table",
    "SearchTable": "search_table",
    "Tried": "search_table",
    "search_markdown": "search_layout",
    "search_csv": "search_layout",
    "headline": "search_layout",
    "accounting": "search_layout",
    "objective_by_parameter": "search_figures",
    "parameter_map": "search_map",
    "Member": "member_figures",
    "member_curves": "member_figures",
    "seed_spread": "member_figures",
    "page": "study_page",
    "StudyPage": "study_page",
    "PageFigure": "study_page",
    "search_page_results": "study_page",
    "search_page_stages": "study_page",
    "board_page_reading": "study_page",
    "opened_test": "study_page",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
