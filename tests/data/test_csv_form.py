"""Separators, decimal signs and headers: one small table in every way that programs write it."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from labkit.config import ConfigError
from labkit.data.csv_form import SEPARATORS, form_of
from labkit.data.dataset import DataError
from labkit.data.table import table

NAMES = ["length", "width, in m", "label"]
ROWS = [[0.126, -12.5, "hi"], [1.0, 3.25, "lo"], [-1.234, 1000.0, "hi"], [2.5, -0.5, "lo"]]


def written(separator: str, decimal: str, header: bool, quoting: int, end: str) -> str:
    """The table by Python's own writer."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=separator, quoting=quoting, lineterminator=end)
    cells = [[str(cell).replace(".", decimal) for cell in row] for row in ROWS]
    writer.writerows([NAMES, *cells] if header else cells)
    return buffer.getvalue()


def read(root: Path, text: str, **keys: object):
    (root / "table.csv").write_bytes(text.encode())
    return table(root=root, **keys)


def assert_is_the_table(data) -> None:
    np.testing.assert_array_equal(data.features, np.array([row[:2] for row in ROWS], np.float32))
    assert data.class_names == ("hi", "lo")
    assert data.labels.tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("decimal", [".", ","])
@pytest.mark.parametrize("separator", SEPARATORS.values())
def test_every_way_of_writing_gives_the_same_table(tmp_path, separator, decimal, header, end, quoting):
    text = written(separator, decimal, header, quoting, end)
    data = read(tmp_path, text, **({} if header else {"header": False, "target": -1}))
    assert_is_the_table(data)
    assert data.notes == ()


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + written(";", ",", True, csv.QUOTE_ALL, "\r\n"),
        "\n\n" + written(";", ".", True, csv.QUOTE_MINIMAL, "\n\n"),
        "# measured in May; by label\n#\n" + written(",", ".", True, csv.QUOTE_MINIMAL, "\n"),
        "# " + written("|", ".", True, csv.QUOTE_MINIMAL, "\n"),
        "sep=;\r\n" + written(";", ",", True, csv.QUOTE_MINIMAL, "\r\n"),
        written(";", ",", True, csv.QUOTE_MINIMAL, "\n") + ";;\n",
        written("\t", ".", True, csv.QUOTE_MINIMAL, "\t\n"),
        written(" ", ".", True, csv.QUOTE_MINIMAL, "  \n").replace(" 3.25", "     3.25"),
    ],
    ids=["bom", "blank lines", "comments", "savetxt", "Excel", "empty row", "trailing separator", "aligned"],
)
def test_oddities_of_programs(tmp_path, text):
    assert_is_the_table(read(tmp_path, text))


def test_what_is_unusual_is_in_the_source(tmp_path):
    assert read(tmp_path, written(",", ".", True, 0, "\n")).source == "the table table.csv, target 'label'"
    said = read(tmp_path, written(";", ",", False, 0, "\n"), target=2).source
    assert said == "the table table.csv, target 2 (separator semicolon, decimal commas, no header)"


def test_keys_overrule_what_the_lines_show(tmp_path):
    data = read(tmp_path, "x:label\n1,500:a\n2,250:b\n", separator=":", decimal="comma")
    np.testing.assert_array_equal(data.features, [[1.5], [2.25]])
    data = read(tmp_path, "1,2,label\n3,4,a\n5,6,b\n", header=True)
    np.testing.assert_array_equal(data.features, [[3, 4], [5, 6]])
    data = read(tmp_path, "0,1,2\n3.5,4.5,1\n5,6,2\n", target=2)  # pandas' names of columns that have none
    np.testing.assert_array_equal(data.features, [[3.5, 4.5], [5, 6]])
    data = read(tmp_path, "5,3,1\n3.5,4.5,2\n", target=1, ignore=[-1])  # no column 1 in the first line, but a position
    np.testing.assert_array_equal(data.features, [[5], [3.5]])
    assert data.class_names == ("3", "4.5")


@pytest.mark.parametrize(
    ("text", "keys", "sentence"),
    [
        ("5.1,3.5,setosa\n4.9,3,b\n", {}, r"the first line holds numbers \(5.1, 3.5, setosa\) and no column 'label'"),
        ("5.1,3.5,0\n4.9,3,1\n", {}, r"say data.header=false and the position of the classes, data.target=-1"),
        ("1,2,a\n", {"header": False}, "expected a position from 0 to 2, or -1 for the last, found 'label'"),
        (
            "1,2,a\n",
            {"header": False, "target": 3},
            r"no column 3 \(key data.target\), expected a position from 0 to 2",
        ),
        ("x;label\n1,234;a\n12,500;b\n", {}, r"found '1,234', which may mean 1.234 or 1234: say data.decimal=comma"),
        ('x,label\n"1,234,567",a\n', {}, r"line 2, column 'x': found '1,234,567', expected a finite number\.$"),
        ("x;label\n1.234,5;a\n", {}, r"line 2, column 'x': found '1.234,5', expected a finite number\.$"),
        ("x;label\n1.5;a\n2,5;b\n", {}, r"line 3.*found '2,5', expected a finite number \(or say data.decimal=comma\)"),
        ("x;label\n1,5;a\n2.5;b\n", {"decimal": ","}, r"found '2.5', expected a finite number \(or say .*=point\)"),
        ("x,y,label\n1,5,2,5,a\n", {}, "line 2: found 5 cells, expected 3"),
    ],
)
def test_two_readings_or_none_are_refused(tmp_path, text, keys, sentence):
    with pytest.raises(DataError, match=sentence):
        read(tmp_path, text, **keys)


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("separator", "semicolons", "data.separator: found 'semicolons', did you mean 'semicolon'"),
        ("separator", "x", "data.separator: found 'x', valid: comma, pipe, semicolon, space, tab"),
        ("decimal", "dot", "data.decimal: found 'dot', valid: comma, point"),
    ],
)
def test_a_key_that_is_no_sign(tmp_path, key, value, sentence):
    with pytest.raises(ConfigError, match=sentence):
        read(tmp_path, "x,label\n1,a\n", **{key: value})


def test_numbers_of_lines_count_what_is_skipped(tmp_path):
    with pytest.raises(DataError, match="line 5, column 'x': found 'oops'"):
        read(tmp_path, "# it's a \"comment\n\nx,label\n1,a\noops,b\n")


def test_the_form_is_read_off_the_first_lines_only() -> None:
    lines = ["x;label\n", *["1,5;a\n"] * 10]
    assert form_of(lines, Path("t"), "label") == form_of([*lines, "1.5;a\n"][:11], Path("t"), "label")
