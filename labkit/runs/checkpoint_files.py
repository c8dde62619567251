"""The files of checkpoints: `mlruns/checkpoints/<training>/<owner>/<number>`, each whole or not there at all.

A training is named by what it computes, so the same command finds it again. The folder of its owner is named for the
process that trains; a folder is taken over by renaming it, which only one process can do.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from labkit import process as processes
from labkit.engine.checkpoint import CheckpointError, decode, encode
from labkit.process import Process

_numbers = count()
_KEPT = 2  # newest files of a training
_FREE = "free"  # begins the name of a folder that its owner has left


class Stored(NamedTuple):
    """A checkpoint as it was read.

    Attributes:
        facts: What is said of the training.
        state: State to go on from.
    """

    facts: dict[str, Any]
    state: dict[str, Any]


def folder(root: Path) -> Path:
    """Return the folder of all checkpoints.

    Args:
        root: Key `paths.root`.
    """
    return root / "mlruns" / "checkpoints"


def write(owned: Path, facts: dict[str, Any], state: dict[str, Any]) -> None:
    """Write the next checkpoint of a training and remove all but the last two; raise OSError, all as it was.

    Args:
        owned: Folder of the training's owner.
        facts: What is said of the training.
        state: State to go on from.
    """
    owned.mkdir(parents=True, exist_ok=True)
    known = _files(owned)
    number = int(known[-1].name) + 1 if known else 1
    draft = owned / "draft"
    try:
        with open(draft, "wb") as file:
            file.write(encode(facts, state))
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, owned / f"{number:06}")
    except OSError:
        with suppress(OSError):
            draft.unlink()
        raise
    _sync(owned)
    for old in known[: -(_KEPT - 1)]:
        old.unlink(missing_ok=True)


def newest(owned: Path, damaged: list[str]) -> Stored | None:
    """Return the newest checkpoint of a folder that is whole; None where there is none.

    Args:
        owned: Folder of one owner.
        damaged: Gets a sentence for every file that is not whole.
    """
    for file in reversed(_files(owned)):
        try:
            facts, state = decode(file.read_bytes())
            return Stored(facts, state)
        except (CheckpointError, OSError) as error:
            damaged.append(f"checkpoint {file}: {error}; the one before it counts.")
    return None


def newest_facts(owned: Path) -> dict[str, Any] | None:
    """Return what the newest checkpoint of a folder says of its training, unchecked; None where nothing is readable."""
    for file in reversed(_files(owned)):
        with suppress(OSError, ValueError, KeyError), open(file, "rb") as content:
            content.readline()
            return dict(json.loads(content.readline())["facts"])
    return None


def of_job(training: Path, fact: str, value: str) -> list[Path]:
    """Return the folders of a training whose checkpoints say `value` for a fact; none for an empty value."""
    found = [(owned, newest_facts(owned)) for owned in _folders(training)] if value else []
    return [owned for owned, facts in found if facts is not None and facts.get(fact) == value]


def claim(training: Path, owned: Path, also: Sequence[Path] = ()) -> bool:
    """Take over a training that its owner left, the one written last; return whether there was one.

    Args:
        training: Folder of the training.
        owned: Folder of the new owner in it, which is made.
        also: Folders whose owner is known to have ended.
    """
    newest_first = sorted(_folders(training), key=_written, reverse=True)
    left = (found for found in newest_first if _files(found) and (found in also or is_left(found)))
    return any(take(found, owned) for found in left)


def take(found: Path, owned: Path) -> bool:
    """Make the folder of one owner that of another; return whether nobody else did so before."""
    try:
        found.rename(owned)
    except OSError:
        return False
    return True


def release(owned: Path) -> Path:
    """Leave a training to whoever comes, on whichever machine; return where its checkpoints are now."""
    left = owned.with_name(f"{_FREE}+{owned.name}")
    return left if not owned.name.startswith(_FREE) and take(owned, left) else owned


def superfluous(training: Path, owned: Path) -> list[Path]:
    """Return what nobody needs when a training is done: its checkpoints, and what earlier tries of the same left."""
    return [found for found in _folders(training) if found == owned or is_left(found)]


def own_name() -> str:
    """Return a name for another folder that this process owns: its own, and a number."""
    return f"{processes.own()} {next(_numbers)}".replace(" ", "+").replace(os.sep, "_")


def is_left(owned: Path) -> bool:
    """Return whether nobody owns a folder any more: it was left, or its owner is known to have ended."""
    if owned.name.startswith(_FREE + "+"):
        return True
    owner = _owner(owned)
    return owner is not None and processes.dead(owner)


def _owner(owned: Path) -> Process | None:
    return processes.read(owned.name.rpartition("+")[0].replace("+", " "))


def is_alive_here(owned: Path) -> bool:
    """Return whether the owner of a folder is a process of this machine that has not ended."""
    owner = _owner(owned)
    return owner is not None and not processes.dead(owner) and owner.host == processes.own().host


def all_folders(root: Path) -> list[Path]:
    """Return the folders of all owners of all trainings, the one written last first."""
    found = [owned for training in _folders(folder(root)) for owned in _folders(training) if _files(owned)]
    return sorted(found, key=_written, reverse=True)


def _folders(place: Path) -> list[Path]:
    try:
        return sorted(entry for entry in place.iterdir() if entry.is_dir())
    except OSError:
        return []


def _files(owned: Path) -> list[Path]:
    """Return the checkpoints of a folder, oldest first."""
    try:
        return sorted(entry for entry in owned.iterdir() if entry.name.isdecimal())
    except OSError:
        return []


def _written(owned: Path) -> float:
    """Return when the newest checkpoint of a folder was written, in seconds since 1970; 0 for an empty one."""
    return max(_times(owned), default=0.0)


def _times(owned: Path) -> Iterator[float]:
    for file in _files(owned):
        with suppress(OSError):
            yield file.stat().st_mtime


def _sync(place: Path) -> None:
    """Have the names in a folder reach the disk, where the system can do that for a folder."""
    with suppress(OSError):
        descriptor = os.open(place, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
