"""The one writer to MLflow: `python -m labkit.tracking.writer`, a child process of every command that tracks.

Importing MLflow takes more than a second, so it happens here while the trainer imports torch and trains. The trainer
sends JSON lines on standard input (see `labkit.tracking.client`); a thread takes them out of the pipe at once, so the
trainer never waits. The store is opened when the first run starts: a command that turns out wrong writes nothing.

The end of the input without a word from the trainer means that it died: its open runs become KILLED. Ctrl-C,
SIGTERM and SIGUSR1 reach whole process groups and job steps, so they are ignored here; the end of the input is the only
end.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any

from labkit.tracking import tag
from labkit.tracking.moved import usable
from labkit.tracking.queries import Wanted
from labkit.tracking.reading import DIED, curves, end_orphans, matching
from labkit.tracking.recorder import Patience, Recorder
from labkit.tracking.run import Message, now
from labkit.tracking.store import (
    TrackingError,
    environment,
    experiment_id,
    open_store,
    sentence,
    shown,
    sqlite_file,
)
from labkit.tracking.tracker import remove

if TYPE_CHECKING:
    from mlflow.entities import Metric, RunInfo

MARK = b"\x1e"  # begins every reply, so that stray output of a library is never taken for one
FLUSH_SECONDS = 1.0
_LEFT_OPEN = "The training process closed its tracker without a final status."


class Writer:
    """Carries out the trainer's messages, one at a time, in their order."""

    def __init__(self) -> None:
        self.runs: dict[int, Recorder] = {}
        self.experiments: dict[str, str] = {}
        self.patience = Patience()
        self.uri = self.artifact_root = ""
        self.client: Any = None  # MLflow's, once the store is open
        self.failed = self.closed = False
        self.trouble = ""
        self.interval, self.flushed = FLUSH_SECONDS, time.monotonic()

    def handle(self, message: Message) -> None:
        """Carry out one message; an error is reported and the next message still gets its turn."""
        number = message.get("run")
        try:
            if message["op"] == "open":
                self.uri, self.artifact_root = message["uri"], message["artifact_root"]
            elif message["op"] == "close":
                self.closed = True
            elif message["op"] == "discard":
                self.discard(message["folders"])
            elif message["op"] in ("start", "resume"):
                self.begin(message)
            elif "token" in message:
                self.answer(message)
            elif number in self.runs:  # a run that could not begin was reported once; what belongs to it is gone
                self.record(self.runs[number], message)
        except Exception as error:
            self.report(error, number)

    def open(self) -> None:
        """Open the store, unless that is done."""
        if self.client is None:
            self.client = self.patience(lambda: open_store(self.uri, self.artifact_root, lambda line: reply(say=line)))
            end_orphans(self.client)

    def begin(self, message: Message) -> None:
        """Start or resume a run, opening the store if this is the first."""
        self.open()
        number = message["run"]
        stored: Sequence[Metric] = ()
        if message["op"] == "start":
            info = self.create(message)
        else:
            info, stored = self.reopen(message)
        owned = message["op"] == "start" or message["reopen"]
        run = Recorder(
            self.client, info.run_id, info.artifact_uri, owned, self.patience, lambda error: self.report(error, number)
        )
        run.take_up(stored)
        run.process = message.get("process") or message.get("tags", {}).get(tag.PROCESS, "")
        self.runs[number] = run
        reply(run=number, id=info.run_id)
        if message["op"] == "start":
            run.begin(message["params"], message["dataset"])

    def create(self, message: Message) -> RunInfo:
        """Create a run in the store; raise TrackingError for a place that MLflow cannot use."""
        name, tags = message["experiment"], dict(message["tags"])
        parent = message["parent"]
        if parent is not None:
            tags[tag.PARENT] = parent if isinstance(parent, str) else self.runs[parent].run_id
        if name not in self.experiments:
            number = self.patience(lambda: experiment_id(self.client, self.uri, self.artifact_root, name))
            place = self.client.get_experiment(number).artifact_location
            if problem := usable(place, name):
                raise TrackingError(f"tracking store {shown(self.uri)}: {problem}")
            self.experiments[name] = number
        run = self.patience(
            lambda: self.client.create_run(self.experiments[name], message["time"], tags, message["name"]),
            repeatable=False,
        )
        info: RunInfo = run.info
        return info

    def answer(self, message: Message) -> None:
        """Read for the trainer; what was sent before the question is written first."""
        for run in self.runs.values():
            run.drain()
        try:
            reply(token=message["token"], answer=self.read(message))
        except Exception as error:
            reply(token=message["token"], failure=sentence(self.uri, error))

    def read(self, message: Message) -> Any:
        """Return what the store holds; nothing if there is none yet (looking creates none), or none is asked."""
        if message["op"] == "settle":
            return []
        file = sqlite_file(self.uri)
        if self.client is None and file is not None and not file.exists():
            return []
        self.open()
        if message["op"] == "find":
            return [asdict(row) for row in matching(self.client, Wanted(**message["wanted"]))]
        return [curves(self.client, run_id, message["keys"]) for run_id in message["ids"]]

    def reopen(self, message: Message) -> tuple[RunInfo, Sequence[Metric]]:
        """A run that another process created, and its last metrics; RUNNING again if this one is to answer for it."""
        run = self.client.get_run(message["id"])
        info: RunInfo = run.info
        if message["reopen"]:
            self.patience(lambda: self.client.set_tag(info.run_id, tag.PROCESS, message["process"]))
            self.patience(lambda: self.client.update_run(info.run_id, status="RUNNING"))
        return info, run.data._metric_objs  # `run.data.metrics` has no steps

    def discard(self, folders: Sequence[str]) -> None:
        """Remove what nobody needs once all is stored; what a lost run could go on from stays."""
        errors = [error for run in self.runs.values() if (error := run.flush())]
        if not self.failed and not errors:
            remove(map(Path, folders))

    def record(self, run: Recorder, message: Message) -> None:
        """One message that belongs to an open run."""
        match message["op"]:
            case "log":
                run.log(message["step"], message["time"], message["values"])
            case "tag":
                run.tag(message["key"], message["value"])
            case "artifact":
                run.artifact(message["name"], message["content"])
            case "finish":
                run.finish(message["status"], message["note"], message["time"])
                del self.runs[message["run"]]

    def flush_if_due(self) -> None:
        """Write all buffers about every second; less often where that takes long, to leave the cores to training."""
        begin = time.monotonic()
        if begin - self.flushed < self.interval:
            return
        errors = [error for run in self.runs.values() if (error := run.flush())]
        self.flushed = time.monotonic()
        self.interval = max(FLUSH_SECONDS, 10 * (self.flushed - begin))
        trouble = sentence(self.uri, errors[0]) if errors else ""
        if trouble != self.trouble:
            self.trouble = trouble
            reply(trouble=trouble)

    def shut_down(self) -> None:
        """Give every run that is still open its end."""
        for run in self.runs.values():
            if run.owned and not self.closed and run.taken_over():
                continue
            if run.owned:
                run.finish("KILLED", _LEFT_OPEN if self.closed else DIED, now())
            else:
                run.drain()

    def report(self, error: Exception, number: int | None) -> None:
        """Tell the trainer, if it still listens."""
        self.failed = True
        reply(run=number, error=sentence(self.uri, error))


def reply(**fields: object) -> None:
    """One line to the trainer; a trainer that is gone needs no answer."""
    with suppress(OSError):
        os.write(1, MARK + json.dumps(fields).encode() + b"\n")


def alive(process: int) -> bool:
    """Return whether a process of that id exists (it may have died before this one looked at its parent)."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def receive(lines: SimpleQueue[bytes | None], trainer: int) -> None:
    """Move lines from standard input to the queue; None at the end. A torn last line is dropped.

    A process forked by the trainer may hold the pipe open after the trainer's death, so that death is an end as
    well, once the pipe is empty.
    """
    parent, rest = os.getppid(), b""
    while True:
        ready = select.select([0], [], [], 1.0)[0]
        if not ready and os.getppid() == parent and alive(trainer):
            continue
        chunk = os.read(0, 1 << 20) if ready else b""
        if not chunk:
            lines.put(None)
            return
        *whole, rest = (rest + chunk).split(b"\n") if b"\n" in chunk else (rest + chunk,)
        for line in whole:
            lines.put(line)


def serve(lines: SimpleQueue[bytes | None]) -> int:
    """Carry out messages until the input ends; returns the exit code: 1 if anything was lost."""
    writer = Writer()
    while True:
        try:
            line = lines.get(timeout=FLUSH_SECONDS)
        except Empty:
            writer.flush_if_due()
            continue
        if line is None:
            break
        writer.handle(json.loads(line))
        writer.flush_if_due()
    writer.shut_down()
    return int(writer.failed)


def main() -> int:
    """Import MLflow while lines collect, then serve."""
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(name, signal.SIG_IGN)
    lines: SimpleQueue[bytes | None] = SimpleQueue()
    Thread(target=receive, args=(lines, int(sys.argv[1])), daemon=True).start()
    os.environ.update(environment())
    gc.disable()  # looking for garbage among modules that stay is a quarter of the import
    sys.modules.setdefault("pandas", None)  # type: ignore[arg-type]  # 0.3 s; MLflow does without, as mlflow-skinny has to
    try:
        import mlflow  # noqa: F401
        from mlflow.store.tracking import sqlalchemy_store  # noqa: F401
    except ImportError as error:
        reply(run=None, error=f"tracking needs MLflow, which cannot be imported: {error}.")
        return 1
    gc.freeze()  # nor look through them again and again
    gc.enable()
    return serve(lines)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # all is committed; taking MLflow's thousand modules apart would take another 0.7 s
