"""A search is not remembered in another program's file: one sentence, and the file is as it was to the last byte."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from labkit.config import ConfigError
from labkit.search import owner
from labkit.search.search import outlook, search
from tests.search.search_cases import Evaluator, definition

MLFLOWS = ("experiments", "runs", "metrics", "params", "alembic_version")
ONE = definition({"s": {"sampler": "random", "n_trials": 1}})


def database(file: Path, *tables: str) -> Path:
    with closing(sqlite3.connect(file)) as opened:
        for table in tables:
            opened.execute(f"create table {table} (a)")
    return file


@pytest.mark.parametrize("ask", [lambda s, f: search(ONE, Evaluator(), s, f), lambda s, f: outlook(ONE, s, f)])
@pytest.mark.parametrize("spelled", ["absolute", "relative", "link", "as a file URI"])
def test_mlflows_database_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelled: str, ask: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    file = database(tmp_path / "mlflow.db", *MLFLOWS)
    (tmp_path / "link.db").symlink_to(file)
    urls = {"absolute": f"/{file}", "relative": "/mlflow.db", "link": "/link.db", "as a file URI": "/file:mlflow.db"}
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ConfigError) as raised:
        ask(f"sqlite://{urls[spelled]}", tmp_path / "studies")
    assert str(raised.value) == (
        f"hydra.sweeper.storage: {file} holds the runs of MLflow, and Optuna's tables cannot live beside them; leave "
        "the key out for a journal in mlruns/studies, or name a file of its own."
    )
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_where_optunas_tables_were_left_in_it_it_is_mlflows_still(tmp_path: Path) -> None:
    file = database(tmp_path / "mlflow.db", *MLFLOWS, "studies", "trials", "version_info")
    with pytest.raises(ConfigError, match="holds the runs of MLflow"):
        search(ONE, Evaluator(), f"sqlite:///{file}", tmp_path)


def test_any_other_programs_database_is_named(tmp_path: Path) -> None:
    file = database(tmp_path / "bills.db", "customers")
    with pytest.raises(ConfigError, match=r"bills.db is the file of another program \(its tables: customers\); leave"):
        search(ONE, Evaluator(), f"sqlite:///{file}", tmp_path)
    (tmp_path / "text.db").write_text("no database at all")
    with pytest.raises(ConfigError, match=r"text.db is not a SQLite database"):
        search(ONE, Evaluator(), f"sqlite:///{tmp_path}/text.db", tmp_path)


@pytest.mark.parametrize("content", ["epoch 1 loss 0.3\nepoch 2 lo", '{"event": 1}\n', "[1]\n", "half"])
def test_a_log_that_is_no_journal_is_not_cut(tmp_path: Path, content: str) -> None:
    log = tmp_path / "train.log"
    log.write_text(content)
    with pytest.raises(ConfigError, match=r"train.log is the file of another program, no journal of Optuna's"):
        search(ONE, Evaluator(), str(log), tmp_path)
    assert log.read_text() == content
    assert list(tmp_path.iterdir()) == [log]


def test_its_own_files_go_on(tmp_path: Path) -> None:
    (tmp_path / "empty.log").touch()
    database(tmp_path / "empty.db")
    for place in (str(tmp_path / "empty.log"), f"sqlite:///{tmp_path}/empty.db"):
        assert search(ONE, Evaluator(), place, tmp_path).evaluated == 1
        assert search(ONE, Evaluator(), place, tmp_path).evaluated == 0


SERVER = "postgresql://me:secret@db.example/labkit"


@pytest.mark.parametrize(
    ("storage", "tracking", "same"),
    [
        (SERVER, "postgresql+psycopg://other@db.example:5432/labkit?sslmode=require", True),
        (SERVER, "postgres://db.example/labkit", True),
        (SERVER, "postgresql://db.example/optuna", False),
        (SERVER, "postgresql://db.example:5433/labkit", False),
        (SERVER, "http://db.example:5000", False),
        (SERVER, "sqlite:////somewhere/mlflow.db", False),
        ("mysql://localhost/a", "mysql+pymysql://127.0.0.1:3306/a", True),
        ("sqlite:///a.db", "sqlite:///b/../a.db", True),
        ("sqlite:///a.db", "sqlite:///b.db", False),
        ("journal", "sqlite:///b.db", False),
        (None, "sqlite:///b.db", False),
    ],
)
def test_a_store_that_is_not_made_yet_is_told_by_its_address(storage: str | None, tracking: str, same: bool) -> None:
    if not same:
        owner.check_apart(storage, tracking)
        return
    with pytest.raises(ConfigError, match=r"is the store of the runs, and Optuna's tables cannot live beside MLflow's"):
        owner.check_apart(storage, tracking)


def test_a_password_is_not_shown() -> None:
    with pytest.raises(ConfigError) as raised:
        owner.check_apart(SERVER, SERVER)
    assert "secret" not in str(raised.value)
