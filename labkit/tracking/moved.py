"""A project folder that was copied, moved or renamed: its artifacts' paths, which MLflow stores absolute, go along.

A store made by labkit keeps its artifacts beside its file, and the place of experiment 0, which MLflow makes with the
store, tells where that was. Experiments whose artifacts lie elsewhere on purpose stay as they are.
"""

from __future__ import annotations

import os
import re
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

_PLACES = (("experiments", "artifact_location"), ("runs", "artifact_uri"), ("logged_models", "artifact_location"))


def move_along(file: Path, artifact_root: Path) -> str:
    """Let the paths in a SQLite store follow its folder; the caller holds the store's lock.

    Args:
        file: the store.
        artifact_root: the folder beside it that holds its artifacts now.

    Returns:
        What was done, in one sentence; empty where the store is where it was.
    """
    import sqlite3

    with closing(sqlite3.connect(file, timeout=20, isolation_level=None)) as connection:
        former = _former_roots(connection, artifact_root)
        if not former:
            return ""
        connection.execute("begin immediate")
        counts = [sum(_replace(connection, *place, root, artifact_root) for root in former) for place in _PLACES]
        connection.execute("commit")
    runs = "1 run" if counts[1] == 1 else f"{counts[1]} runs"
    return f"it lay in {Path(_path(former[0])).parent} before; the paths to the files of {runs} moved along."


def usable(place: str, experiment: str) -> str:
    """A sentence where an experiment's artifacts could not be written to `place`, a folder of this machine; else empty.

    The folder is made: whoever asks is about to fill it.
    """
    folder = Path(_path(place))
    if not folder.is_absolute():
        return ""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        problem = "" if os.access(folder, os.W_OK | os.X_OK) else "Permission denied"
    except OSError as error:
        problem = str(error.strerror)
    told = f"the files of experiment {experiment!r} go to {folder}, which cannot be written to ({problem.lower()})"
    return f"{told}; make room there, or move the store away to begin a new one." if problem else ""


def folder_name(experiment: str) -> str:
    """The folder of an experiment's artifacts."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", experiment).lstrip(".") or "_"


def _former_roots(connection: sqlite3.Connection, artifact_root: Path) -> list[str]:
    """The artifact folders of places where the store was before: that of experiment 0, and those of its own shape.

    An earlier labkit did not move paths, so of a project that was copied twice the experiments lie in several.
    """
    if not connection.execute("select 1 from sqlite_master where name = 'experiments'").fetchone():
        return []
    found: dict[str, None] = {}
    for number, name, place in connection.execute("select experiment_id, name, artifact_location from experiments"):
        root, folder = os.path.split(_path(place or ""))
        if not os.path.isabs(root) or os.path.realpath(root) == os.path.realpath(artifact_root):
            continue
        ours = root.endswith("/mlruns/artifacts") and folder == folder_name(name) and (artifact_root / folder).is_dir()
        if (number == 0 and folder == "0" and os.path.basename(root) == "artifacts") or ours:
            found[root] = None
    return list(found)


def _path(place: str) -> str:
    return place.removeprefix("file://")


def _replace(connection: sqlite3.Connection, table: str, column: str, former: str, root: Path) -> int:
    """Let all that lies below `former` lie below `root`; how many there were."""
    if not connection.execute("select 1 from sqlite_master where name = ?", (table,)).fetchone():
        return 0
    count = 0
    for start in (f"{former}/", f"file://{former}/"):
        words = f"update {table} set {column} = ? || substr({column}, ?) where substr({column}, 1, ?) = ?"
        count += connection.execute(words, (f"{root}/", len(start) + 1, len(start), start)).rowcount
    return count
