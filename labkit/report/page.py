"""A multirun or a search as one HTML file that needs nothing else: no script, no network, figures inside."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from itertools import groupby
from typing import TYPE_CHECKING

from labkit.report import board_cells, search_layouts
from labkit.report import cells as write
from labkit.report.entries import Entry
from labkit.report.leaderboard import Leaderboard
from labkit.report.search_table import SearchTable
from labkit.tracking.rows import RunRow

if TYPE_CHECKING:
    from jinja2 import Template

_TEMPLATE = "page.html.j2"


@dataclass(frozen=True)
class PageLine:
    """A line of the table: cells as text, the whole ids of its runs, and whether it is best or without a result."""

    cells: Sequence[str]
    run_ids: Sequence[str] = ()
    best: bool = False
    lost: bool = False


@dataclass(frozen=True)
class PageGroup:
    """Lines under one heading: a stage, or a data set; `note` stands beside the heading."""

    heading: str
    note: str
    heads: Sequence[str]
    lines: Sequence[PageLine]


@dataclass(frozen=True)
class PageTable:
    """The table of all results: groups of lines, and sentences that say how to read it."""

    groups: Sequence[PageGroup]
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class PageStages:
    """The table of stages: heads and lines of text."""

    heads: Sequence[str]
    lines: Sequence[Sequence[str]]
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class PageFigure:
    """A PNG with what it shows, a sentence."""

    caption: str
    png: bytes


@dataclass(frozen=True)
class StudyPage:
    """What a page shows; all but the title may be left out.

    Attributes:
        title: name of the study.
        question: what it was to find out; the first comment of its sweep file.
        answer: one sentence, as `labkit.report.headline` gives it.
        command: what to type to run it again.
        date: when it ended, as text.
        versions: package -> version.
        table: the results.
        stages: what each stage searched.
        figures: in order.
        opened_test: how many runs opened the test set.
        store_hint: how to open the store, a command or a sentence.
        run_url: address of a run in the store's own pages, with `{run_id}` in it.
    """

    title: str
    question: str = ""
    answer: str = ""
    command: str = ""
    date: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    table: PageTable | None = None
    stages: PageStages | None = None
    figures: Sequence[PageFigure] = ()
    opened_test: int = 0
    store_hint: str = ""
    run_url: str = ""


def page(study: StudyPage) -> str:
    """The whole HTML file; equal studies give equal files."""
    return _template().render(
        study=study,
        images=[base64.b64encode(figure.png).decode("ascii") for figure in study.figures],
        sheets=_sheets(study.table.groups if study.table else ()),
        address=lambda run_id: study.run_url.replace("{run_id}", run_id),
    )


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    source = resources.files(__package__).joinpath("templates", _TEMPLATE).read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(source)


@dataclass(frozen=True)
class _Sheet:
    """Neighbouring groups with the same heads, which make one table; `right` tells the columns of numbers."""

    heads: list[str]
    right: list[bool]
    groups: list[PageGroup]


def _sheets(groups: Sequence[PageGroup]) -> list[_Sheet]:
    sheets = []
    for heads, alike in groupby(groups, key=lambda group: list(group.heads)):
        own = list(alike)
        lines = [line.cells for group in own for line in group.lines]
        right = [bool(lines) and all(_is_number(cells[i]) for cells in lines) for i in range(len(heads))]
        sheets.append(_Sheet(heads, right, own))
    return sheets


def _is_number(cell: str) -> bool:
    """Whether a cell starts as a number or an interval, or is empty."""
    return cell == write.NOTHING or cell.lstrip("+-[")[:1].isdigit()


def search_page_table(table: SearchTable) -> PageTable:
    """The table of a search, a group for each stage."""
    groups = []
    for part in table.parts:
        heads, lines = search_layouts.cells(table, part)
        settings = search_layouts.settings_text(part)
        notes = [part.stage.sampler, part.stage.note, "" if settings == write.NOTHING else settings]
        group = PageGroup(
            f"stage {part.stage.name}" if part.stage.name else "",
            "; ".join(note for note in notes if note),
            *_without(heads, lines, part.entries, ("stage", "runs")),
        )
        groups.append(group)
    return PageTable(groups, search_layouts.reading(table))


def search_page_stages(table: SearchTable) -> PageStages | None:
    """The stages of a search with their ranges; None where there is but one without a name."""
    if len(table.parts) < 2 and not any(part.stage.name for part in table.parts):
        return None
    notes = [f"{part.stage.name}: {part.stage.note}" for part in reversed(table.parts) if part.stage.note]
    return PageStages(*search_layouts.stage_cells(table), notes)


def board_page_table(board: Leaderboard) -> PageTable:
    """A leaderboard, a group for each data set."""
    groups = []
    notes: list[str] = [board_cells.apart(board)] if board_cells.apart(board) else []
    for section in board.sections:
        heads, lines = board_cells.cells(board, section)
        heading = section.data if len(board.sections) > 1 else ""
        groups.append(PageGroup(heading, "", *_without(heads, lines, section.entries, ("runs",))))
        notes += board_cells.reading(board, section)
    return PageTable(groups, list(dict.fromkeys(notes)))


def opened_test(rows: Iterable[RunRow]) -> int:
    """How many runs opened the test set."""
    return sum(row.opened_test for row in rows if not row.speaks_for_others)


def _without(
    heads: Sequence[str], lines: Sequence[Sequence[str]], entries: Sequence[Entry], left_out: Sequence[str]
) -> tuple[list[str], list[PageLine]]:
    """Heads and lines without some columns: runs become links, and the stage is the heading."""
    kept = [i for i, head in enumerate(heads) if head not in left_out]
    made = [
        PageLine([line[i] for i in kept], entry.run_ids, best=entry.rank == 1, lost=entry.rank is None)
        for line, entry in zip(lines, entries, strict=True)
    ]
    return [heads[i] for i in kept], made
