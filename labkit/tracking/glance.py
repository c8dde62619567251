"""A glance at a store in milliseconds, without importing MLflow: whether a run may begin before it is open."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from labkit.tracking.store import sqlite_file

SCHEMA = "dc11669786a5"  # of the MLflow that constraints.txt pins; a test holds it against a store of that MLflow


def in_order(uri: str, artifact_root: str | Path, experiment: str) -> bool:
    """Return whether nothing speaks against writing a run to a SQLite store; False where only MLflow can tell.

    The file is there, readable, writable, unlocked, and of our MLflow's schema, or can be made; artifacts have a folder
    or can have one; the experiment was not deleted. A server is not asked.
    """
    file = sqlite_file(uri)
    if file is None or not _writable(Path(artifact_root)) or not _writable(file.parent):
        return False
    try:
        return not file.exists() or (os.access(file, os.W_OK) and _as_ours(file, experiment))
    except (sqlite3.Error, OSError):
        return False


def _as_ours(file: Path, experiment: str) -> bool:
    with closing(sqlite3.connect(file, timeout=0, isolation_level=None)) as connection:
        connection.execute("begin immediate")  # an error where somebody holds it
        schema = connection.execute("select version_num from alembic_version").fetchall()
        stages = connection.execute("select lifecycle_stage from experiments where name = ?", (experiment,)).fetchall()
        connection.execute("rollback")
    return schema == [(SCHEMA,)] and stages in ([], [("active",)])


def _writable(folder: Path) -> bool:
    """Return whether a folder is there and can be written to, or can be made."""
    nearest = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    return nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)
