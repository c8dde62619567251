"""One contract for all renderers of a sheet: each is read back by a reader of another make, and has every value."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Callable
from html import unescape
from html.parser import HTMLParser

import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from labkit.report import kinds
from labkit.report.sheet import NOTHING, Column, Sheet, in_files, join_sheets
from labkit.report.sheet_csv import to_csv
from labkit.report.sheet_html import to_html
from labkit.report.sheet_json import to_json
from labkit.report.sheet_markdown import to_markdown
from labkit.report.sheet_terminal import to_terminal
from labkit.report.sheet_text import to_text
from labkit.report.statistics import Summary

HOSTILE = [
    "a|b",
    "a,b",
    'say "no"',
    "two\nlines",
    "<script>alert(1)</script>",
    "a & b &amp; c",
    "\\|",
    "[red]x[/]",
    "é±",
]


def terminal(sheet: Sheet, width: int = 200) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(to_terminal(sheet))
    return console.file.getvalue()


class Cells(HTMLParser):
    """The cells of HTML tables, row by row, and the tags that were met."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("th", "td"):
            self.rows[-1].append("")

    def handle_data(self, data):
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


def from_csv(sheet: Sheet) -> list[list[str]]:
    return list(csv.reader(io.StringIO(to_csv(sheet), newline="")))


def from_json(sheet: Sheet) -> list[list[str]]:
    found = json.loads(to_json(sheet))
    return [found["columns"], *found["rows"]]


def from_html(sheet: Sheet) -> list[list[str]]:
    read = Cells(to_html([sheet]))
    assert read.tags <= {"table", "thead", "tbody", "tr", "th", "td"}
    return [[cell.rstrip("\n") for cell in row] for row in read.rows]


def from_markdown(sheet: Sheet) -> list[list[str]]:
    """Cells as a reader of GitHub's Markdown takes them: a bar ends a cell unless a backslash is before it."""
    lines = to_markdown(sheet).splitlines()
    return [[_unescaped(cell) for cell in _split(line)] for line in (lines[0], *lines[2:])]


def _split(line: str) -> list[str]:
    cells, place = [""], 0
    while place < len(line):
        step = 2 if line[place] == "\\" else 1
        if line[place] == "|":
            cells.append("")
        else:
            cells[-1] += line[place : place + step]
        place += step
    return [cell[1:-1] for cell in cells[1:-1]]


def _unescaped(cell: str) -> str:
    text = re.sub(r"\\(.)|(<br>)|(&#?\w+;)", lambda m: m[1] or ("\n" if m[2] else unescape(m[3])), cell)
    assert not re.search(r"(?<!\\)<(?!br>)[A-Za-z/!?]", cell), "no tag of a user's"
    return text


READERS: dict[str, Callable[[Sheet], list[list[str]]]] = {
    "csv": from_csv,
    "json": from_json,
    "html": from_html,
    "markdown": from_markdown,
}


@pytest.mark.parametrize("reader", READERS)
def test_hostile_text_comes_back_as_it_was(reader: str) -> None:
    sheet = Sheet([Column("head|<b>"), Column("other")], [[text, "x"] for text in HOSTILE])
    assert READERS[reader](sheet) == [["head|<b>", "other"], *[[text, "x"] for text in HOSTILE]]


@pytest.mark.parametrize("reader", READERS)
@given(st.lists(st.text(st.sampled_from("ab|\\<>&;\"',\n-"), min_size=1, max_size=8), min_size=1, max_size=4))
def test_any_text_comes_back_as_it_was(reader: str, texts: list[str]) -> None:
    sheet = Sheet([Column("first"), Column("last")], [[text.strip("\n") or "a", "end"] for text in texts])
    assert READERS[reader](sheet)[1:] == [[text.strip("\n") or "a", "end"] for text in texts]


@pytest.mark.parametrize("text", [text for text in HOSTILE if "\n" not in text])
def test_a_terminal_and_plain_text_show_what_was_written(text: str) -> None:
    sheet = Sheet([Column("head")], [[text]])
    assert text in terminal(sheet)
    assert to_text(sheet).splitlines() == ["head", text]


MEAN = Summary(3, 0.47123456789012345, 0.0123, (0.44, 0.5))
LOST = Summary(0, math.nan, None, None)
NUMBERS = Sheet(
    [
        Column("rank", right=True),
        in_files("status"),
        Column("val/accuracy (%)", kinds.estimate("val/accuracy"), ("mean", "deviation", "low", "high"), right=True),
        Column("n", kinds.TRIED, ("n", "tried")),
        Column("time", kinds.SECONDS, ("seconds",)),
        Column("on screens", fields=()),
        Column("runs", kinds.RUNS, ("run_ids",)),
    ],
    [
        [1, "FINISHED", MEAN, (3, 5), 65.25, "here", ("a" * 32, "b" * 32)],
        [None, "DIVERGED", LOST, (0, 2), math.nan, "", ("c" * 32,)],
    ],
    title="Results",
    notes=["read it so"],
)
SHOWN = [["1", "47.12 ± 1.23", "3 of 5"], [NOTHING, NOTHING, "0 of 2"]]


def test_files_have_full_precision_and_what_only_they_have() -> None:
    frame = pandas.read_csv(io.StringIO(to_csv(NUMBERS)))
    assert [*frame] == ["rank", "status", "mean", "deviation", "low", "high", "n", "tried", "seconds", "run_ids"]
    assert frame["mean"][0] == MEAN.mean
    assert frame["seconds"][0] == 65.25
    assert frame.loc[1, ["rank", "mean", "deviation", "low", "high"]].isna().all()
    assert [*frame["run_ids"]] == ["a" * 32 + " " + "b" * 32, "c" * 32]


def test_json_is_strict_and_says_the_same_as_csv() -> None:
    found = json.loads(to_json(NUMBERS), parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    frame = pandas.DataFrame(found["rows"], columns=found["columns"])
    pandas.testing.assert_frame_equal(frame, pandas.read_csv(io.StringIO(to_csv(NUMBERS))), check_dtype=False)
    assert (found["title"], found["notes"]) == ("Results", ["read it so"])
    assert found["rows"][1][8] is None


def test_people_read_texts_by_kind() -> None:
    numbers = Sheet(NUMBERS.columns[:4], [row[:4] for row in NUMBERS.rows])
    assert numbers.cells() == SHOWN
    assert from_markdown(numbers)[1:] == SHOWN
    assert from_html(numbers)[1:] == SHOWN
    shown = terminal(numbers)
    assert all(cell in shown for row in SHOWN for cell in row)


def test_a_narrow_terminal_leaves_out_what_yields_and_names_it() -> None:
    columns = [Column("keeps", whole=True), Column("first to go", yields=2), Column("second", yields=1)]
    sheet = Sheet(columns, [["x" * 10, "y" * 11, "z" * 6]], left_out=["2 more rows"])
    assert "too narrow" not in terminal(sheet, 60)
    shown = terminal(sheet, 30)
    assert ("z" * 6 in shown, "y" * 11 in shown) == (True, False)
    assert "2 more rows; too narrow for: first to go" in " ".join(shown.split())


def test_a_page_links_runs_and_groups_sheets_with_equal_heads() -> None:
    runs = Sheet([Column("runs", kinds.RUNS)], [[("a" * 32,)]], title="one")
    text = to_html([runs, Sheet(runs.columns, runs.rows, title="<two>")], run_url="http://x/{run_id}")
    assert text.count("<table") == 1
    assert text.count(f'href="http://x/{"a" * 32}"') == 2
    assert "&lt;two&gt;" in text
    assert to_html([runs, NUMBERS]).count("<table") == 2


def test_sheets_that_are_joined_have_all_rows() -> None:
    small = Sheet([Column("a")], [["1"], ["2"]])
    assert from_csv(join_sheets([small, Sheet(small.columns, [["3"]])])) == [["a"], ["1"], ["2"], ["3"]]
