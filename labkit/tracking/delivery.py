"""The messages of one tracker, carried out in the store: each once, however often they are read.

A run that exists is found again by its mark, rows of metrics that are stored are left out, and all else may be done
twice. So whatever stands in the way, a delivery is begun anew from the first line of the spool.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from labkit import process as processes
from labkit.tracking import tag
from labkit.tracking.complaints import invalid, passing
from labkit.tracking.moved import usable
from labkit.tracking.open_queries import matching
from labkit.tracking.queries import Wanted
from labkit.tracking.recorder import Patience, Recorder
from labkit.tracking.spool import Message
from labkit.tracking.store import TrackingError, experiment_id, shown
from labkit.tracking.tracker import remove

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, RunInfo

_CHECKPOINTS = ("mlruns", "checkpoints")  # a spool may come from a stranger: nothing else is removed for it
_FULLY_STORED = ("FINISHED", "FAILED")  # a status that is written last; KILLED may come from whoever found it orphaned


class UnknownRunError(TrackingError):
    """A run to go on with that is not in the store."""


class Delivery:
    """Carries out messages, in their order.

    Args:
        store: Address of the store and folder for artifacts.
        spool: Name of the spool that has the messages.
        open_client: Opens the store at the first message that needs it.
        patience: Shared by all deliveries of the process.
        tell: Told what becomes of runs; see `labkit.tracking.writer.reply`.
        known: Numbers of runs that need no delivery any more.

    Attributes:
        runs: The open runs, by number.
        done: Numbers of runs that are stored to their end, or that another process goes on with.
        stuck: Why the store does not take a run, by number.
        down: Why the store takes nothing now; None while it does.
        lost: True where something will never be stored.
    """

    def __init__(
        self,
        store: tuple[str, str],
        spool: str,
        open_client: Callable[[], MlflowClient],
        patience: Patience,
        tell: Callable[..., None] = lambda **said: None,
        known: Sequence[int] = (),
    ) -> None:
        self.uri, self.artifact_root = store
        self.spool, self.open_client, self.patience, self.tell = spool, open_client, patience, tell
        self.runs: dict[int, Recorder] = {}
        self.done = set(known)
        self.stuck: dict[int, Exception] = {}
        self.down: Exception | None = None
        self.lost = False
        self._damaged = 0
        self._ids: dict[int, str] = {}
        self._experiments: dict[str, str] = {}

    @property
    def behind(self) -> Exception | None:
        """The reason why the store lacks something that only the spool has; None where it lacks nothing."""
        return self.down or next(iter(self.stuck.values()), None)

    def carry_out(self, message: Message, again: bool = False) -> None:
        """Carry out one message, or put off what belongs to its run.

        Args:
            message: A message of the spool.
            again: True where it may have been carried out before.
        """
        number = message["run"]
        if self.down is not None or number in self.stuck or number in self.done:
            return
        try:
            if message["op"] == "discard":
                self._discard(message["folders"])
            elif message["op"] in ("start", "resume"):
                self._begin(message, again)
            elif number in self.runs:  # one that could not begin was reported once; what belongs to it is gone
                self._record(self.runs[number], message)
        except Exception as error:
            if invalid(error) or (isinstance(error, UnknownRunError) and not again):
                self._report(error, number)
            else:
                self._put_off(error, number)

    def note_damage(self, lines: int) -> None:
        """Take note of the number of damaged lines of the spool: no run that was open then ends FINISHED."""
        for run in self.runs.values():
            run.lost += lines - self._damaged
        self._damaged = lines

    def flush(self) -> Exception | None:
        """Write what is buffered; return why the store does not take it just now."""
        for number, run in list(self.runs.items()):
            error = run.flush()
            if error is not None and passing(error):
                return error
            if error is not None:
                self._put_off(error, number)
        return None

    def drain(self) -> None:
        """Write what is buffered, or put it off."""
        for number, run in list(self.runs.items()):
            if self.down is None:
                try:
                    run.drain()
                except Exception as error:
                    self._put_off(error, number)

    def end(self, note: str, milliseconds: int, orphaned: bool) -> None:
        """End the open runs that this tracker answers for, KILLED; the others keep their status.

        Args:
            note: Reason.
            milliseconds: Time of the end.
            orphaned: True where the process died, so that another one may go on with a run.
        """
        for number, run in list(self.runs.items()):
            if run.owned and not (orphaned and run.taken_over()):
                self.carry_out({"op": "finish", "run": number, "status": "KILLED", "note": note, "time": milliseconds})
        self.drain()

    def _begin(self, message: Message, again: bool) -> None:
        """Start or resume a run, opening the store if this is the first."""
        client, number = self.open_client(), message["run"]
        if message["op"] == "start":
            info, stored = self._start(client, message, again)
        else:
            info, stored = self._reopen(client, message, again)
        if info is None:
            self.done.add(number)
            return
        owned = message["op"] == "start" or message["reopen"]
        run = Recorder(
            client, info.run_id, info.artifact_uri, owned, self.patience, lambda error: self._report(error, number)
        )
        run.take_up(stored)
        run.process = message.get("process") or message.get("tags", {}).get(tag.PROCESS, "")
        self.runs[number], self._ids[number] = run, info.run_id
        self.tell(run=number, id=info.run_id)
        if message["op"] == "start":
            run.begin(message["params"], message["dataset"])

    def _start(self, client: MlflowClient, message: Message, again: bool) -> tuple[RunInfo | None, Sequence[Metric]]:
        """Return a new run, or the one that this message made before; None where nothing is to be done for it."""
        mark = f"{self.spool} {message['n']}"
        if again and (known := self._made_before(client, mark)):
            run_id, ended = known
            self._ids[message["run"]] = run_id
            self.tell(run=message["run"], id=run_id)
            if ended or _of_another(client, run_id, message["tags"].get(tag.PROCESS, "")):
                return None, ()
            found = client.get_run(run_id)
            return found.info, found.data._metric_objs  # `metrics` has no steps
        return self._create(client, message, mark), ()

    def _made_before(self, client: MlflowClient, mark: str) -> tuple[str, bool] | None:
        """Return the run with a mark, and whether it needs nothing more; None where there is none."""
        for deleted in (False, True):
            for row in matching(client, Wanted(tags={tag.SPOOLED: mark}, deleted=deleted)):
                return row.run_id, deleted or row.status in _FULLY_STORED
        return None

    def _create(self, client: MlflowClient, message: Message, mark: str) -> RunInfo:
        """Create a run in the store; raise TrackingError for a place that MLflow cannot use."""
        name, tags = message["experiment"], {**message["tags"], tag.SPOOLED: mark}
        parent = message["parent"]
        if isinstance(parent, int) and parent in self.stuck:
            raise self.stuck[parent]
        if parent is not None:
            tags[tag.PARENT] = parent if isinstance(parent, str) else self._ids[parent]
        if name not in self._experiments:
            number = self.patience(lambda: experiment_id(client, self.uri, self.artifact_root, name))
            place = client.get_experiment(number).artifact_location
            if problem := usable(place, name):
                raise TrackingError(f"tracking store {shown(self.uri)}: {problem}")
            self._experiments[name] = number
        run = self.patience(
            lambda: client.create_run(self._experiments[name], message["time"], tags, message["name"]),
            repeatable=False,
        )
        info: RunInfo = run.info
        return info

    def _reopen(self, client: MlflowClient, message: Message, again: bool) -> tuple[RunInfo | None, Sequence[Metric]]:
        """Return a run that another process created, RUNNING again if this tracker is to answer for it.

        None where a third process goes on with it meanwhile.
        """
        try:
            run = client.get_run(message["id"])
        except Exception as error:
            if getattr(error, "error_code", "") == "RESOURCE_DOES_NOT_EXIST":
                raise UnknownRunError(
                    f"tracking store {shown(self.uri)}: run {message['id']} is not found there."
                ) from error
            raise
        info: RunInfo = run.info
        if message["reopen"]:
            if again and _of_another(client, info.run_id, message["process"], run.data.tags.get(tag.PROCESS, "")):
                return None, ()
            self.patience(lambda: client.set_tag(info.run_id, tag.PROCESS, message["process"]))
            self.patience(lambda: client.update_run(info.run_id, status="RUNNING"))
        return info, run.data._metric_objs

    def _discard(self, folders: Sequence[str]) -> None:
        """Remove what nobody needs once all is stored; what a lost run could go on from stays."""
        self.drain()
        if not self.lost and self.behind is None:
            remove(path for path in map(Path, folders) if path.parts[-4:-2] == _CHECKPOINTS)

    def _record(self, run: Recorder, message: Message) -> None:
        """One message that belongs to an open run."""
        match message["op"]:
            case "log":
                run.log(message["step"], message["time"], message["values"])
            case "tag":
                run.tag(message["key"], message["value"])
            case "artifact":
                size = len(message["content"].get("base64", ""))
                self.tell(busy=size / 1e6)  # a second for a megabyte, however slow the store
                run.artifact(message["name"], message["content"])
            case "finish":
                run.finish(message["status"], message["note"], message["time"])
                del self.runs[message["run"]]
                self.done.add(message["run"])

    def _put_off(self, error: Exception, number: int | None) -> None:
        """Leave a run to a later delivery, or everything where the store as a whole takes nothing."""
        if number is None or passing(error):
            self.down = error
            self.tell(down=error)
        else:
            self.stuck[number] = error
            self.runs.pop(number, None)
            self.tell(run=number, refused=error)

    def _report(self, error: Exception, number: int | None) -> None:
        self.lost = True
        self.tell(run=number, error=error)


def _of_another(client: MlflowClient, run_id: str, process: str, owner: str | None = None) -> bool:
    """Return whether a process that may be alive goes on with a run.

    Args:
        client: An open MLflow client.
        run_id: Id of the run.
        process: Process that recorded what is to be delivered.
        owner: Process that the store names; asked for where it is not known.
    """
    if owner is None:
        owner = client.get_run(run_id).data.tags.get(tag.PROCESS, "")
    known = processes.read(owner)
    return bool(process) and owner != process and known is not None and not processes.dead(known)
