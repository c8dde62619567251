"""A user's own table as CSV and NPZ."""

from pathlib import Path

import numpy as np
import pytest

from labkit.config import ConfigError
from labkit.data.dataset import DataError
from labkit.data.table import table

CSV = "id,width,height,species\na1,1.5,2,rose\na2,-3e-2,4,tulip\n\na3,5,6,rose\n"


def write(root: Path, content: str | bytes, name: str = "table.csv") -> Path:
    path = root / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_csv(tmp_path):
    write(tmp_path, CSV)
    data = table(root=tmp_path, target="species", ignore=["id"])
    np.testing.assert_array_equal(data.features, np.array([[1.5, 2], [-0.03, 4], [5, 6]], dtype=np.float32))
    assert data.features.dtype == np.float32
    assert data.class_names == ("rose", "tulip")
    assert list(data.labels) == [0, 1, 0]
    assert len(data.sha256) == 64
    assert not data.verified


def test_numeric_classes_sort_as_numbers(tmp_path):
    write(tmp_path, "x,label\n1,10\n2,9\n3,10\n")
    assert table(root=tmp_path).class_names == ("9", "10")


def test_quotes_and_byte_order_mark_and_absolute_path(tmp_path):
    path = write(tmp_path, '\ufeff"x, in m",label\r\n"1","a,b"\r\n2,c\r\n', "My Data.CSV")
    data = table(root=Path("elsewhere"), file=path)
    assert data.class_names == ("a,b", "c")
    assert data.features.shape == (2, 1)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("x,label\n1,a\n2,b,c\n", "line 3: found 3 cells, expected 2 as in the header"),
        ("x,y,label\n1,2,a\n1,oops,b\n", "line 3, column 'y': found 'oops', expected a finite number"),
        ("x,y,label\n1,2,a\n1,,b\n", "line 3, column 'y': found '', expected a finite number"),
        ("x,y,label\n1,2,a\n1,nan,b\n", "line 3, column 'y': found 'nan'"),
        ("x,y,label\n1,2,a\n1,1e99,b\n", "line 3, column 'y': found '1e99'"),
        ("x,label\n1,a\n2,\n", "line 3, column 'label': found an empty cell, expected a class"),
        ("x,labels\n1,a\n", r"found no column 'label' \(key data.target\): did you mean 'labels'\?"),
        ("x;labels\n1;a\n", r"found no column 'label' \(key data.target\): did you mean 'labels'\?"),
        ("x,x,label\n1,2,a\n", "found the column 'x' twice"),
        ("label\na\nb\n", "found no column besides 'label'"),
        ("x,label\n1,a\n2,a\n", r"found only one class \(a\)"),
        ("x,label\n", "found no sample"),
        ("", "found no column 'label'"),
        (b"x,label\n1,\xe9\n", "found byte 0xe9, expected UTF-8"),
        ('x,label\n1,"a\n', "found broken CSV"),
    ],
)
def test_bad_csv(tmp_path, content, sentence):
    write(tmp_path, content)
    with pytest.raises(DataError, match=f"(table.csv|table): .*{sentence}"):
        table(root=tmp_path)


def test_unknown_column_to_ignore(tmp_path):
    write(tmp_path, CSV)
    with pytest.raises(DataError, match=r"found no column 'widht' \(key data.ignore\): did you mean 'width'\?"):
        table(root=tmp_path, target="species", ignore=["widht"])


def test_npz(tmp_path):
    features, extra, label = np.arange(12).reshape(4, 3), np.array([0.5, 1, 2, 3]), np.array([3, 1, 3, 2])
    np.savez(tmp_path / "t.npz", features=features, label=label, extra=extra)
    data = table(root=tmp_path, file=Path("t.npz"))
    np.testing.assert_array_equal(data.features, np.column_stack([features, extra]).astype(np.float32))
    assert data.class_names == ("1", "2", "3")
    assert list(data.labels) == [2, 0, 2, 1]


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"x": np.ones((4, 2))}, r"found no column 'label' \(key data.target\)"),
        ({"x": np.ones((3, 2)), "label": np.arange(4)}, r"array 'x': found float64 \(3, 2\), expected numbers \(4,\)"),
        ({"x": np.ones((4, 2, 2)), "label": np.arange(4)}, r"array 'x': found float64 \(4, 2, 2\)"),
        ({"x": np.array(["a"] * 4), "label": np.arange(4)}, "array 'x': found <U1"),
        ({"x": np.ones(4), "label": np.ones((4, 2))}, "array 'label': found float64 .*expected one class per row"),
        ({"x": np.array([1, np.inf, 2, 3]), "label": np.arange(4)}, "sample 1, feature 0: found inf"),
        ({"x": np.array([None] * 4), "label": np.arange(4)}, "cannot be read as an NPZ file of plain arrays"),
    ],
)
def test_bad_npz(tmp_path, arrays, sentence):
    np.savez(tmp_path / "t.npz", **arrays)
    with pytest.raises(DataError, match=sentence):
        table(root=tmp_path, file=Path("t.npz"))


def test_a_key_of_csv_says_nothing_of_npz(tmp_path):
    np.savez(tmp_path / "t.npz", x=np.ones(4), label=np.arange(4))
    with pytest.raises(ConfigError, match=r"data.decimal: it speaks of CSV, and t.npz is an NPZ file"):
        table(root=tmp_path, file=Path("t.npz"), decimal="comma")


@pytest.mark.parametrize("keep", [0, 40, 300])
def test_truncated_npz(tmp_path, keep):
    np.savez(tmp_path / "t.npz", x=np.ones(99), label=np.arange(99))
    write(tmp_path, (tmp_path / "t.npz").read_bytes()[:keep], "t.npz")
    with pytest.raises(DataError, match=r"t.npz: cannot be read as an NPZ"):
        table(root=tmp_path, file=Path("t.npz"))


def test_missing_folder_and_other_ending(tmp_path):
    with pytest.raises(DataError, match=r"table.csv is missing: put your CSV or NPZ file \(key data.file\) there"):
        table(root=tmp_path)
    write(tmp_path, "", "t.xlsx")
    with pytest.raises(DataError, match=r"found the ending '.xlsx', expected .csv or .npz"):
        table(root=tmp_path, file=Path("t.xlsx"))
    (tmp_path / "t.csv").mkdir()
    with pytest.raises(DataError, match=r"t.csv cannot be read: Is a directory"):
        table(root=tmp_path, file=Path("t.csv"))
