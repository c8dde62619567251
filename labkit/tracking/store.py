"""The place of the MLflow store, and opening it so that many processes may do so at once.

MLflow 3.17 breaks a fresh database when two processes open it together: of eight that meet in an empty PostgreSQL
database, seven fail. So every opening happens under a lock (`labkit.tracking.lock`). A process killed while it creates
the tables would leave a half-made SQLite file behind, so that is made under another name and moved into place;
an empty PostgreSQL database that was half filled is completed by the next opening. MLflow servers over HTTP guard
themselves and pass straight through; an empty MySQL database must be opened once before many do.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labkit.tracking import empty_store
from labkit.tracking.complaints import meaning
from labkit.tracking.lock import locked_database, locked_file
from labkit.tracking.moved import folder_name, move_along

if TYPE_CHECKING:
    import sqlite3

    from mlflow import MlflowClient

_SQLITE = re.compile(r"sqlite(\+\w+)?:///(?P<path>[^?]*)")


class TrackingError(RuntimeError):
    """The store could not be read or written; one sentence that names it, what happened and what to do."""


def environment() -> dict[str, str]:
    """Variables to set before MLflow is imported: no INFO lines, bars, telemetry or unpickling, short HTTP retries."""
    fixed = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    }
    wished = {
        "MLFLOW_LOGGING_LEVEL": "WARNING",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # `Patience` tries again
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",  # seconds
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    }
    return fixed | {name: os.environ.get(name, value) for name, value in wished.items()}


def default_store(root: Path) -> tuple[str, Path]:
    """(store URI, artifact folder): `MLFLOW_TRACKING_URI` if it is set, else SQLite under `root`/mlruns.

    Artifacts lie beside a SQLite file, and in `root`/mlruns/artifacts for any other store (a server over HTTP keeps
    its own). A relative SQLite path is made absolute here, since jobs may change their working folder later. Raises
    TrackingError for a folder that MLflow cannot use: it decodes "%" and ends a path at "?".
    """
    folder = Path(root).absolute() / "mlruns"
    chosen = os.environ.get("MLFLOW_TRACKING_URI")
    file = sqlite_file(chosen) if chosen else folder / "mlflow.db"
    if file is None:
        return str(chosen), folder / "artifacts"
    if re.search("[%?]", str(file)):
        raise TrackingError(
            f"tracking store {file}: MLflow cannot use a folder with '%' or '?' in its name; rename it."
        )
    return f"sqlite:///{file}", file.parent / "artifacts"


def sqlite_file(uri: str) -> Path | None:
    """The absolute path of a SQLite store's file; None for servers and databases in memory."""
    found = _SQLITE.match(uri)
    if found is None or found["path"] in ("", ":memory:"):
        return None
    from urllib.parse import unquote

    return Path(unquote(found["path"])).absolute()


def is_postgresql(uri: str) -> bool:
    """Return whether the store is a PostgreSQL database, with any driver."""
    return re.match(r"postgres(ql)?(\+\w+)?://", uri) is not None


def is_http(uri: str) -> bool:
    """Return whether the store is an MLflow server, which chooses where artifacts go."""
    return uri.startswith(("http://", "https://"))


def shown(uri: str) -> str:
    """The URI as it may appear in a message: without a password."""
    return re.sub(r"(password=)[^&\s]*", r"\1***", re.sub(r"://([^:/@]*):[^@/]*@", r"://\1:***@", uri))


def sentence(uri: str, error: BaseException) -> str:
    """One sentence for whatever MLflow, SQLAlchemy or the system raised."""
    if isinstance(error, TrackingError):
        return str(error)
    if said := meaning(str(error)):
        return f"tracking store {shown(uri)}: {said.replace('{store}', shlex.quote(shown(uri)))}."
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return f"tracking store {shown(uri)}: {shown(line)[:300].rstrip('.')}."


@contextmanager
def locked(uri: str) -> Iterator[None]:
    """Hold the store's lock; for stores that have none of ours this does nothing."""
    if (file := sqlite_file(uri)) is not None:
        with locked_file(file):
            yield
    elif is_postgresql(uri):
        with locked_database(uri):
            yield
    else:
        yield


def say(line: str) -> None:
    """Tell the user something beside the command's own output."""
    print(f"labkit: {line}", file=sys.stderr, flush=True)


def open_store(uri: str, artifact_root: str | Path, tell: Callable[[str], None] = say) -> MlflowClient:
    """Open the store, creating its tables, and a SQLite file, where there are none yet.

    Safe in any number of processes at once. Raises TrackingError in one sentence.

    Args:
        uri: Address of the store.
        artifact_root: Folder for artifacts.
        tell: Receiver of a sentence where the project was moved and the paths in a SQLite store with it.
    """
    os.environ.update(environment())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's own deprecations, which no user of labkit can mend
        return _open(uri, artifact_root, tell)


def _open(uri: str, artifact_root: str | Path, tell: Callable[[str], None]) -> MlflowClient:
    from mlflow import MlflowClient
    from mlflow.store.tracking import sqlalchemy_store  # noqa: F401  (0.6 s: outside the lock)

    try:
        with locked(uri):
            file = sqlite_file(uri)
            if file is not None:
                _create(file, artifact_root)
                _check(uri, file)
                if moved := move_along(file, Path(artifact_root)):
                    tell(f"tracking store {file}: {moved}")
            client = MlflowClient(tracking_uri=uri)
            client.search_experiments(max_results=1)  # the first call opens the database, so it belongs here
            return client
    except Exception as error:
        raise TrackingError(sentence(uri, error)) from error


def experiment_id(client: MlflowClient, uri: str, artifact_root: str | Path, name: str) -> str:
    """The id of experiment `name`, created if needed with an absolute place for its artifacts.

    Raises TrackingError if it was deleted (its runs would be invisible).
    """
    with locked(uri):
        found = client.get_experiment_by_name(name)
        if found is None:
            return _create_experiment(client, uri, artifact_root, name)
    if found.lifecycle_stage == "deleted":
        raise TrackingError(
            f"tracking store {shown(uri)}: experiment {name!r} is deleted; "
            f"bring it back with `MLFLOW_TRACKING_URI={shlex.quote(shown(uri))} "
            f"mlflow experiments restore -x {found.experiment_id}`."
        )
    return str(found.experiment_id)


def _create_experiment(client: MlflowClient, uri: str, artifact_root: str | Path, name: str) -> str:
    location = None if is_http(uri) else os.path.join(artifact_root, folder_name(name))
    try:
        return str(client.create_experiment(name, artifact_location=location))
    except Exception:
        found = client.get_experiment_by_name(name)  # a server has no lock: another process may have been first
        if found is None:
            raise
        return str(found.experiment_id)


def _create(file: Path, artifact_root: str | Path) -> None:
    """Make an empty MLflow database under another name and move it into place; the caller holds the lock.

    A draft that a crash leaves behind is thrown away, so it reaches the disk once, at its end: where MLflow has to make
    the tables, its migrations commit more than a hundred times.
    """
    if file.exists() and file.stat().st_size > 0:
        return
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    draft = file.with_name(file.name + ".new")
    for leftover in (draft, draft.with_name(draft.name + "-journal")):
        leftover.unlink(missing_ok=True)
    empty_store.take_over(draft)
    event.listen(Engine, "connect", _unsynchronised)
    try:
        store: Any = SqlAlchemyStore(f"sqlite:///{draft}", str(artifact_root))
    finally:
        event.remove(Engine, "connect", _unsynchronised)
    store.engine.dispose()
    empty_store.keep(draft)
    with open(draft, "rb+") as written:
        os.fsync(written.fileno())
    os.replace(draft, file)


def _unsynchronised(connection: sqlite3.Connection, record: object) -> None:
    connection.execute("pragma synchronous = off")
    connection.execute("pragma journal_mode = memory")


def _check(uri: str, file: Path) -> None:
    """Refuse a broken file at once: MLflow itself would retry for a minute and a half."""
    import sqlite3

    try:
        with closing(sqlite3.connect(file, timeout=20)) as connection:
            tables = {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}
    except sqlite3.Error as error:
        raise TrackingError(sentence(uri, error)) from error
    if tables and "experiments" not in tables:  # MLflow would add its own to them
        some = ", ".join(sorted(tables)[:3])
        raise TrackingError(f"tracking store {shown(uri)}: this is another program's database (it has tables {some}).")
    if not os.access(file, os.W_OK):
        raise TrackingError(f"tracking store {shown(uri)}: no permission to write there.")
