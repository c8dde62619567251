"""An empty store is made once, and copies of it are as good."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from labkit.tracking import empty_store, store


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "labkit"


def tables(file: Path) -> list[str]:
    """The lines of a store's tables and rows in order of the alphabet, but for its experiment's time and folder."""
    with closing(sqlite3.connect(file)) as connection:
        lines = "\n".join(connection.iterdump()).splitlines()
    return sorted(line for line in lines if 'INTO "experiments"' not in line)


def made(folder: Path) -> Path:
    folder.mkdir()
    store._create(folder / "mlflow.db", folder / "artifacts")
    return folder / "mlflow.db"


def test_a_copy_is_what_mlflow_makes(cache: Path, tmp_path: Path) -> None:
    first, second = made(tmp_path / "first"), made(tmp_path / "second")
    (kept,) = cache.glob("empty_store_mlflow_*.db")
    assert tables(first) == tables(second) == tables(kept)
    for file, count in ((first, 1), (second, 1), (kept, 0)):
        with closing(sqlite3.connect(file)) as connection:
            places = [place for (place,) in connection.execute("select artifact_location from experiments")]
        assert len(places) == count
        assert all(str(file.parent) in place for place in places)


@pytest.mark.parametrize("content", [b"", b"no database at all" * 100], ids=["empty", "broken"])
def test_a_damaged_copy_is_made_anew(content: bytes, cache: Path, tmp_path: Path) -> None:
    expected = tables(made(tmp_path / "first"))
    (kept,) = cache.glob("*.db")
    kept.write_bytes(content)
    assert tables(made(tmp_path / "second")) == expected
    assert tables(kept) == expected


def test_without_a_cache_every_store_is_made(cache: Path, tmp_path: Path) -> None:
    cache.parent.write_text("a file where a folder should be")
    empty_store.take_over(tmp_path / "none.db")
    assert not (tmp_path / "none.db").exists()
    assert tables(made(tmp_path / "first"))
