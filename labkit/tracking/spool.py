"""The spool: all that one tracker records, as lines of a file under `mlruns/spool`, until the store has it.

The trainer appends, the writer reads. A line is the CRC-32 of a message and the message itself, numbered from 1; the
first line says whose spool it is. Lines are in the kernel's hands when a call returns, so they outlive both processes.
"""

from __future__ import annotations

import json
import os
import zlib
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from labkit import process as processes
from labkit.cache import cache_folder

Message = dict[str, Any]  # one call of a tracker, as JSON
_SUFFIX = ".lines"
_LEFT = "left-"  # begins the name of a spool whose tracker was closed before the store had all of it
_VALUES = ("log", "artifact")  # what is worth keeping: without any of these, nothing was computed


class Owner(NamedTuple):
    """What the first line of a spool says.

    Attributes:
        store: Address of the store, without a password.
        process: Process that records, as `labkit.process` writes it.
    """

    store: str
    process: str


class Spool:
    """The trainer's end: a file that is made with the first message.

    Args:
        folder: Folder of all spools of a store.
        store: Address of the store, without a password.

    Attributes:
        path: The file.
        count: Number of messages.
        valuable: True where one of them holds values or a file.
        trouble: Why the newest messages could not be written, or "".
    """

    def __init__(self, folder: Path, store: str) -> None:
        self.path = folder / f"{os.getpid()}-{uuid4().hex[:8]}{_SUFFIX}"
        self.count = 0
        self.trouble = ""
        self._head = {"store": store, "process": str(processes.own())}
        self._waiting: deque[bytes] = deque()
        self._file: int | None = None
        self.valuable = False

    def add(self, message: Message) -> bool:
        """Append a message; return False where the disk refuses it for now, to be tried again with the next one."""
        self.count += 1
        self.valuable = self.valuable or message["op"] in _VALUES
        self._waiting.append(_line({"n": self.count, **message}))
        return self.write()

    def write(self) -> bool:
        """Write what waits; return whether all of it is in the file."""
        try:
            if self._file is None:
                self._file = self._create()
            while self._waiting:
                _append(self._file, self._waiting[0])
                self._waiting.popleft()
            self.trouble = ""
        except OSError as error:
            self.trouble = error.strerror or str(error)
        return not self._waiting

    def waiting(self) -> list[Message]:
        """Return the messages that the file does not hold yet."""
        return [json.loads(line.partition(b" ")[2]) for line in self._waiting]

    def close(self, delivered: bool) -> bool:
        """Close the file and remove it, or mark it as left; return False where something that counts is in no file.

        Args:
            delivered: True where the store has all of it.
        """
        whole = delivered or self.write() or not self.valuable or self._take_refuge()
        if self._file is None:
            return whole
        with suppress(OSError):
            self.path = Path(os.readlink(f"/proc/self/fd/{self._file}"))  # its folder may have been moved
        if delivered or not self.valuable:
            remove(self.path)
        else:
            with suppress(OSError):
                os.fsync(self._file)
                left = self.path.with_name(_LEFT + self.path.name)
                os.replace(self.path, left)
                self.path = left
        os.close(self._file)
        self._file = None
        return whole

    def _take_refuge(self) -> bool:
        """Move what is written, and what the disk refuses, to this user's cache, which may lie on another disk."""
        written = b""
        try:
            if self._file is not None:
                written = Path(f"/proc/self/fd/{self._file}").read_bytes()
                os.close(self._file)
                self._file = None
            former, self.path = self.path, refuge() / self.path.name
            self._file = self._create()
            _append(self._file, written.partition(b"\n")[2] + b"".join(self._waiting))
        except OSError:
            return False
        self._waiting.clear()
        remove(former)
        return True

    def _create(self) -> int:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            _append(file, _line(self._head))
        except OSError:
            os.close(file)
            remove(self.path)
            raise
        return file


class SpoolReader:
    """The writer's end.

    Args:
        path: The file.

    Attributes:
        damaged: Number of lines that are not what was written, and were left out.
    """

    def __init__(self, path: Path) -> None:
        self._file = open(path, "rb")  # noqa: SIM115  (closed with the reader)
        self.damaged = 0
        head = self._message(self._file.readline())
        self.owner = Owner(head["store"], head["process"]) if head else None

    def read(self) -> Iterator[Message]:
        """Return the messages that were appended since the last call; of a line that is being written, nothing yet."""
        while line := self._file.readline():
            if not line.endswith(b"\n"):
                self._file.seek(-len(line), os.SEEK_CUR)
                return
            message = self._message(line)
            if message is None:
                self.damaged += 1
            else:
                yield message

    def begin_anew(self) -> None:
        """Let the next call of `read` begin with the first message."""
        self.damaged = 0
        self._file.seek(0)
        self._file.readline()

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Deliver the spool alone: within the `with`, no other process does; False where another one does already."""
        import fcntl

        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        try:
            yield True
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @staticmethod
    def _message(line: bytes) -> Message | None:
        checksum, _, text = line.rstrip(b"\n").partition(b" ")
        if checksum != b"%08x" % zlib.crc32(text):
            return None
        found: Message = json.loads(text)
        return found


def spool_folder(artifact_root: str | Path) -> Path:
    """Return the folder of a store's spools: beside its artifacts, so `mlruns/spool`."""
    return Path(artifact_root).parent / "spool"


def refuge() -> Path:
    """Return the folder of the spools for which there was no room beside their store."""
    return cache_folder() / "spool"


def left_spools(folder: Path) -> list[Path]:
    """Return the spools whose tracker is closed or whose process is dead, the one that was written last at the end."""
    found = []
    for path in folder.glob(f"*{_SUFFIX}"):
        with suppress(OSError):
            if path.name.startswith(_LEFT) or _is_dead(path):
                found.append((path.stat().st_mtime_ns, path))
    return [path for _, path in sorted(found)]


def remove(path: Path) -> None:
    """Remove a spool, and the folder of spools where it was the last one."""
    with suppress(OSError):
        path.unlink(missing_ok=True)
        path.parent.rmdir()


def _is_dead(path: Path) -> bool:
    reader = SpoolReader(path)
    reader.close()
    known = reader.owner and processes.read(reader.owner.process)
    return bool(known and processes.dead(known))


def _line(message: Message) -> bytes:
    text = json.dumps(message).encode()
    return b"%08x %b\n" % (zlib.crc32(text), text)


def _append(file: int, line: bytes) -> None:
    """Append a whole line, or nothing: what a full disk took of it is taken back."""
    end = os.lseek(file, 0, os.SEEK_END)
    try:
        written = 0
        while written < len(line):
            written += os.write(file, line[written:] if written else line)
    except OSError:
        with suppress(OSError):
            os.ftruncate(file, end)
        raise
