"""The report page: one file, everything in it, everything escaped; the template lies inside the package."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from importlib import resources

import pytest

from labkit.report.board_layout import board_sheets
from labkit.report.canvas import render
from labkit.report.leaderboard import rank
from labkit.report.search_figures import objective_by_parameter
from labkit.report.search_layout import headline
from labkit.report.search_table import search_table
from labkit.report.study_page import (
    PageFigure,
    StudyPage,
    board_page_reading,
    opened_test,
    page,
    search_page_results,
    search_page_stages,
)
from tests.report.search_rows import lambda_rows, tried
from tests.stored import run_row

ROWS, STAGES = lambda_rows()
TABLE = search_table(tried(ROWS), STAGES)
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Reader(HTMLParser):
    """Reads a page: text, tags, links, and whether every tag is closed in its turn."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open, self.tags, self.links, self.images, self.words = [], [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name == "href"]
        self.images += [value for name, value in attrs if name == "src"]
        self.open += [] if tag in VOID else [tag]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def study():
    return StudyPage(
        title="kth/lambda",
        question="How much L2 regularisation?",
        answer=headline(TABLE),
        command="labkit sweeps=kth/lambda",
        date="2026-11-21",
        versions={"torch": "2.13.0"},
        results=search_page_results(TABLE),
        stages=search_page_stages(TABLE),
        figures=[PageFigure("by lambda", render(objective_by_parameter(TABLE)))],
        opened_test=opened_test(ROWS),
        store_hint="labkit ui",
        run_url="http://127.0.0.1:5000/#/experiments/1/runs/{run_id}",
    )


def test_the_page_says_everything(study):
    read = Reader(page(study))
    for fact in (study.title, study.question, study.answer, study.command, study.date, "torch 2.13.0", "labkit ui",
                 "opened 5 times", "stage final", "the 3 best of stage fine on fresh seeds", "by lambda",
                 "6.31e-05..0.00631 (log)", "[51.45, 52.39]", "1000..1004",
                 "DIVERGED", "PRUNED", "FAILED"):  # fmt: skip
        assert fact in read.text
    assert read.text.index("stage final") < read.text.index("stage confirm") < read.text.index("stage coarse")


def test_every_run_is_linked_once(study):
    links = [link for link in Reader(page(study)).links if "/runs/" in link]
    assert sorted(link.rpartition("/")[2] for link in links) == sorted(row.run_id for row in ROWS)
    assert Reader(page(replace(study, run_url=""))).links == []


def test_it_needs_nothing_else(study):
    text = page(study)
    read = Reader(text)
    assert not {"script", "link", "iframe"} & set(read.tags)
    assert "url(" not in text
    assert "@import" not in text
    (image,) = read.images
    assert image.startswith("data:image/png;base64,")
    assert base64.b64decode(image.partition(",")[2]) == study.figures[0].png


def test_equal_studies_give_equal_pages(study):
    assert page(study) == page(replace(study))


def test_what_users_write_is_text_not_markup():
    bad = '<script>alert("x")</script> & co'
    text = page(StudyPage(bad, bad, bad, bad, bad, {bad: bad}, store_hint=bad))
    read = Reader(text)
    assert "script" not in read.tags
    assert read.text.count(bad) >= 6


def test_an_empty_page_is_still_one():
    read = Reader(page(StudyPage("nothing yet")))
    assert "never opened" in read.text
    assert "table" not in read.tags
    assert "figure" not in read.tags


@pytest.mark.parametrize(
    ("count", "words"), [(0, "never opened"), (1, "opened once, by one run"), (5, "opened 5 times")]
)
def test_how_often_the_test_set_was_opened(count, words):
    assert words in Reader(page(StudyPage("x", opened_test=count))).text


def test_runs_that_opened_the_test_set_are_counted_but_not_their_means():
    means = run_row("means", {"seeds_of": "x"}, metrics={"test/accuracy": 0.5})
    assert opened_test([*ROWS, means]) == 5


def test_a_leaderboard_fits_the_page_as_well():
    digits = {"data._target_": "labkit.data.digits.digits"}
    other = [replace(row, run_id="0" * 24 + row.run_id[:8], params={**row.params, **digits}) for row in ROWS[:3]]
    board = rank([*ROWS, *other], extra=("test/accuracy",))
    read = Reader(page(StudyPage("board", results=board_sheets(board), reading=board_page_reading(board))))
    assert "2 data sets; results on different data do not compare" in read.text
    assert read.tags.count("table") == 2


def test_a_leaderboard_without_a_row_is_a_page_too():
    text = page(StudyPage("nothing came", results=board_sheets(rank([]))))
    assert "All results" in text
    assert '<th class="num">' not in text


def test_numbers_are_aligned_to_the_right_and_words_to_the_left(study):
    heads = re.findall(r'<th( class="num")?>([^<]*)</th>', page(study).partition('class="results"')[2])
    aligned = {name: bool(mark) for mark, name in heads}
    assert aligned["rank"]
    assert aligned["loss.l2"]
    assert not aligned["status"]
    assert not aligned["runs"]


def test_the_template_is_part_of_the_package():
    assert resources.files("labkit.report").joinpath("templates", "page.html.j2").is_file()


def test_importing_the_page_loads_neither_jinja_nor_matplotlib():
    code = (
        "import sys, labkit.report.study_page, labkit.report.search_figures, labkit.report.member_figures; "
        "print([name for name in ('matplotlib', 'jinja2', 'rich', 'scipy', 'mlflow') if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
