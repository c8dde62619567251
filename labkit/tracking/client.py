"""The tracker that a training process uses for MLflow: light handles that send JSON lines to the writer process.

Only the standard library is imported here. A call costs microseconds: it appends a line to a pipe that the writer
empties at once, and never waits unless it is asked for an answer (`Run.id`), sends a file, or ends something. Lines
are in the kernel's hands when the call returns, so they outlive a trainer that is killed.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import IO, Any, Self

from labkit import process as processes
from labkit.tracking.queries import Wanted
from labkit.tracking.rows import RunRow
from labkit.tracking.run import PARAM_CHARACTERS, TAG_CHARACTERS, Message, MlflowRun, cut, metric_name, now
from labkit.tracking.store import TrackingError, environment, say
from labkit.tracking.tracker import Curves, Tracker

_MARK = b"\x1e"
_PIPE_BYTES = 1 << 20


class MlflowTracker(Tracker):
    """The training process's end of the writer, which is started at once and imports MLflow meanwhile.

    Args:
        store_uri: an MLflow tracking URI, see `labkit.tracking.store.default_store`.
        artifact_root: the folder for artifacts (servers over HTTP keep their own).

    As a context manager it closes itself; an exception ends the open runs FAILED (KILLED for Ctrl-C and exits).
    """

    trouble: str = ""  # why values wait to be written just now (a locked database, a full disk); empty when all is well

    def __init__(self, store_uri: str, artifact_root: str | Path) -> None:
        self._store = (
            store_uri,
            os.path.abspath(artifact_root) if "://" not in str(artifact_root) else str(artifact_root),
        )
        self._lock = RLock()
        self._runs: list[MlflowRun] = []
        self._started = 0  # milliseconds, of the newest run
        self._errors: list[str] = []
        self._answers: dict[int, Message] = {}  # by the number of the question, until they are read
        self._questions = 0
        self._noise: deque[str] = deque(maxlen=20)
        self._out, self._in = bytearray(), b""
        self._closed = self._silent = False
        self._owner = os.getpid()
        self._process = _spawn()
        atexit.register(self._close_at_exit)
        self._send("open", None, uri=self._store[0], artifact_root=self._store[1])

    def start_run(
        self,
        experiment: str,
        name: str,
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        dataset: Mapping[str, object] | None = None,
        parent_run_id: str | None = None,
        parent: MlflowRun | None = None,
    ) -> MlflowRun:
        """Create a run; returns at once.

        Args:
            experiment: created if needed.
            name: the run's name.
            params: the flattened configuration; a value over 6000 characters is cut visibly.
            tags: values over 8000 characters are cut visibly.
            dataset: `name`, `digest` (its first 36 characters are kept), `source`, optional `context`
                (default "training") and `profile` (JSON-able facts).
            parent_run_id: Id of a run that any process created, or
            parent: a run of this tracker, whose id nobody has waited for.
        """
        entries = {metric_name(key): cut(str(value), PARAM_CHARACTERS) for key, value in (params or {}).items()}
        marks = {metric_name(key): cut(str(value), TAG_CHARACTERS) for key, value in (tags or {}).items()}
        return self._begin(
            "start",
            experiment=experiment,
            name=name,
            params=entries,
            tags=marks,
            dataset=dict(dataset) if dataset else None,
            parent=parent._number if parent else parent_run_id,
            time=self._next_start(),
        )

    def _next_start(self) -> int:
        """Now, a millisecond after the start before at the earliest: the order of runs is the order of their starts."""
        with self._lock:
            self._started = max(now(), self._started + 1)
            return self._started

    def resume(self, run_id: str, *, reopen: bool = False) -> MlflowRun:
        """A handle on a run that another process created, to annotate or finish it.

        With `reopen` it is RUNNING again and this tracker answers for its end; without, its status stays as it is
        until `finish`, whatever happens to this process.
        """
        # Its owner is said with it: in between, somebody else might take the run for a dead process's.
        return self._begin("resume", id=run_id, reopen=reopen, process=str(processes.own()) if reopen else "")

    def find(self, wanted: Wanted = Wanted()) -> list[RunRow]:  # noqa: B008  (frozen)
        """Return runs of the store, oldest first, with everything that was sent so far; waits for the answer.

        The writer reads, so this process need not import MLflow.
        """
        return [RunRow(**row) for row in self._ask("find", wanted=asdict(wanted))]

    def histories(self, run_ids: Sequence[str], keys: Sequence[str]) -> list[Curves]:
        """The curves of several runs, each as `labkit.tracking.reading.history` gives them; waits for the answer."""
        found = self._ask("histories", ids=list(run_ids), keys=list(keys))
        return [{key: [(step, value) for step, value in curve] for key, curve in run.items()} for run in found]

    def _ask(self, op: str, **fields: Any) -> Any:
        with self._lock:
            token = self._questions = self._questions + 1
            self._send(op, None, token=token, **fields)
            while token not in self._answers and not self._silent:
                self._exchange(wait=True)
            answer = self._answers.pop(token, None)
        if answer is None or "failure" in answer:
            raise TrackingError(answer["failure"] if answer else "the tracking writer ended before it could read.")
        return answer["answer"]

    def discard(self, folders: Sequence[Path]) -> None:
        """Have the writer remove folders when it has written everything that was sent so far, unless it lost some."""
        self._send("discard", None, folders=[str(Path(folder).absolute()) for folder in folders])

    def settle(self) -> None:
        """Wait until everything that was sent so far is in the store; raises TrackingError if something was lost.

        For a process that trains one job after another for somebody else, who reads the store when a job is done. A
        loss is told once: the next job may fare better.
        """
        if not self._runs or self._closed:
            return
        self._ask("settle")
        with self._lock:
            errors, self._errors = self._errors, []
        if errors:
            raise TrackingError(errors[0])

    def check(self) -> None:
        """Raise TrackingError if something is already known to be lost; cheap enough for every evaluation."""
        with self._lock:
            self._exchange(wait=False)
            if self._errors:
                raise TrackingError(self._errors[0])

    def close(self) -> None:
        """Wait until everything is written; runs without an end become KILLED.

        Raises TrackingError in one sentence if anything was lost, after all else was written. A second call does
        nothing, as does a call in a forked child.
        """
        if self._closed or os.getpid() != self._owner:
            return
        self._closed = True
        atexit.unregister(self._close_at_exit)
        if not self._runs:
            self._process.kill()  # nothing was asked of it: do not wait for its imports
        self._send("close", None, True)
        _pipe(self._process.stdin).close()
        while not self._silent:
            self._exchange(wait=True)
        code = self._process.wait()
        _pipe(self._process.stdout).close()
        if self._runs and code not in (0, 1):
            self._rescue(code)
        if self._errors:
            more = f" ({len(self._errors) - 1} more errors followed)" if len(self._errors) > 1 else ""
            raise TrackingError(self._errors[0].rstrip(".") + more + ".")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if error is None:
            self.close()
        else:
            self.abandon(error)

    def abandon(self, error: BaseException) -> None:
        """End the runs that an exception left open: FAILED, or KILLED for Ctrl-C and exits; then close."""
        for run in self._runs:
            run.finish("FAILED" if isinstance(error, Exception) else "KILLED", f"{type(error).__name__}: {error}")
        try:
            self.close()
        except TrackingError as second:
            error.add_note(str(second))

    def _begin(self, op: str, **fields: Any) -> MlflowRun:
        if self._closed:
            raise ValueError("this tracker is closed")
        with self._lock:
            run = MlflowRun(self, len(self._runs))
            self._runs.append(run)
            self._send(op, run._number, **fields)
        return run

    def _send(self, op: str, number: int | None, wait: bool = False, **fields: Any) -> None:
        with self._lock:
            self._out += json.dumps({"op": op, "run": number, **fields}).encode() + b"\n"
            self._exchange(wait=False)
            while wait and self._out and not self._silent:
                self._exchange(wait=True)

    def _exchange(self, wait: bool) -> None:
        """Write what the pipe takes and read what the writer said; with `wait`, until one of the two was possible."""
        stdin, stdout = _pipe(self._process.stdin), _pipe(self._process.stdout)
        if wait and not self._silent:
            select.select([stdout], [stdin] if self._out else [], [])
        try:
            while self._out:
                del self._out[: os.write(stdin.fileno(), self._out[:_PIPE_BYTES])]
        except BlockingIOError:
            pass
        except (BrokenPipeError, ValueError):
            self._out.clear()  # the writer is gone; `close` says so
        self._listen(stdout.fileno())

    def _listen(self, stdout: int) -> None:
        while not self._silent:
            try:
                chunk = os.read(stdout, 1 << 16)
            except BlockingIOError:
                return
            self._silent = not chunk
            *lines, self._in = (self._in + chunk).split(b"\n")
            for line in lines:
                self._understand(line)

    def _understand(self, line: bytes) -> None:
        _, mark, said = line.rpartition(_MARK)
        if not mark:
            self._noise.append(line.decode(errors="replace"))
            return
        fields = json.loads(said)
        run = self._runs[fields["run"]] if fields.get("run") is not None else None
        if "token" in fields:
            self._answers[fields["token"]] = fields
        elif "error" in fields:
            self._errors.append(fields["error"])
            if run is not None:
                run._error = run._error or fields["error"]
        elif "say" in fields:
            say(fields["say"])
        elif "trouble" in fields:
            self.trouble = fields["trouble"]
        elif run is not None:
            run._id = fields["id"]

    def _wait_for_id(self, run: MlflowRun) -> str:
        with self._lock:
            while run._id is None and not run._error and not self._silent:
                self._exchange(wait=True)
        if run._id is None:
            raise TrackingError(run._error or "the tracking writer ended before it could create the run.")
        return run._id

    def _rescue(self, code: int) -> None:
        """The writer itself died: say so, and let a second one end the runs that the first left RUNNING."""
        said = f" (it last said: {self._noise[-1].strip()[:200]})" if self._noise else ""
        self._errors.insert(0, f"the tracking writer died with exit code {code}{said}, so tracked values are lost.")
        known = [run._id for run in self._runs if run._id is not None]
        if known:
            try:
                with MlflowTracker(*self._store) as second:
                    for run_id in known:
                        second.resume(run_id).finish("FAILED", self._errors[0])
            except TrackingError as error:
                self._errors.append(str(error))

    def _close_at_exit(self) -> None:
        try:
            self.close()
        except TrackingError as error:
            print(f"error: {error}", file=sys.stderr)


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
