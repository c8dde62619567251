"""An empty SQLite store, kept in this user's cache.

MLflow makes the tables by a hundred migrations, 0.5 s at the beginning of every project; a copy takes 10 ms.
"""

from __future__ import annotations

import os
import shutil
from contextlib import closing, suppress
from pathlib import Path

from labkit.cache import cache_folder


def take_over(file: Path) -> None:
    """Make `file` a copy of the empty store; do nothing where this version of MLflow has left none, or a broken one."""
    import sqlite3

    kept = _kept()
    if not kept.is_file():
        return
    try:
        shutil.copyfile(kept, file)
        with closing(sqlite3.connect(file)) as connection:
            (made,) = connection.execute("select count(*) from alembic_version").fetchone()
            sound = made and connection.execute("pragma quick_check").fetchone() == ("ok",)
    except (OSError, sqlite3.Error):
        sound = False
    if not sound:
        for broken in (file, kept):
            with suppress(OSError):
                broken.unlink()


def keep(file: Path) -> None:
    """Keep a copy of the store `file`, in which there are no runs yet; where that fails, the next one is made anew.

    Without its experiment, which bears a time and a folder: MLflow makes that in every store that has none.
    """
    import sqlite3

    kept = _kept()
    if kept.is_file():
        return
    draft = kept.with_name(f"{kept.name}.{os.getpid()}")
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, draft)
        with closing(sqlite3.connect(draft)) as connection, connection:
            connection.execute("delete from experiments")
        draft.replace(kept)
    except (OSError, sqlite3.Error):
        with suppress(OSError):
            draft.unlink()


def _kept() -> Path:
    from mlflow.version import VERSION

    return cache_folder() / f"empty_store_mlflow_{VERSION}.db"
