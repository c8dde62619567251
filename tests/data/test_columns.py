"""Columns that number the rows, columns that are not there, and what makes two cells one class.

It also covers classes.py.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from labkit.data.classes import classes_of
from labkit.data.columns import chosen_columns
from labkit.data.dataset import DataError
from labkit.data.table import table

NOISE = np.random.default_rng(0).normal(size=40)


def write(root: Path, name: str, numbers: list[int]) -> None:
    rows = [f"{number},{x:.3f},{'ab'[i // 20]}\n" for i, (number, x) in enumerate(zip(numbers, NOISE, strict=True))]
    (root / "table.csv").write_text("".join([f"{name},x,label\n", *rows]))


@pytest.mark.parametrize("name", ["", '""', "Unnamed: 0"])
@pytest.mark.parametrize(
    "numbers",
    [list(range(40)), list(range(1, 41)), np.random.default_rng(1).permutation(40).tolist(), list(range(0, 400, 10))],
    ids=["from 0", "from 1", "shuffled", "a subset"],
)
def test_a_nameless_column_that_numbers_the_rows_is_refused(tmp_path, name, numbers):
    write(tmp_path, name, numbers)
    bare = name.strip('"')
    with pytest.raises(DataError) as caught:
        table(root=tmp_path)
    assert f"a column without a name ({bare!r}) numbers the rows ({min(numbers)} to {max(numbers)})" in str(
        caught.value
    )
    assert f"leave it out with \"data.ignore=['{bare}']\", or give it a name." in str(caught.value)
    assert table(root=tmp_path, ignore=[bare]).features.shape == (40, 1)


@pytest.mark.parametrize("name", ["id", "index", "time"])
@pytest.mark.parametrize("numbers", [list(range(40)), list(range(40, 0, -1))])
def test_a_named_one_is_told(tmp_path, name, numbers):
    write(tmp_path, name, numbers)
    data = table(root=tmp_path)
    assert data.features.shape == (40, 2)
    (note,) = data.notes
    assert note.startswith(
        f"column '{name}' counts the rows ({min(numbers)} to {max(numbers)}): if it measures nothing"
    )


def test_a_nameless_measurement_is_a_feature(tmp_path):
    (tmp_path / "table.csv").write_text(",label\n1,a\n1,b\n2,a\n")
    data = table(root=tmp_path)
    assert data.features.ravel().tolist() == [1, 1, 2]
    assert data.notes == ()


def test_an_array_that_counts_is_told_too(tmp_path):
    np.savez(tmp_path / "t.npz", row=np.arange(40), x=NOISE, label=np.arange(40) // 20)
    (note,) = table(root=tmp_path, file=Path("t.npz")).notes
    assert note.startswith("column 'row' counts the rows (0 to 39)")


def test_a_sentence_names_ten_columns_the_nearest_first() -> None:
    names = [f"f{i}" for i in range(5000)] + ["class_of_it"]
    with pytest.raises(DataError) as caught:
        chosen_columns(Path("t.csv"), names, "class_of", [])
    said = str(caught.value)
    assert said.startswith("t.csv: found no column 'class_of' (key data.target): did you mean 'class_of_it'?")
    with pytest.raises(DataError) as caught:
        chosen_columns(Path("t.csv"), names, "q8", [])
    listed = str(caught.value).partition("valid: ")[2]
    assert listed.startswith("f8, ")
    assert listed.count(",") == 10  # nine between ten names and one in the number
    assert listed.endswith(" and 4,991 more.")


def test_a_sentence_shows_the_beginning_of_long_names_and_cells(tmp_path):
    (tmp_path / "table.csv").write_text(f"{'x' * 9999},label\n{'y' * 9999},a\n")
    with pytest.raises(DataError) as caught:
        table(root=tmp_path)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("values", "names", "labels"),
    [
        (["1", "1.0", "0", "1e0", "01"], ("0", "1"), [1, 1, 0, 1, 1]),
        (["10", "9.0", "9", "10.0"], ("9", "10"), [1, 0, 0, 1]),
        (["0.5", ".5", "5e-1", "2"], (".5", "2"), [0, 0, 0, 1]),
        (["True", "true", "FALSE"], ("FALSE", "True"), [1, 1, 0]),
        (["9007199254740993", "9007199254740992"], ("9007199254740992", "9007199254740993"), [1, 0]),
        (["01", "02"], ("01", "02"), [0, 1]),
        (["1", "1.0", "a"], ("1", "1.0", "a"), [0, 1, 2]),
        (["nan", "1", "1.0"], ("1", "1.0", "nan"), [2, 0, 1]),
    ],
)
def test_equal_numbers_are_one_class_where_all_are_numbers(values, names, labels):
    found = classes_of(values)
    assert found.names == names
    assert found.labels.tolist() == labels
    assert (
        bool(found.joined)
        == bool([n for n in found.notes if n.startswith("one class")])
        == (len(names) < len(set(values)))
    )


def test_joined_classes_are_told_and_are_other_data(tmp_path):
    (tmp_path / "table.csv").write_text("x,label\n1,1\n2,1.0\n3,0\n")
    data = table(root=tmp_path)
    assert data.notes == ("one class in several spellings: 1, 1.0",)
    (tmp_path / "table.csv").write_text("x,label\n1,1\n2,1\n3,0\n")
    plain = table(root=tmp_path)
    assert plain.notes == ()
    assert data.sha256 != plain.sha256


def test_decimal_commas_in_the_target(tmp_path):
    (tmp_path / "table.csv").write_text("x;label\n0,5;1\n1,5;1,0\n3;2\n")
    assert table(root=tmp_path).class_names == ("1", "2")


def test_classes_that_look_alike_are_told_and_stay():
    found = classes_of(["Yes", "yes", "no"])
    assert found.names == ("Yes", "no", "yes")
    assert found.notes == ("classes that differ only in capitals or blanks: 'Yes' and 'yes'",)
