"""The holder of a study: one process at a time goes on with it, and is named to every other one that comes."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from labkit import process as processes
from labkit.config import ConfigError
from labkit.search.quiet import quiet

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.study import Study

BEAT_SECONDS = 60.0
DEAD_AFTER_SECONDS = 600.0  # without a heartbeat
_RECORD = "holder"


class Holder(TypedDict, total=False):
    """A process that holds a study, as a lock file or a server's record keeps it; empty: nobody has signed it yet.

    `process` is a process id, `begun`, `boot` and `namespace` are as in `labkit.process.Process`; `beat` is the time
    of its last heartbeat on a server, in seconds since 1970.
    """

    host: str
    process: int
    begun: str
    boot: str
    namespace: str
    command: str
    since: str
    beat: float


def myself() -> Holder:
    """Return what others are told about this process."""
    own = processes.own()
    return {
        "host": own.host,
        "process": own.id,
        "begun": own.begun,
        "boot": own.boot,
        "namespace": own.namespace,
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "since": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
    }


def refusal(study: str, who: Holder) -> ConfigError:
    """Return the error that says who holds a study."""
    by = "another process"
    if who:
        by = f"process {who['process']} on {who['host']} ({who['command']}) since {who['since']}"
    return ConfigError(
        f"study {study!r} is held by {by}; wait for it, or give this search a name of its own with "
        "hydra.sweeper.study_name=..."
    )


def beside_file(file: Path, study: str) -> AbstractContextManager[None]:
    """Hold a study by a lock on `file`, which ends with this process.

    Raises:
        ConfigError: Another process holds it.
    """
    lock = _lock(file, study)
    os.ftruncate(lock, 0)
    os.write(lock, json.dumps(myself()).encode())
    return _keep_lock(file, lock)


def _lock(file: Path, study: str) -> int:
    """Return the lock, open; made anew where its former holder removed the file between our opening and locking it."""
    while True:
        lock = os.open(file, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            record = os.read(lock, 65536)
            os.close(lock)
            raise refusal(study, _holder_in(record)) from None
        if file.exists() and os.path.samestat(os.fstat(lock), os.stat(file)):
            return lock
        os.close(lock)


@contextmanager
def _keep_lock(file: Path, lock: int) -> Iterator[None]:
    try:
        yield
    finally:
        file.unlink(missing_ok=True)
        os.close(lock)


def _holder_in(record: bytes) -> Holder:
    try:
        found: Holder = json.loads(record)
    except ValueError:
        return {}  # its holder is just about to write it
    return found


@contextmanager
def on_server(storage: BaseStorage, study: str) -> Iterator[None]:
    """Hold a study in a storage without files.

    The holder is the process that made the study `<study>/held/<n>` with the highest n: a server lets only one process
    make a study of a name. It signs that study, and renews a heartbeat there every minute. A process that finds the
    holder dead makes the next one.

    Args:
        storage: Storage of Optuna's.
        study: Name of the search.

    Raises:
        ConfigError: Another process holds it.
    """
    record = _claim(storage, study)
    done = threading.Event()
    thread = threading.Thread(target=_beat, args=(record, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        record.set_user_attr(_RECORD, {})


def _claim(storage: BaseStorage, study: str) -> Study:
    import optuna
    from optuna.exceptions import DuplicatedStudyError

    prefix = f"{study}/held/"
    with quiet():
        former = sorted(_numbers(storage, prefix))
        last = former[-1] if former else 0
        if last:
            who = _holder(optuna.load_study(study_name=f"{prefix}{last}", storage=storage))
            if who and not dead(who):
                raise refusal(study, who)
        try:
            record = optuna.create_study(study_name=f"{prefix}{last + 1}", storage=storage)
        except DuplicatedStudyError:
            raise refusal(study, {}) from None  # of two that came at once the other was first
        if max(_numbers(storage, prefix)) > last + 1:  # we were asleep while others came and went
            raise refusal(study, {})
        record.set_user_attr(_RECORD, {**myself(), "beat": time.time()})
        for number in former:
            optuna.delete_study(study_name=f"{prefix}{number}", storage=storage)
    return record


def _numbers(storage: BaseStorage, prefix: str) -> list[int]:
    import optuna

    names = optuna.get_all_study_names(storage)
    return [int(name.removeprefix(prefix)) for name in names if name.startswith(prefix)]


def _holder(record: Study) -> Holder:
    """Return the holder; one that has only just made the record gets two seconds to sign it. Empty: nobody any more."""
    for _ in range(20):
        if _RECORD in record.user_attrs:
            break
        time.sleep(0.1)
    found: Holder = record.user_attrs.get(_RECORD, {})
    return found


def _beat(record: Study, done: threading.Event) -> None:
    who = record.user_attrs[_RECORD]
    while not done.wait(BEAT_SECONDS):
        try:
            record.set_user_attr(_RECORD, {**who, "beat": time.time()})
        except Exception:  # a server that is away for a minute is no reason to end: the search itself will notice
            continue


def dead(who: Holder) -> bool:
    """Tell whether a holder is known to be gone: its process is, or it has not been heard of for 10 minutes."""
    place = who["host"], who.get("boot", ""), who.get("namespace", "")
    if processes.dead(processes.Process(*place, int(who["process"]), who["begun"])):
        return True
    return time.time() - float(who["beat"]) > DEAD_AFTER_SECONDS
