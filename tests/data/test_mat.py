"""The Ben-Gurion sets from small .mat files."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from labkit.data import mat
from labkit.data.dataset import DataError


def arrays() -> dict[str, np.ndarray]:
    """As the course stores them: columns are points, sorted by class."""
    draw = np.random.default_rng(0)
    one_hot = np.repeat(np.eye(5, dtype=np.float32), 6, axis=1)
    points = [draw.normal(size=(2, n)).astype(np.float32) for n in (30, 15)]
    return {"Yt": points[0], "Ct": one_hot, "Yv": points[1], "Cv": one_hot[:, ::2]}


def write(root: Path, monkeypatch: pytest.MonkeyPatch, content: dict[str, np.ndarray] | bytes) -> Path:
    path = root / "bgu" / "PeaksData.mat"
    path.parent.mkdir(exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        savemat(path, content, do_compression=True)
    monkeypatch.setitem(mat.SHA256, path.name, hashlib.sha256(path.read_bytes()).hexdigest())
    return path


def test_reads_points_labels_and_the_published_split(tmp_path, monkeypatch):
    stored = arrays()
    write(tmp_path, monkeypatch, stored)
    data = mat.peaks(root=tmp_path)
    assert data.features.dtype == np.float32
    assert data.features.flags.c_contiguous
    np.testing.assert_array_equal(data.features[data.splits["train"]], stored["Yt"].T)
    np.testing.assert_array_equal(data.features[data.splits["test"]], stored["Yv"].T)
    np.testing.assert_array_equal(data.labels[data.splits["train"]], np.repeat(np.arange(5), 6))
    np.testing.assert_array_equal(data.labels[data.splits["test"]], np.repeat(np.arange(5), 3))
    assert data.verified
    assert data.class_names == tuple("01234")


def faults() -> dict[str, tuple[dict[str, np.ndarray], str]]:
    good = arrays()
    nan = good["Yt"].copy()
    nan[1, 4] = np.nan
    two_ones = good["Ct"].copy()
    two_ones[:, 3] = 1
    missing = {key: value for key, value in good.items() if key != "Cv"}
    no_class_2 = {key: np.delete(good[key], np.flatnonzero(good["C" + key[1]][2]), axis=1) for key in good}
    one_class = good | {"Ct": np.ones((1, 30)), "Cv": np.ones((1, 15))}
    return {
        "missing array": (missing, "expected the arrays Yt, Ct, Yv, Cv"),
        "text": (good | {"Yt": np.array(["abc"])}, "Yt: found <U3"),
        "count": (good | {"Ct": good["Ct"][:, 1:]}, "Ct: found 29 columns, expected 30 as in Yt"),
        "rows": (good | {"Yv": good["Yv"][:1]}, "Yv: found 1 rows, expected 2 as in Yt"),
        "one-hot": (good | {"Ct": two_ones}, "classes that are not one-hot"),
        "nan": (good | {"Yt": nan}, "sample 4, feature 1: found nan, expected a finite number"),
        "empty class": (no_class_2, "found no sample of class '2'"),
        "one class": (one_class, "found only one class"),
    }


@pytest.mark.parametrize("fault", list(faults()))
def test_bad_arrays(tmp_path, monkeypatch, fault):
    content, sentence = faults()[fault]
    write(tmp_path, monkeypatch, content)
    with pytest.raises(DataError, match=sentence):
        mat.peaks(root=tmp_path)


@pytest.mark.parametrize("keep", [0, 1, 50, 127, 128, 129, 136, 150, 200, 300, -1, -8])
def test_every_truncation_is_one_error(tmp_path, monkeypatch, keep):
    path = write(tmp_path, monkeypatch, arrays())
    write(tmp_path, monkeypatch, path.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"PeaksData.mat: (cannot be read as a .mat|found .* expected the arrays)"):
        mat.peaks(root=tmp_path)


def test_another_version_of_the_file_is_read_unverified(tmp_path, monkeypatch):
    stored = arrays()
    write(tmp_path, monkeypatch, stored)
    monkeypatch.undo()
    data = mat.peaks(root=tmp_path)
    np.testing.assert_array_equal(data.features[data.splits["test"]], stored["Yv"].T)
    assert not data.verified
    (note,) = data.notes
    assert note.startswith("PeaksData.mat is another version of the course's file (30 + 15 points, sha256 ")


def test_a_published_file_needs_no_note(tmp_path, monkeypatch):
    write(tmp_path, monkeypatch, arrays())
    assert mat.peaks(root=tmp_path).notes == ()


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"Yt": np.ones((3, 30), "f4"), "Yv": np.ones((3, 15), "f4")}, "3 features and 5 classes"),
        ({key: np.eye(4, dtype="f4")[:, np.arange(n) % 4] for key, n in (("Ct", 30), ("Cv", 15))}, "2 features and 4"),
        ({key: value.T for key, value in arrays().items()}, "Ct: found 5 columns, expected 2 as in Yt"),
    ],
)
def test_a_file_that_is_no_version_of_the_course(tmp_path, monkeypatch, change, found):
    write(tmp_path, monkeypatch, arrays() | change)
    monkeypatch.undo()
    with pytest.raises(DataError, match=found):
        mat.peaks(root=tmp_path)


@pytest.mark.parametrize(("name", "file"), [("swissroll", "SwissRoll"), ("peaks", "Peaks"), ("gmm", "GMM")])
def test_missing(tmp_path, name, file):
    with pytest.raises(DataError, match=rf"bgu.{file}Data.mat is missing: put the course's file \(sha256 \w+\) there"):
        getattr(mat, name)(root=tmp_path)
