"""The tracker that a training process uses for MLflow: light handles that append to the spool.

Only the standard library is imported here. A call costs microseconds: it appends a line to a file, and never waits
unless it is asked for an answer (`Run.id`) or the tracker is closed. A writer that dies, or gives no sign of life for a
minute, gives way to another one, which reads the spool from its beginning. What the store has not taken when the
tracker is closed stays in the spool, for the next command that opens the store (`labkit.tracking.aftermath`).
"""

from __future__ import annotations

import atexit
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import Any, Self

from labkit import process as processes
from labkit.tracking.line import Line
from labkit.tracking.queries import Wanted
from labkit.tracking.rows import RunRow
from labkit.tracking.run import PARAM_CHARACTERS, TAG_CHARACTERS, MlflowRun, cut, metric_name, now
from labkit.tracking.spool import Message, Spool, spool_folder
from labkit.tracking.store import TrackingError, say, shown
from labkit.tracking.tracker import Curves, Tracker

_WRITERS = 4  # in the life of a tracker
_HURRY = 10.0  # seconds that a silent writer has when Ctrl-C ends the command
_OUTAGE = 10.0  # seconds after which values that wait are worth a sentence


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
        self._spool = Spool(spool_folder(self._store[1]), shown(store_uri))
        self._lock = RLock()
        self._runs: list[MlflowRun] = []
        self._started = 0  # milliseconds, of the newest run
        self._errors: list[str] = []
        self._answers: dict[int, Message] = {}  # by the number of the question, until they are read
        self._question: Message | None = None  # the one that waits for its answer
        self._questions = 0
        self._closed = False
        self._complete: bool | None = None  # whether the store has everything, once the writer says so at its end
        self._left = self._refusal = self._down = self._gone = ""  # sentences of why values wait
        self._outage: float | None = None  # when values began to wait; negative once that was told
        self._owner = os.getpid()
        self._writers = 1
        self._line = Line()
        atexit.register(self._close_at_exit)
        self._open()

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
            self._question = {"op": op, "token": token, **fields}
            self._line.say(self._question)
            try:
                while token not in self._answers and not self._gone:
                    self._exchange(wait=True)
            finally:
                self._question = None
            answer = self._answers.pop(token, None)
        if answer is None or "failure" in answer:
            raise TrackingError(answer["failure"] if answer else self._gone)
        return answer["answer"]

    def discard(self, folders: Sequence[Path]) -> None:
        """Have the writer remove folders when it has written everything that was sent so far, unless it lost some."""
        self._record("discard", None, folders=[str(Path(folder).absolute()) for folder in folders])

    def settle(self) -> None:
        """Wait until everything that was sent so far is in the store; raises TrackingError if something was lost.

        What the store does not take for now is in the spool: it is neither lost nor waited for. This is for a process
        that trains one job after another for somebody else, who reads the store when a job is done. A loss is told
        once: the next job may fare better.
        """
        if not self._runs or self._closed:
            return
        try:
            self._ask("settle")
        except TrackingError:
            if not self._spool.write():
                raise
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
        """Wait until everything is written, a minute at most from the writer's last sign of life; open runs are KILLED.

        What the store does not take stays in the spool, and a sentence says so. Raises TrackingError in one sentence if
        anything was lost, after all else was written. A second call does nothing, as does a call in a forked child.
        """
        if self._closed or os.getpid() != self._owner:
            return
        self._closed = True
        atexit.unregister(self._close_at_exit)
        if not self._runs:  # nothing was asked of it: do not wait for its imports
            self._line.end()
            return
        try:
            with self._lock:
                self._say_close()
                while not self._gone and not (self._complete is not None and self._line.silent):
                    self._exchange(wait=True)
        finally:
            self._line.end()
            self._leave()
        if self._errors:
            more = f" ({len(self._errors) - 1} more errors followed)" if len(self._errors) > 1 else ""
            raise TrackingError(self._errors[0].rstrip(".") + more + ".")

    def _leave(self) -> None:
        """Close the spool, and say what it keeps."""
        delivered = self._complete is True
        whole = self._spool.close(delivered)
        if delivered:
            return
        reason = self._left or self._refusal or self._gone or "the command was ended before all was written."
        if not whole:
            lost = f"{reason.rstrip('.')}, and its spool cannot be written ({self._spool.trouble})"
            self._errors.insert(0, f"{lost}: what is missing in both is lost.")
        elif self._spool.path.exists():
            say(f"{reason.rstrip('.')}. Nothing is lost: {self._spool.path} keeps what the store lacks.")
            say("The next command that uses this store puts it in, and so does: labkit task=sync")
        else:
            self._errors.append(reason)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if error is None:
            self.close()
        else:
            self.abandon(error)

    def abandon(self, error: BaseException) -> None:
        """End the runs that an exception left open: FAILED, or KILLED for Ctrl-C and exits; then close."""
        if isinstance(error, KeyboardInterrupt):
            self._line.patience = min(self._line.patience, _HURRY)
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
            self._record(op, run._number, **fields)
        return run

    def _record(self, op: str, number: int | None, **fields: Any) -> None:
        """Append a message to the spool and wake the writer; where the disk refuses, say the message to it as well."""
        with self._lock:
            message = {"op": op, "run": number, **fields}
            written = self._spool.add(message)
            self._line.say(None if written else {"op": "line", "line": {"n": self._spool.count, **message}})
            self._exchange(wait=False)

    def _open(self) -> None:
        uri, artifact_root = self._store
        told = {"uri": uri, "artifact_root": artifact_root, "spool": str(self._spool.path), "told": self._spool.count}
        self._line.say({"op": "open", **told})

    def _say_close(self) -> None:
        self._line.say({"op": "close"})
        self._line.end_of_words()

    def _exchange(self, wait: bool) -> None:
        """Hear what the writer says, and start another one where it has died or gives no sign of life."""
        for said in self._line.exchange(wait):
            self._understand(said)
        if self._gone or (self._line.silent and self._complete is not None):
            return
        if self._line.silent or self._line.late(waiting=wait):
            self._replace_writer()
        self._tell_outage()

    def _replace_writer(self) -> None:
        became = self._line.end()
        if self._refusal or self._writers == _WRITERS:
            self._gone = self._refusal or f"the tracking writer {became}, like {self._writers - 1} before it."
            return
        if self._runs:
            say(f"the tracking writer {became}; another one takes up its work.")
        patience, self._line = self._line.patience, Line()
        self._line.patience = patience
        self._writers += 1
        self._open()
        for message in self._spool.waiting():
            self._line.say({"op": "line", "line": message})
        if self._question is not None:
            self._line.say(self._question)
        if self._closed:
            self._say_close()

    def _understand(self, said: Message) -> None:
        run = self._runs[said["run"]] if said.get("run") is not None else None
        if "token" in said:
            self._answers[said["token"]] = said
        elif "say" in said:
            say(said["say"])
        elif "busy" in said:
            self._line.allow(said["busy"])
        elif "error" in said or "refused" in said:
            sentence = said.get("error") or said["refused"]
            if "error" in said and sentence not in self._errors:
                self._errors.append(sentence)
            if run is not None:
                run._error = run._error or sentence
            elif "refused" in said:
                self._refusal = sentence
        elif run is not None:
            run._id = said["id"]
        self.trouble = said.get("trouble", self.trouble)
        self._down = said.get("down", self._down) if self.trouble else ""
        self._left = said.get("left", self._left)
        self._complete = said.get("complete", self._complete)

    def _tell_outage(self) -> None:
        """Say once that values wait, when they have done so for a while, and when they wait no more."""
        if not self.trouble:
            if self._outage is not None and self._outage < 0:
                say("the tracking store takes values again.")
            self._outage = None
        elif self._outage is None:
            self._outage = time.monotonic()
        elif self._outage >= 0 and time.monotonic() - self._outage > _OUTAGE:
            self._outage = -1.0
            say(f"{self.trouble} The training goes on; what it records waits in {self._spool.path}")

    def _wait_for_word(self, run: MlflowRun) -> None:
        with self._lock:
            while run._id is None and not run._error and not self._gone and not self.trouble:
                self._exchange(wait=True)
        refused = run._error or self._refusal
        if run._id is None and refused and not self._spool.valuable:
            raise TrackingError(refused)

    def _wait_for_id(self, run: MlflowRun) -> str:
        with self._lock:
            while run._id is None and not run._error and not self._gone and not self._down:
                self._exchange(wait=True)
        if run._id is None:
            raise TrackingError(run._error or self._refusal or self._down or self._gone)
        return run._id

    def _close_at_exit(self) -> None:
        try:
            self.close()
        except TrackingError as error:
            print(f"error: {error}", file=sys.stderr)
