"""Locks around the opening of a store, which a killed process cannot leave behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_OPENING = 0x6C61626B6974  # "labkit": the number of the advisory lock; such locks belong to one database
_OPENING_SECONDS = 300


@contextmanager
def locked_file(file: Path) -> Iterator[None]:
    """Hold the lock file beside a SQLite store (left in place: removing a lock file is itself a race)."""
    import fcntl

    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file.with_name(file.name + ".lock"), "ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def locked_database(uri: str) -> Iterator[None]:
    """Hold an advisory lock in a PostgreSQL database for one transaction.

    A lock of the transaction, not of the session: poolers such as PgBouncer keep a transaction on one connection.
    """
    from sqlalchemy import NullPool, create_engine, text

    with create_engine(uri, poolclass=NullPool).begin() as connection:
        connection.execute(text(f"set local lock_timeout = '{_OPENING_SECONDS}s'"))
        connection.execute(text("select pg_advisory_xact_lock(:number)"), {"number": _OPENING})
        yield
