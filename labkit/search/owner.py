"""The owner of a file or database that a search would be kept in: another program's is refused before it is touched."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Collection
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote

from labkit.config import ConfigError

KEY = "hydra.sweeper.storage"
_ADVICE = "leave the key out for a journal in mlruns/studies, or name a {} of its own"
_OPTUNAS = {"studies", "trials", "version_info"}  # tables
_MLFLOWS = {"experiments", "runs", "metrics"}


def sqlite_file(url: str) -> Path | None:
    """Return the absolute path of a SQLite URL's file, links resolved; None for a database in memory or on a server."""
    found = re.match(r"sqlite(\+\w+)?:///(file:)?(?P<path>[^?]*)", url)
    if found is None or found["path"] in ("", ":memory:"):
        return None
    return Path(unquote(found["path"])).resolve()


def check_file(place: str) -> None:
    """Check that a journal's path or a SQLite URL does not name the file of another program; open it only to read.

    Args:
        place: Address from `labkit.search.storage.location`.

    Raises:
        ConfigError: It does, or the file is no database.
    """
    if "://" not in place:
        _check_journal(Path(place))
        return
    file = sqlite_file(place)
    if file is None or not file.exists() or not file.stat().st_size:
        return
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as database:
            tables = [name for (name,) in database.execute("select name from sqlite_master where type = 'table'")]
    except sqlite3.DatabaseError as error:
        raise ConfigError(f"{KEY}: {file} is not a SQLite database ({error}); {_ADVICE.format('file')}.") from None
    check_tables(tables, str(file), "file")


def check_tables(tables: Collection[str], place: str, kind: str) -> None:
    """Check that the tables of a database are not MLflow's or another program's.

    Args:
        tables: Names of the tables.
        place: Database as the message names it.
        kind: Word for it, `file` or `database`.

    Raises:
        ConfigError: They are.
    """
    if set(tables) >= _MLFLOWS:
        raise ConfigError(
            f"{KEY}: {place} holds the runs of MLflow, and Optuna's tables cannot live beside them; "
            f"{_ADVICE.format(kind)}."
        )
    if tables and not set(tables) & _OPTUNAS:
        named = ", ".join(sorted(tables)[:3])
        raise ConfigError(
            f"{KEY}: {place} is the {kind} of another program (its tables: {named}); {_ADVICE.format(kind)}."
        )


def check_apart(storage: str | None, tracking: str) -> None:
    """Check that a search is not kept in the store of the runs, even one that is not made yet.

    Args:
        storage: Value of the key `hydra.sweeper.storage`.
        tracking: Address of the store.

    Raises:
        ConfigError: Both are the same file or database.
    """
    if not storage or "://" not in storage:
        return
    if sqlite_file(storage) is not None or sqlite_file(tracking) is not None:
        same, kind = sqlite_file(storage) == sqlite_file(tracking), "file"
    else:
        same, kind = _database(storage) == _database(tracking), "database"
    if same:
        place = sqlite_file(storage) or re.sub(r"(://[^:/@]*):[^/]*@", r"\1:***@", storage)
        raise ConfigError(
            f"{KEY}: {place} is the store of the runs, and Optuna's tables cannot live beside MLflow's; "
            f"{_ADVICE.format(kind)}."
        )


def _database(url: str) -> tuple[str, ...]:
    """Return the parts by which databases of servers differ: kind, host, port and name."""
    found = re.match(r"(?P<kind>[a-z]+)(\+\w+)?://([^@/]*@)?(?P<host>[^:/?]*)(:(?P<port>\d+))?/(?P<name>[^?]*)", url)
    if found is None:
        return (url,)
    kind = "postgresql" if found["kind"] == "postgres" else found["kind"]
    usual = {"postgresql": "5432", "mysql": "3306"}.get(kind, "")
    host = "localhost" if found["host"] in ("", "127.0.0.1") else found["host"]
    return kind, host, found["port"] or usual, found["name"]


def _check_journal(path: Path) -> None:
    if path.is_dir():
        raise ConfigError(f"{KEY}: {path} is a folder, expected the path of a journal.")
    if not path.exists() or not path.stat().st_size:
        return
    with open(path, "rb") as file:
        first = file.readline(1_000_000)
    try:
        journal = "op_code" in json.loads(first)
    except ValueError:
        journal = not first.endswith(b"\n") and first.startswith(b'{"op_code"')  # a first line that a kill tore
    if not journal:
        raise ConfigError(f"{KEY}: {path} is the file of another program, no journal of Optuna's; give another name.")
