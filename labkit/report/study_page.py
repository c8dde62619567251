"""A multirun or a search as one HTML file that needs nothing else: no script, no network, figures inside."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from labkit.report import search_layout
from labkit.report.board_layout import apart, board_sheets
from labkit.report.leaderboard import Leaderboard
from labkit.report.search_table import SearchTable, StagePoints
from labkit.report.sheet import NOTHING, Sheet
from labkit.report.sheet_html import to_html
from labkit.tracking.rows import RunRow

if TYPE_CHECKING:
    from jinja2 import Template

_TEMPLATE = "page.html.j2"


@dataclass(frozen=True)
class PageFigure:
    """A figure of a page.

    Attributes:
        caption: Sentence that says what it shows.
        png: Bytes of the PNG file.
    """

    caption: str
    png: bytes


@dataclass(frozen=True)
class StudyPage:
    """The content of a page; all but the title may be left out.

    Attributes:
        title: Name of the study.
        question: Question that it was to answer; the first comment of its sweep file.
        answer: Sentence that answers it, as `labkit.report.headline` gives it.
        command: Command that runs it again.
        date: Day and time at which it ended, as text.
        versions: Package -> version.
        results: Tables of the results, each a group under its title, with the sentences above them in `reading`.
        reading: Sentences that say how to read the results.
        stages: Table of the stages with the ranges that they searched; None for none.
        figures: Figures, in order.
        opened_test: Number of runs that opened the test set.
        store_hint: Command or sentence that says how to open the store.
        run_url: Address of a run in the store's own pages, with `{run_id}` in it.
    """

    title: str
    question: str = ""
    answer: str = ""
    command: str = ""
    date: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    results: Sequence[Sheet] = ()
    reading: Sequence[str] = ()
    stages: Sheet | None = None
    figures: Sequence[PageFigure] = ()
    opened_test: int = 0
    store_hint: str = ""
    run_url: str = ""


def page(study: StudyPage) -> str:
    """Return the whole HTML file; equal studies give equal files."""
    return _template().render(
        study=study,
        images=[base64.b64encode(figure.png).decode("ascii") for figure in study.figures],
        results=to_html(study.results, "results", study.run_url),
        stages=to_html([study.stages], "stages") if study.stages else "",
    )


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    source = resources.files(__package__).joinpath("templates", _TEMPLATE).read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(source)


def search_page_results(table: SearchTable) -> list[Sheet]:
    """Return the results of a search, a sheet for each stage under its name."""
    return [_stage(table, part) for part in table.parts]


def _stage(table: SearchTable, part: StagePoints) -> Sheet:
    sheet = search_layout.search_sheet(table, [part]).without(lambda column, _: column.head == "stage")
    settings = search_layout.settings_text(part)
    notes = [part.stage.sampler, part.stage.note, "" if settings == NOTHING else settings]
    title = f"stage {part.stage.name}" if part.stage.name else ""
    return replace(sheet, title=title, about="; ".join(note for note in notes if note))


def search_page_stages(table: SearchTable) -> Sheet | None:
    """Return the stages of a search with their ranges; None where there is but one without a name."""
    if len(table.parts) < 2 and not any(part.stage.name for part in table.parts):
        return None
    return search_layout.stage_sheet(table)


def board_page_reading(board: Leaderboard) -> list[str]:
    """Return sentences that say how to read the leaderboard of a page, each once."""
    sentences = [sentence for sheet in board_sheets(board) for sentence in (*sheet.warnings, *sheet.notes)]
    return list(dict.fromkeys([*filter(None, [apart(board)]), *sentences]))


def opened_test(rows: Iterable[RunRow]) -> int:
    """Return the number of runs that opened the test set."""
    return sum(row.opened_test for row in rows if not row.speaks_for_others)
