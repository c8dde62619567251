"""The tables of an empty store are MLflow's own."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import mlflow.version
import pytest

from labkit.tracking import empty_store


def _lines(tables: str) -> list[str]:
    """The lines in order of the alphabet: MLflow makes indices and constraints in another order each time."""
    return sorted(line.rstrip(",") for line in tables.splitlines())


def test_the_text_is_what_mlflow_makes() -> None:
    assert _lines(empty_store.FILE.read_text()) == _lines(empty_store.tables_by_mlflow())
    assert mlflow.version.VERSION == empty_store.MADE_BY


def test_another_mlflow_makes_its_own_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlflow.version, "VERSION", "3.17.9")
    empty_store.make_tables(tmp_path / "store.db")
    assert not (tmp_path / "store.db").exists()


def test_all_tables_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken.sql"
    broken.write_text(empty_store.FILE.read_text().replace("COMMIT;", "CREATE NONSENSE;"))
    monkeypatch.setattr(empty_store, "FILE", broken)
    with pytest.raises(sqlite3.OperationalError):
        empty_store.make_tables(tmp_path / "store.db")
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        assert connection.execute("select count(*) from sqlite_master").fetchone() == (0,)
