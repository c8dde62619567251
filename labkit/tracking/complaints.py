"""The meaning of the stores' errors: MLflow hands on the words of SQLite, PostgreSQL or the system."""

from __future__ import annotations

_CAUSES = (  # (words of an error message, lower case; what they mean and what to do)
    (("database is locked",), "another process kept it locked for too long; end it, or run fewer jobs at once"),
    (("no space left", "disk is full", "disk i/o error", "quota exceeded"), "the disk is full or failing; make room"),
    (("not a database", "malformed"), "this is not a readable SQLite database; move it away or restore a copy"),
    (("file exists", "not a directory"), "a file is in the way of its folder"),
    (("readonly database",), "it may not be written to, or was moved away"),
    (("unable to open database file", "no such file"), "it is not there any more, or its folder may not be read"),
    (("permission denied",), "no permission to write there"),
    (
        ("out-of-date database schema",),
        "it was made by another MLflow version; copy it, then run `mlflow db upgrade {store}`",
    ),
    (("no module named 'psycopg",), "its driver is not installed: pip install 'labkit[postgresql]'"),
    (
        ("lock timeout",),
        "another process has been opening it for minutes; end it (pg_locks: advisory)",
    ),
    (("timed out", "timeout"), "the server is too slow to answer"),
    (
        ("too many clients", "remaining connection slots"),
        "all connections are taken; raise its max_connections",
    ),
    (("unsupported uri",), "expected sqlite:///<file>, postgresql://<server> or http(s)://<server>"),
    (
        ("password authentication failed", "no password supplied", "error code 401", "error code 403"),
        "user or password is wrong",
    ),
    (("too many 5", "error code 5"), "the server answers that it failed itself"),
    (("connection refused", "max retries exceeded", "could not connect"), "the server does not answer"),
)
_BEFORE = (  # nothing was done: any action may be tried again
    *("database is locked", "no space left", "disk is full", "disk i/o error", "quota exceeded"),
    *("unique constraint failed: datasets", 'unique constraint "dataset_pk"'),  # two first runs on the same data
    *("connection refused", "the database system is", "too many clients", "remaining connection slots"),
    *("failed to establish a new connection", "name resolution", "name or service not known", "error code 429"),
)
_MEANWHILE = (  # a connection broke: it may have been done, so only what may be done twice is tried again
    *("server closed the connection", "terminating connection", "connection reset", "connection is lost"),
    *("connection has been closed unexpectedly", "the connection is closed", "consuming input failed"),
    *("timed out", "timeout", "remote end closed", "max retries exceeded", "error code 5", "too many 5"),
)
_INVALID = "INVALID_PARAMETER_VALUE"  # MLflow's own code of a value, or a run, that it will never take


def meaning(text: str) -> str | None:
    """Return what an error's text means and what to do, as a clause with `{store}` for its address; None if unknown."""
    lower = text.lower()
    return next((said for words, said in _CAUSES if any(word in lower for word in words)), None)


def passing(error: BaseException, repeatable: bool = True) -> bool:
    """Return whether trying again may help: a lock, a full disk, a server that restarts.

    Args:
        error: Exception that the action raised.
        repeatable: True where the action may be done twice, as setting a tag may and creating a run may not.
    """
    text = f"{error} {error.__cause__}".lower()
    return any(word in text for word in (*_BEFORE, *(_MEANWHILE if repeatable else ())))


def invalid(error: BaseException) -> bool:
    """Return whether the store has understood and will never take it, so that waiting is in vain."""
    return getattr(error, "error_code", "") == _INVALID or str(error).startswith(_INVALID)
