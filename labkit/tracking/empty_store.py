"""The tables of an empty SQLite store as text; `python -m labkit.tracking.empty_store` asks MLflow for them again.

MLflow makes them by a hundred migrations, 0.5 s at the beginning of every project; from the text they take 10 ms. It
is the text of one version of MLflow. Another one makes its own tables, and a test holds the text against MLflow's.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

MADE_BY = "3.17.2"  # the version of MLflow that constraints.txt pins
FILE = Path(__file__).with_suffix(".sql")


def make_tables(file: Path) -> None:
    """Make the tables in a new SQLite file, all or none; do nothing where another version of MLflow is installed."""
    import sqlite3

    from mlflow.version import VERSION

    if VERSION == MADE_BY:
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("pragma synchronous = off")
            connection.executescript(FILE.read_text(encoding="utf-8"))


def tables_by_mlflow() -> str:
    """Return the SQL of a store as MLflow makes it, without the experiment that bears a time and a folder."""
    import sqlite3
    import tempfile

    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "store.db"
        SqlAlchemyStore(f"sqlite:///{file}", folder).engine.dispose()
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("delete from experiments")
            lines = "\n".join(connection.iterdump()).splitlines()
    return "\n".join(line.rstrip() for line in lines) + "\n"


if __name__ == "__main__":
    FILE.write_text(tables_by_mlflow(), encoding="utf-8")
