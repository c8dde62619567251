"""A glance at a store without MLflow: in doubt it says no, and the run waits for MLflow's own word."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from labkit.tracking.glance import in_order
from labkit.tracking.store import open_store


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of the MLflow that is installed, with an experiment."""
    folder = tmp_path_factory.mktemp("store")
    client = open_store(f"sqlite:///{folder}/mlflow.db", folder / "artifacts")
    client.create_experiment("own", artifact_location=str(folder / "artifacts" / "own"))
    return folder / "mlflow.db"


def glance(folder: Path) -> bool:
    return in_order(f"sqlite:///{folder}/mlflow.db", folder / "artifacts", "own")


def change(statement: str) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        with closing(sqlite3.connect(folder / "mlflow.db")) as connection, connection:
            connection.execute(statement)

    return apply


FAULTS: dict[str, Callable[[Path], object]] = {
    "garbage": lambda folder: (folder / "mlflow.db").write_text("no database" * 500),
    "a folder": lambda folder: ((folder / "mlflow.db").unlink(), (folder / "mlflow.db").mkdir()),
    "of nobody": lambda folder: (folder / "mlflow.db").write_bytes(b""),
    "another schema": change("update alembic_version set version_num = 'ffffffffffff'"),
    "another program's": change("drop table experiments"),
    "a deleted experiment": change("update experiments set lifecycle_stage = 'deleted' where name = 'own'"),
    "a file where artifacts go": lambda folder: (folder / "artifacts").write_text("in the way"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_in_doubt_a_run_waits(made: Path, tmp_path: Path, fault: str) -> None:
    shutil.copy(made, tmp_path)
    assert glance(tmp_path), "as MLflow made it: its schema is the one that is expected"
    FAULTS[fault](tmp_path)
    assert not glance(tmp_path)


def test_a_locked_store_is_waited_for(made: Path, tmp_path: Path) -> None:
    shutil.copy(made, tmp_path)
    with closing(sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None)) as other:
        other.execute("begin immediate")
        assert not glance(tmp_path)
        other.execute("rollback")
    assert glance(tmp_path)


def test_a_store_that_can_be_made_is_in_order_and_a_server_is_not_asked(tmp_path: Path) -> None:
    assert glance(tmp_path / "new" / "deep")
    (tmp_path / "file").write_text("")
    assert not glance(tmp_path / "file" / "below")
    assert not in_order("http://127.0.0.1:9", "mlflow-artifacts:/", "own")
    assert not in_order("postgresql://nowhere/runs", tmp_path, "own")
