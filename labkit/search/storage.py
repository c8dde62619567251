"""The storage of a search: a journal file, or a server's URL; and the one process that may go on with it."""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from labkit.config import ConfigError, nearest, shown
from labkit.search import holder, owner
from labkit.search.quiet import quiet

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.storages.journal._file import BaseJournalFileLock

KEY = owner.KEY
SCHEMES = ("postgresql://", "mysql://", "sqlite://", "grpc://")
_SECONDS_TO_CONNECT = 10


def location(storage: str | None, study: str, folder: Path) -> str:
    """Return the address of a study that every process understands: the path of its journal, or a URL.

    Args:
        storage: Value of the key. `journal` or None: a journal in `folder`, named after the study; the path of a
            journal (`*.log`); or the URL of a server or a SQLite file.
        study: Name of the search.
        folder: Folder of the journals.

    Raises:
        ConfigError: The value is none of these, or the file of another program.
    """
    place = _place(storage, study, folder)
    owner.check_file(place)
    return place


def _place(storage: str | None, study: str, folder: Path) -> str:
    if storage is None or storage == "journal":
        return str(folder.absolute() / f"{_file_name(study)}.log")
    if isinstance(storage, str) and storage.endswith(".log") and "://" not in storage:
        return str(Path(storage).absolute())
    scheme = re.match(r"[a-z]+", str(storage))
    if isinstance(storage, str) and "://" in storage and scheme and f"{scheme.group()}://" in SCHEMES:
        return storage
    raise ConfigError(
        f"{KEY}: expected 'journal' or a URL, got {shown(hidden(str(storage)))}, "
        f"{nearest(str(storage), ('journal', *SCHEMES))}"
    )


def hidden(place: str) -> str:
    """Return a location without its password."""
    return re.sub(r"(://[^:/@]*):[^/]*@", r"\1:***@", place)


def open_storage(place: str) -> BaseStorage:
    """Open Optuna's storage at a location.

    A journal whose last line was torn by a kill is cut back to its last whole line first: the next line would be glued
    to the torn one, and the journal could never be read again. Its lock is one that ends with the process.

    Args:
        place: Address from `location`; the journal or the tables are made where there are none.

    Raises:
        ConfigError: It cannot be reached or read, or the package for it is missing.
    """
    try:
        with quiet():
            if "://" not in place:
                return _journal(Path(place))
            return _proxy(place) if place.startswith("grpc://") else _database(place)
    except ConfigError:
        raise
    except ImportError as error:
        missing = error.name or "its driver"
        raise ConfigError(f"{KEY}: {hidden(place)} needs the package {missing!r}, which is missing.") from None
    except Exception as error:  # every driver has errors of its own
        told = hidden(" ".join(str(error).replace(place, hidden(place)).split())[:300])
        raise ConfigError(f"{KEY}: {hidden(place)} cannot be reached: {told or type(error).__name__}.") from None


@contextmanager
def hold(storage: str | None, study: str, folder: Path) -> Iterator[None]:
    """Hold a study, so that nobody else goes on with it meanwhile; arguments as in `location`.

    Beside a file it is a lock that ends with its process, however that ends; on a server it is a record with a
    heartbeat, taken over from a holder that is known to be dead.

    Raises:
        ConfigError: Another process holds it: which, where, since when, and its command.
    """
    place = location(storage, study, folder)
    file = _file_beside(place, study)
    if file is None:
        with holder.on_server(open_storage(place), study):
            yield
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = holder.beside_file(file, study)
    except OSError as error:
        raise ConfigError(f"{KEY}: {file.parent} cannot be written to: {error.strerror}.") from None
    with lock:
        yield


def _file_name(study: str) -> str:
    return re.sub(r"[^\w.+=-]", "_", study).lstrip(".")


def _file_beside(place: str, study: str) -> Path | None:
    """Return the lock file beside a file; None for a server."""
    if "://" not in place:
        return Path(f"{place}.lock-of-search")
    file = owner.sqlite_file(place)
    return None if file is None else Path(f"{file}.{_file_name(study)}.lock-of-search")


class _FileLock:
    """A lock on a journal that ends with its process, unlike Optuna's own, which outlives a killed one by 30 s."""

    def __init__(self, journal: Path) -> None:
        self.file = Path(f"{journal}.lock")
        self.held: int | None = None

    def acquire(self) -> bool:
        """Wait for the lock and take it."""
        self.held = os.open(self.file, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
        fcntl.flock(self.held, fcntl.LOCK_EX)
        return True

    def release(self) -> None:
        """Give the lock back; the file stays, for the next one to lock."""
        assert self.held is not None
        os.close(self.held)
        self.held = None


def exists(place: str) -> bool:
    """Tell whether there is anything at a location yet; True for a server, of which nothing is known."""
    if place.startswith("sqlite"):
        file = owner.sqlite_file(place)
        return file is not None and file.is_file()
    return "://" in place or Path(place).is_file()


def _journal(path: Path) -> BaseStorage:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = _FileLock(path)
    if path.exists():
        lock.acquire()
        try:
            mend(path)
        finally:
            lock.release()
    return JournalStorage(JournalFileBackend(str(path), lock_obj=cast("BaseJournalFileLock", lock)))


def mend(journal: Path) -> None:
    """Cut off what follows a journal's last line end; only for the process that has its lock."""
    with open(journal, "rb+") as file:
        size = file.seek(0, os.SEEK_END)
        end = size
        while end > 0:
            start = max(end - 65536, 0)
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            if newline >= 0:
                end = start + newline + 1
                break
            end = start
        if end < size:
            file.truncate(end)


def _database(url: str) -> BaseStorage:
    from optuna.storages import RDBStorage
    from sqlalchemy import create_engine, inspect
    from sqlalchemy.exc import IntegrityError, ProgrammingError

    if url.startswith("sqlite"):
        return RDBStorage(url)
    # A server may drop idle connections while a batch trains for hours: ask before each use, and give up soon.
    options = {"pool_pre_ping": True, "connect_args": {"connect_timeout": _SECONDS_TO_CONNECT}}
    engine = create_engine(url, **options)
    owner.check_tables(inspect(engine).get_table_names(), hidden(url), "database")
    engine.dispose()
    try:
        return RDBStorage(url, engine_kwargs=options)
    except (IntegrityError, ProgrammingError):  # another process is making the tables at this moment
        time.sleep(1)
        return RDBStorage(url, engine_kwargs=options)


def _proxy(url: str) -> BaseStorage:
    from optuna.storages import GrpcStorageProxy

    host, _, port = url.removeprefix("grpc://").partition(":")
    proxy = GrpcStorageProxy(host=host or "localhost", port=int(port or 13000))
    proxy.wait_server_ready(timeout=_SECONDS_TO_CONNECT)
    return proxy
