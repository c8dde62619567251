"""Who may go on with a search: one process at a time, and the next one learns who that is."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import socket
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from labkit.config import ConfigError
from labkit.search.quiet import quiet
from labkit.search.storage import file_name, location, mend, opened

_BEAT_SECONDS, _STALE_SECONDS = 30.0, 600.0


@contextmanager
def hold(storage: str | None, study: str, folder: Path) -> Iterator[None]:
    """Hold a study: nobody else goes on with it meanwhile. Raises ConfigError saying who does.

    Beside a file it is a lock that ends with its process, however that ends; on a server a record with a heartbeat.
    """
    where = location(storage, study, folder)
    if "://" in where and not where.startswith("sqlite"):
        with _held_on_server(where, study):
            yield
        return
    Path(folder).mkdir(parents=True, exist_ok=True)
    with open(Path(folder) / f"{file_name(study)}.lock", "a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise ConfigError(_taken(study, lock.read())) from None
        lock.truncate(0)
        lock.write(json.dumps(_self()))
        lock.flush()
        mend(where)
        yield


def _self() -> dict[str, Any]:
    command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
    return {"host": socket.gethostname(), "process": os.getpid(), "command": command, "since": time.ctime()}


def _taken(study: str, record: str) -> str:
    try:
        who = json.loads(record)
        by = f"process {who['process']} on {who['host']} ({who['command']}) since {who['since']}"
    except (ValueError, KeyError):
        by = "another process"
    return (
        f"study {study!r} is held by {by}; wait for its end, or give this search a name of its own "
        "(hydra.sweeper.study_name)."
    )


@contextmanager
def _held_on_server(where: str, study: str) -> Iterator[None]:
    import optuna

    with quiet():
        record = optuna.create_study(storage=opened(where), study_name=f"{study}/holder", load_if_exists=True)
    now = record.user_attrs.get("holder") or {}
    if now and not _gone(now):
        raise ConfigError(_taken(study, json.dumps(now)))
    mine = {**_self(), "token": uuid.uuid4().hex}
    record.set_user_attr("holder", {**mine, "beat": time.time()})
    time.sleep(0.5)  # of two that came at once, the later record stands
    if record.user_attrs["holder"].get("token") != mine["token"]:
        raise ConfigError(_taken(study, json.dumps(record.user_attrs["holder"])))
    done = threading.Event()

    def beat() -> None:
        while not done.wait(_BEAT_SECONDS):
            record.set_user_attr("holder", {**mine, "beat": time.time()})

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        record.set_user_attr("holder", None)


def _gone(who: dict[str, Any]) -> bool:
    """Whether a holder is known to be dead: its process on this host is no more, or its heart stopped."""
    if who.get("host") == socket.gethostname() and not Path(f"/proc/{who.get('process')}").exists():
        return True
    return time.time() - float(who.get("beat", 0)) > _STALE_SECONDS
