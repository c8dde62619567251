"""Where the store is, and what is said about one that cannot be used.

It also covers complaints.py and lock.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from labkit.tracking.client import MlflowTracker
from labkit.tracking.complaints import passing
from labkit.tracking.pages_server import ui_command
from labkit.tracking.reading import runs
from labkit.tracking.store import TrackingError, default_store, is_postgresql, sentence, shown, sqlite_file


def test_default_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under mlruns of the root, unless the environment names another."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert default_store(tmp_path) == (f"sqlite:///{tmp_path}/mlruns/mlflow.db", tmp_path / "mlruns/artifacts")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server:5000")
    assert default_store(tmp_path) == ("http://server:5000", tmp_path / "mlruns/artifacts")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mine.db")
    monkeypatch.chdir(tmp_path)
    assert default_store(tmp_path / "other") == (f"sqlite:///{tmp_path}/mine.db", tmp_path / "artifacts")
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    with pytest.raises(TrackingError, match="'%'"):
        default_store(tmp_path / "100%")


@pytest.mark.parametrize(
    ("uri", "file"),
    [
        ("sqlite:////a/b.db", Path("/a/b.db")),
        ("sqlite+pysqlite:////a/b.db?timeout=3", Path("/a/b.db")),
        ("sqlite:////a%20b/c.db", Path("/a b/c.db")),
        ("sqlite:///:memory:", None),
        ("postgresql://host/labkit", None),
    ],
)
def test_sqlite_file(uri: str, file: Path | None) -> None:
    """Only SQLite files are locked."""
    assert sqlite_file(uri) == file


def test_passwords_are_not_shown() -> None:
    """Neither from the URI nor from the text of an error."""
    uri = "postgresql://anna:secret@host/labkit"
    assert shown(uri) == "postgresql://anna:***@host/labkit"
    assert shown("postgresql://host/labkit?user=anna&password=secret&a=b") == (
        "postgresql://host/labkit?user=anna&password=***&a=b"
    )
    assert "secret" not in sentence(uri, RuntimeError(f"cannot reach {uri}\nmore"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(sqlite3.OperationalError) database is locked", "locked for too long"),
        ("[Errno 28] No space left on device", "make room"),
        ("Detected out-of-date database schema (found version x)", "run `mlflow db upgrade sqlite:////a.db`."),
        ("No module named 'psycopg'", "pip install 'labkit[postgresql]'"),
        ('connection to server at "h", port 1 failed: Connection refused', "does not answer"),
        ("FATAL:  sorry, too many clients already", "max_connections"),
        ("canceling statement due to lock timeout", "has been opening it"),
        ("something else.\nTraceback", "something else."),
    ],
)
def test_sentences(text: str, expected: str) -> None:
    """One sentence, naming the store, with what to do where that is known."""
    said = sentence("sqlite:////a.db", RuntimeError(text))
    assert said.startswith("tracking store sqlite:////a.db: ")
    assert expected in said
    assert said.endswith(".")
    assert "\n" not in said


def test_passing_sees_through_our_own_sentence() -> None:
    """Opening wraps errors; a lock is still worth another try."""
    wrapped = TrackingError("said nicely")
    wrapped.__cause__ = RuntimeError("database is locked")
    assert passing(wrapped)
    assert not passing(TrackingError("file is not a database"))


@pytest.mark.parametrize(
    ("text", "repeatable", "not_repeatable"),
    [
        ('connection to server at "h", port 1 failed: Connection refused', True, True),
        ("FATAL:  the database system is starting up", True, True),
        ("(sqlite3.IntegrityError) UNIQUE constraint failed: datasets.experiment_id, datasets.name", True, True),
        ('duplicate key value violates unique constraint "dataset_pk"', True, True),
        ("terminating connection due to administrator command", True, False),
        ("server closed the connection unexpectedly", True, False),
        ("HTTPConnection: [Errno 111] Connection refused", True, True),
        ("HTTPConnectionPool: Read timed out. (read timeout=10)", True, False),
        ("API request to endpoint /api/2.0 failed with error code 500 != 200", True, False),
        ("API request to endpoint /api/2.0 failed with error code 401 != 200", False, False),
        ("FATAL:  password authentication failed", False, False),
    ],
)
def test_a_run_is_not_created_twice(text: str, repeatable: bool, not_repeatable: bool) -> None:
    """Where a connection broke in the middle, the run may be there already; setting a tag again does no harm."""
    error = RuntimeError(text)
    assert (passing(error), passing(error, repeatable=False)) == (repeatable, not_repeatable)


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("postgresql://host/labkit", True),
        ("postgresql+psycopg2://host/labkit", True),
        ("sqlite:////postgresql.db", False),
        ("http://postgresql", False),
    ],
)
def test_is_postgresql(uri: str, expected: bool) -> None:
    """Only PostgreSQL has our advisory lock."""
    assert is_postgresql(uri) is expected


def test_a_store_that_is_not_there_has_no_runs_and_is_not_made(tmp_path: Path) -> None:
    """Looking must not write."""
    assert runs(f"sqlite:///{tmp_path}/mlruns/mlflow.db") == []
    assert list(tmp_path.iterdir()) == []


def test_the_page_command_stays_on_loopback(tmp_path: Path) -> None:
    """Loopback, only local host names, no job runners; a server shows its own pages."""
    command = ui_command(f"sqlite:///{tmp_path}/mlflow.db", tmp_path, 5077)
    assert command[0] == "env"
    assert command[command.index("--host") + 1] == "127.0.0.1"
    assert "MLFLOW_SERVER_ALLOWED_HOSTS=localhost:*,127.0.0.1:*" in command
    assert "MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false" in command
    with pytest.raises(TrackingError, match="server with pages of its own"):
        ui_command("http://server:5000", tmp_path)


def test_an_unusable_store_is_said_in_one_sentence(tmp_path: Path) -> None:
    """A file that is no database stays as it was; both fail a command that has computed nothing yet."""
    file = tmp_path / "mlflow.db"
    file.write_bytes(b"not a database, but long enough to be read as one " * 40)
    sentences = {
        f"sqlite:///{file}": "this is not a readable SQLite database; move it away or restore a copy.",
        "http://127.0.0.1:9": "the server does not answer.",
    }
    trackers = {uri: MlflowTracker(uri, tmp_path / "artifacts") for uri in sentences}
    for tracker in trackers.values():
        tracker.start_run("kth", "x").finish("FINISHED")
    for uri, tracker in trackers.items():
        with pytest.raises(TrackingError) as error:
            tracker.close()
        assert str(error.value) == f"tracking store {uri}: {sentences[uri]}"
    with pytest.raises(TrackingError, match="not a readable SQLite database"):
        runs(f"sqlite:///{file}")
    assert {path.name for path in tmp_path.iterdir()} == {"mlflow.db", "mlflow.db.lock"}
    assert file.read_bytes().startswith(b"not a database")
