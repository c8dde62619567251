"""Surnames from small text files."""

from pathlib import Path

import numpy as np
import pytest

from labkit.data.dataset import DataError
from labkit.data.text import ascii_letters, names


def write(root: Path, **languages: str | bytes) -> Path:
    folder = root / "names"
    folder.mkdir(exist_ok=True)
    for language, content in languages.items():
        (folder / f"{language}.txt").write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def decoded(data, row: int) -> str:
    return "".join(data.vocabulary[token] for token in data.features[row])


def test_names_become_padded_token_ids(tmp_path):
    write(tmp_path, Polish="Żak\nWałęsa\n\n", Irish="O'Neal\r\nGuo\n", Greek="\ufeffPappas")
    data = names(root=tmp_path)
    assert data.class_names == ("Greek", "Irish", "Polish")
    assert [decoded(data, row) for row in range(5)] == ["Pappas", "O'Neal", "Guo", "Zak", "Walesa"]
    np.testing.assert_array_equal(data.labels, [0, 1, 1, 2, 2])
    np.testing.assert_array_equal(data.lengths, [6, 6, 3, 3, 6])
    assert data.features.dtype == np.uint8
    assert data.features.shape == (5, 6)
    np.testing.assert_array_equal((data.features != 0).sum(axis=1), data.lengths)
    assert data.vocabulary[0] == ""
    assert list(data.vocabulary) == sorted(set(data.vocabulary))
    assert not data.splits
    assert not data.verified


def test_distinct_keeps_a_name_once_per_language(tmp_path):
    write(tmp_path, A="Li\nLi\nXu\nLi\n", B="Li\nBo\n")
    every = names(root=tmp_path, distinct=False)
    assert len(every.labels) == 6
    assert every.notes == ("names that stand in several languages: 1; no network can tell all their samples apart",)
    data = names(root=tmp_path)
    assert [decoded(data, row) for row in range(len(data.labels))] == ["Li", "Xu", "Li", "Bo"]
    left_out, several = data.notes
    assert left_out.startswith("names: 2 of 6 lines repeat a name of their language (A: 2) and are left out")
    assert several == every.notes[0]
    assert data.sha256 != every.sha256  # results on the two are not ranked in one table


def test_nothing_is_said_where_no_name_repeats(tmp_path):
    write(tmp_path, A="Li\nXu\n", B="Bo\n")
    assert names(root=tmp_path).notes == ()


def test_capital_endings_are_read_and_hidden_files_are_not(tmp_path):
    folder = write(tmp_path, A="Li\n")
    (folder / "B.TXT").write_text("Bo\n")
    (folder / "._A.txt").write_bytes(b"\0\5\x16\7\xff")  # what macOS leaves in archives
    assert names(root=tmp_path).class_names == ("A", "B")


@pytest.mark.parametrize(
    ("text", "ascii_text"),
    [("Zuñiga", "Zuniga"), ("Groß", "Gross"), ("Đặng", "Dang"), ("Łuczak", "Luczak"), ("Béringer", "Beringer")],
)
def test_ascii_letters(text, ascii_text):
    assert ascii_letters(text) == ascii_text


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "found no name in 0 bytes"),
        (" \n\n", "found no name in 3 bytes"),
        (b"Abe\nM\xfcller\n", "byte 5: found 0xfc, expected UTF-8"),
        ("Abe\nЖуков\n", "line 2: found 'Жуков', expected a name in Latin letters"),  # noqa: RUF001
        ("Abe\n" + "x" * 256, "line 2: found 256 letters, expected a name of at most 255"),
    ],
    ids=["empty", "blank", "latin-1", "cyrillic", "prose"],
)
def test_bad_file(tmp_path, content, sentence):
    write(tmp_path, Good="Abe\nBea\n", Other=content)
    with pytest.raises(DataError, match=f"Other.txt: {sentence}"):
        names(root=tmp_path)


def test_one_language_is_not_enough(tmp_path):
    write(tmp_path, Good="Abe\nBea\n")
    with pytest.raises(DataError, match=r"found only one class \(Good\)"):
        names(root=tmp_path)


def test_missing_and_empty_folder(tmp_path):
    with pytest.raises(DataError, match=r"names is missing: put one <Language>.txt per language there"):
        names(root=tmp_path)
    write(tmp_path)
    with pytest.raises(DataError, match=r"found no .txt file"):
        names(root=tmp_path)
