"""The line to the writer process: words there, replies back; neither side ever waits for the other to read."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import IO

from labkit.tracking.spool import Message
from labkit.tracking.store import environment

SILENCE_SECONDS = 60.0  # after so long without a sign of life, a writer is ended
_MARK = b"\x1e"
_PIPE_BYTES = 1 << 20


class Line:
    """The line to a writer process, which is started at once and imports MLflow meanwhile.

    Attributes:
        process: The writer.
        silent: True once it has ended.
        patience: Seconds that it may owe a sign of life.
    """

    def __init__(self) -> None:
        self.process = _spawn()
        self.silent = False
        self.patience = SILENCE_SECONDS
        self._noise: deque[str] = deque(maxlen=20)
        self._out, self._in = bytearray(), b""
        self._ending = False
        self._owed: float | None = None  # when the oldest word was said that is not answered yet

    def say(self, word: Message | None) -> None:
        """Say a word; None only wakes the writer, for the spool has grown."""
        if word is None and self._out:
            return  # it has enough to wake up for
        self._out += b"\n" if word is None else json.dumps(word).encode() + b"\n"
        if self._owed is None:
            self._owed = time.monotonic()

    def end_of_words(self) -> None:
        """Close this end of the line when all words are said."""
        self._ending = True

    def allow(self, seconds: float) -> None:
        """Allow the writer so many seconds more for what it does now."""
        self._owed = time.monotonic() + seconds

    def exchange(self, wait: bool) -> list[Message]:
        """Write what the pipe takes and return what the writer said; with `wait`, pass a second at most."""
        stdin, stdout = _pipe(self.process.stdin), _pipe(self.process.stdout)
        if wait and not self.silent:
            select.select([stdout], [stdin] if self._out else [], [], 1.0)
        try:
            while self._out:
                del self._out[: os.write(stdin.fileno(), self._out[:_PIPE_BYTES])]
            if self._ending:
                stdin.close()
        except BlockingIOError:
            pass
        except (BrokenPipeError, ValueError):
            self._out.clear()  # the writer is gone
        return self._listen(stdout.fileno())

    def late(self, waiting: bool) -> bool:
        """Return whether the writer owes a sign of life for too long.

        Args:
            waiting: True where an answer is waited for, so that any reply but that leaves it owing.
        """
        if waiting and self._owed is None:
            self._owed = time.monotonic()
        return self._owed is not None and time.monotonic() - self._owed > self.patience

    def end(self) -> str:
        """End the writer, if it has not ended; return what became of it, as the end of a sentence."""
        if not self.silent:
            self.process.kill()
        code = self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            with suppress(OSError):
                _pipe(stream).close()
        said = f" (it last said: {self._noise[-1].strip()[:200]})" if self._noise else ""
        ended = f"died with exit code {code}" if self.silent else f"gave no sign of life for {self.patience:.0f} s"
        return f"{ended}{said}"

    def _listen(self, stdout: int) -> list[Message]:
        found = []
        while not self.silent:
            try:
                chunk = os.read(stdout, 1 << 16)
            except BlockingIOError:
                break
            self.silent = not chunk
            *lines, self._in = (self._in + chunk).split(b"\n")
            for line in lines:
                _, mark, said = line.rpartition(_MARK)
                if mark:
                    self._owed = None
                    found.append(json.loads(said))
                else:
                    self._noise.append(line.decode(errors="replace"))
        return found


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None
    return stream


def _spawn() -> subprocess.Popen[bytes]:
    """Start the writer: own session (Ctrl-C passes it by), own pipes (the terminal stays the trainer's)."""
    home = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, (home, os.environ.get("PYTHONPATH"))))
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # numpy comes along with MLflow; it needs no pool
    process = subprocess.Popen(
        [sys.executable, "-P", "-W", "ignore", "-m", "labkit.tracking.writer", str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
        start_new_session=True,
        env={**os.environ, **environment(), **threads, "PYTHONPATH": path},
    )
    for stream in (process.stdin, process.stdout):
        os.set_blocking(_pipe(stream).fileno(), False)
    _widen(_pipe(process.stdin).fileno())
    return process


def _widen(pipe: int) -> None:
    """Let the pipe hold a mebibyte where the system allows it, for the moment before the writer reads."""
    import fcntl

    with suppress(AttributeError, OSError):
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
