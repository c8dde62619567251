"""The one writer to MLflow: `python -m labkit.tracking.writer`, a child process of every command that tracks.

Importing MLflow takes more than a second, so it happens here while the trainer imports torch and trains. What is
recorded is read from the trainer's spool (`labkit.tracking.spool`); on standard input come its questions, and empty
lines that say that the spool has grown (see `labkit.tracking.client`). The store is opened when the first run starts:
a command that turns out wrong writes nothing.

A store that takes nothing is tried again, every few seconds at first: the spool is then read from its beginning. The
end of the input without a word from the trainer means that it died: its open runs become KILLED. Ctrl-C, SIGTERM and
SIGUSR1 reach whole process groups and job steps, so they are ignored here; the end of the input is the only end.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any

from labkit.tracking.aftermath import DIED, nothing_there, take_care
from labkit.tracking.delivery import Delivery
from labkit.tracking.open_queries import curves, matching
from labkit.tracking.queries import Wanted
from labkit.tracking.recorder import PATIENCE_SECONDS, Patience
from labkit.tracking.run import now
from labkit.tracking.spool import Message, SpoolReader, remove
from labkit.tracking.store import environment, open_store, sentence

if TYPE_CHECKING:
    from mlflow import MlflowClient

MARK = b"\x1e"  # begins every reply, so that stray output of a library is never taken for one
FLUSH_SECONDS = 1.0
_FIRST_RETRY, _LAST_RETRY = 5.0, 60.0  # seconds between tries at a store that takes nothing
_LEFT_OPEN = "The training process closed its tracker without a final status."


class Writer:
    """Carries out what the trainer says, in its order."""

    def __init__(self) -> None:
        self.store = ("", "")  # its address, and the folder for artifacts
        self.path = Path()
        self.reader: SpoolReader | None = None
        self.lock = ExitStack()
        self.client: Any = None  # MLflow's, once the store is open
        self.patience = Patience(note=self.say_trouble)
        self.delivery = self.deliver_anew()
        self.direct: dict[int, Message] = {}  # messages that the disk did not take, by their number
        self.read = self.told = 0  # number of the last message: in this delivery, and of any delivery before
        self.closed = False
        self.trouble = ""
        self.interval, self.flushed = FLUSH_SECONDS, time.monotonic()
        self.wait, self.retry, self.beaten = _FIRST_RETRY, 0.0, 0.0

    def deliver_anew(self, known: Sequence[int] = ()) -> Delivery:
        """Return a delivery that has carried out nothing yet; runs with `known` numbers need none."""
        return Delivery(self.store, self.path.name, self.open, self.patience, self.tell, known)

    def handle(self, message: Message) -> None:
        """Carry out one word of the trainer's, after all that it has recorded before."""
        match message.get("op"):
            case "open":
                self.store, self.path = (message["uri"], message["artifact_root"]), Path(message["spool"])
                self.told = message["told"]
                self.delivery = self.deliver_anew()
            case "line":
                self.direct[message["line"]["n"]] = message["line"]
            case "close":
                self.closed = True
        self.carry_on()
        if "token" in message:
            self.answer(message)

    def carry_on(self) -> None:
        """Carry out what the spool has got since the last time."""
        for message in self.messages():
            self.delivery.note_damage(self.reader.damaged if self.reader else 0)
            self.delivery.carry_out(message, again=message["n"] <= self.told)
            self.told = max(self.told, message["n"])
            self.beat()

    def messages(self) -> Iterator[Message]:
        """Return the messages that were not read yet, from the spool, or as the trainer said them in its place."""
        if self.reader is None and self.path.is_file():
            self.reader = SpoolReader(self.path)
            self.lock.enter_context(self.reader.alone())
        for message in self.reader.read() if self.reader else ():
            if message["n"] > self.read:
                self.read = message["n"]
                yield message
        while self.read + 1 in self.direct:
            self.read += 1
            yield self.direct[self.read]

    def begin_anew(self) -> None:
        """Try once more to store what the store did not take, from the first message on."""
        began, before = time.monotonic(), self.delivery
        self.delivery, self.read = self.deliver_anew(tuple(before.done)), 0
        self.delivery.lost = before.lost
        if self.reader:
            self.reader.begin_anew()
        self.carry_on()
        self.say_trouble(self.delivery.behind)
        if self.delivery.behind is not None:
            self.wait = max(min(2 * self.wait, _LAST_RETRY), 10 * (time.monotonic() - began))
            self.retry = time.monotonic() + self.wait

    def open(self) -> MlflowClient:
        """Open the store, unless that is done."""
        if self.client is None:
            tell = lambda line: reply(say=line)  # noqa: E731
            self.client = self.patience(lambda: open_store(*self.store, tell))
            take_care(self.client, *self.store, tell, self.beat)
        client: MlflowClient = self.client
        return client

    def answer(self, message: Message) -> None:
        """Read for the trainer; what was sent before the question is written first."""
        self.delivery.drain()
        if self.delivery.behind is not None:
            self.begin_anew()
        try:
            if (problem := self.delivery.behind) is not None and message["op"] != "settle":
                raise problem
            reply(token=message["token"], answer=self.found(message))
        except Exception as error:
            reply(token=message["token"], failure=sentence(self.store[0], error))

    def found(self, message: Message) -> Any:
        """Return what the store holds; nothing if there is none yet (looking creates none), or none is asked."""
        if message["op"] == "settle":
            return []
        if self.client is None and nothing_there(*self.store):
            return []
        client = self.open()
        if message["op"] == "find":
            return [asdict(row) for row in matching(client, Wanted(**message["wanted"]))]
        return [curves(client, run_id, message["keys"]) for run_id in message["ids"]]

    def flush_if_due(self) -> None:
        """Write all buffers about every second; less often where that takes long, to leave the cores to training."""
        begin = time.monotonic()
        if begin - self.flushed < self.interval:
            return
        if self.delivery.behind is None:
            error = self.delivery.flush()
            self.say_trouble(error or self.delivery.behind)
            if self.delivery.behind is not None:
                self.retry = begin + self.wait
        elif begin >= self.retry:
            self.begin_anew()
        self.flushed = time.monotonic()
        self.interval = max(FLUSH_SECONDS, 10 * (self.flushed - begin))
        self.beaten = 0.0
        self.beat()

    def shut_down(self) -> bool:
        """Give every run that is still open its end; return whether the store has everything."""
        self.carry_on()
        self.delivery.end(_LEFT_OPEN if self.closed else DIED, now(), orphaned=not self.closed)
        if self.delivery.behind is not None:
            self.begin_anew()
            self.delivery.end(_LEFT_OPEN if self.closed else DIED, now(), orphaned=not self.closed)
        if (problem := self.delivery.behind) is not None:
            reply(left=sentence(self.store[0], problem))
            return False
        if self.reader:
            remove(self.path)
        self.lock.close()
        return True

    def tell(self, **said: Any) -> None:
        """Tell the trainer what becomes of a run; errors as sentences."""
        reply(**{key: sentence(self.store[0], one) if isinstance(one, Exception) else one for key, one in said.items()})

    def say_trouble(self, error: Exception | None) -> None:
        """Tell the trainer why values wait just now, or that they do not wait any more."""
        trouble = sentence(self.store[0], error) if error else ""
        if not trouble and self.trouble:
            self.wait, self.patience.seconds = _FIRST_RETRY, PATIENCE_SECONDS
        if trouble != self.trouble:
            self.trouble = trouble
            reply(trouble=trouble)
        self.beat()

    def beat(self) -> None:
        """Give the trainer a sign of life every second, unless it has not read the earlier ones."""
        if time.monotonic() - self.beaten > FLUSH_SECONDS and select.select([], [1], [], 0)[1]:
            self.beaten = time.monotonic()
            reply(read=self.told)


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
    """Serve the trainer until the input ends; return the exit code: 1 if anything was lost."""
    writer = Writer()
    while True:
        try:
            line = lines.get(timeout=FLUSH_SECONDS)
        except Empty:
            writer.flush_if_due()
            continue
        if line is None:
            break
        if line:
            writer.handle(json.loads(line))
        else:
            writer.carry_on()
        writer.flush_if_due()
    reply(complete=writer.shut_down())
    return int(writer.delivery.lost)


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
        reply(refused=f"tracking needs MLflow, which cannot be imported: {error}.")
        return 1
    gc.freeze()  # nor look through them again and again
    gc.enable()
    return serve(lines)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # all is committed; taking MLflow's thousand modules apart would take another 0.7 s
