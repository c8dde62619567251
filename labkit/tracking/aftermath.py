"""What dead processes and closed trackers left behind: their spools are delivered, then their runs are ended."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from labkit import process
from labkit.tracking import tag
from labkit.tracking.delivery import Delivery
from labkit.tracking.open_queries import matching
from labkit.tracking.queries import Wanted
from labkit.tracking.recorder import Patience
from labkit.tracking.run import now
from labkit.tracking.spool import Owner, SpoolReader, left_spools, refuge, remove, spool_folder
from labkit.tracking.store import say, sentence, shown, sqlite_file

if TYPE_CHECKING:
    from mlflow import MlflowClient

DIED = "The training process ended without a word: it was killed or crashed."


class Left(NamedTuple):
    """A spool that somebody left, after a try to deliver it.

    Attributes:
        path: The file; removed where the store has all of it.
        runs: Number of its runs that are stored to their end.
        reason: Why the store lacks something of it; empty where it lacks nothing.
    """

    path: Path
    runs: int
    reason: str


def nothing_there(uri: str, artifact_root: str | Path) -> bool:
    """Return whether a store has nothing to read: a SQLite file that does not exist, with no spool to make it from."""
    file = sqlite_file(uri)
    return file is not None and not file.exists() and not left_spools(spool_folder(artifact_root))


def take_care(
    client: MlflowClient,
    uri: str,
    artifact_root: str | Path,
    tell: Callable[[str], None] = say,
    beat: Callable[[], None] = lambda: None,
) -> list[Left]:
    """Deliver the spools that were left for a store and end the runs of dead processes; whatever opens it does so.

    Args:
        client: An open MLflow client.
        uri: Address of the store.
        artifact_root: Folder for artifacts, which lies beside that of the spools.
        tell: Receiver of sentences.
        beat: Called after each message, for whoever must give signs of life.
    """
    found = []
    for path in [*(left_spools(spool_folder(artifact_root)) if artifact_root else ()), *left_spools(refuge())]:
        try:
            left = _deliver(client, (uri, str(artifact_root)), path, beat)
        except OSError as error:  # another process may have delivered it meanwhile
            if not path.exists():
                continue
            left = Left(path, 0, f"{error.strerror or error}.")
        if left is not None:
            found.append(left)
            tell(_told(left))
    _end_orphans(client)
    return found


def _told(left: Left) -> str:
    runs = f"{left.runs} run{'' if left.runs == 1 else 's'}"
    if not left.reason:
        return f"what an earlier command could not store is in the store now: {runs}."
    return f"what an earlier command left in {left.path} is not in the store yet: {left.reason}"


def _deliver(client: MlflowClient, store: tuple[str, str], path: Path, beat: Callable[[], None]) -> Left | None:
    """Deliver one spool, unless it is another store's or under way elsewhere."""
    uri = store[0]
    with closing(SpoolReader(path)) as reader:
        if reader.owner is None:
            return Left(path, 0, "its first line is damaged; nothing says whose it is.")
        if not _belongs(reader.owner, uri, path.parent == refuge()):
            return None
        with reader.alone() as alone:
            if not alone:
                return None
            said: list[Exception] = []
            delivery = Delivery(
                store,
                path.name.removeprefix("left-"),
                lambda: client,
                Patience(0),
                lambda **told: said.append(told["error"]) if "error" in told else None,
            )
            for message in reader.read():
                delivery.note_damage(reader.damaged)
                delivery.carry_out(message, again=True)
                beat()
            delivery.end(DIED, now(), orphaned=True)
            reason = sentence(uri, delivery.behind) if delivery.behind else ""
            if not reason and (reader.damaged or said):
                say(_losses(path, reader.damaged, [sentence(uri, error) for error in said]))
            if not reason:
                remove(path)
            return Left(path, len(delivery.done), reason)


def _losses(path: Path, damaged: int, refused: list[str]) -> str:
    parts = [f"{damaged} damaged line{'' if damaged == 1 else 's'}"] if damaged else []
    parts += [f"what the store refused ({refused[0].rstrip('.')})"] if refused else []
    return f"lost from {path}: {', '.join(parts)}."


def _belongs(owner: Owner, uri: str, apart: bool) -> bool:
    """Return whether a spool is that of a store; a SQLite file may have moved with its folder, and its spools too.

    Args:
        owner: What the spool says.
        uri: Address of the store.
        apart: True where the spool lies elsewhere, so that the whole address counts.
    """
    here, there = sqlite_file(uri), sqlite_file(owner.store)
    if here is not None and there is not None and not apart:
        return here.name == there.name
    return owner.store == shown(uri)


def _end_orphans(client: MlflowClient) -> None:
    """End the runs that a dead process of this machine left RUNNING: KILLED.

    A store that cannot be written is as good for reading; the next command tries again.
    """
    with suppress(Exception):
        for row in matching(client, Wanted(status="RUNNING")):
            owner = process.read(row.process)
            if owner is not None and process.dead(owner):
                for key in (tag.NOTE, tag.SHOWN_NOTE):
                    client.set_tag(row.run_id, key, DIED)
                client.set_terminated(row.run_id, "KILLED")
