"""What was measured of this machine once: two JSON files, the user's own and one in the store."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from labkit.cache import cache_folder
from labkit.config import ConfigError
from labkit.tracking.lock import locked_file

_NAME = "executions.json"
_VERSION = 1  # of the file; what another version holds is measured again
_unwritten: dict[str, Any] = {}  # what this process measured and could write nowhere
T = TypeVar("T")


def remembered(
    keys: Sequence[str], root: Path, read: Callable[[Any], T], measure: Callable[[], tuple[T, str, dict[str, Any]]]
) -> T:
    """Return what is remembered under the first key that is known; else measure it and remember that.

    Only one process measures at a time: two at once would slow each other down and might find different things.

    Args:
        keys: Names of the value: the processor, the version of torch, the shape of the work.
        root: Key `paths.root`; a store that is there already remembers, too.
        read: Function from an entry to the value; where it raises, the entry counts as damaged.
        measure: Function that returns the value, its key and its entry.
    """
    files = [root / "mlruns" / _NAME, cache_folder() / _NAME]
    found = _found(files, keys, read)
    if found is not None:
        return found
    with _only_process(files[-1]):
        found = _found(files, keys, read)
        if found is not None:
            return found
        value, key, entry = measure()
        written = [_write(file, key, entry) for file in files]
        if not any(written):
            _unwritten[key] = entry
    return value


def _found(files: Sequence[Path], keys: Sequence[str], read: Callable[[Any], T]) -> T | None:
    for key in keys:
        for place, entries in (*((file, _entries(file)) for file in files), ("memory", _unwritten)):
            if (entry := entries.get(key)) is not None:
                try:
                    return read(entry)
                except (KeyError, TypeError, ValueError, AttributeError, ConfigError):
                    _say(f"{place}: an entry cannot be read and is measured again.")
    return None


def _entries(file: Path) -> dict[str, Any]:
    """Return the entries of a file by key; none where it is not there, damaged, or of another version."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        entries = content["entries"] if content["version"] == _VERSION else {}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError):
        _say(f"{file}: the file cannot be read; what it held is measured again.")
        return {}
    return entries if isinstance(entries, dict) else {}


def _write(file: Path, key: str, entry: dict[str, Any]) -> bool:
    """Add an entry to a file whose folder is there already; return whether that was possible."""
    if not file.parent.is_dir():
        return False
    content = {"version": _VERSION, "entries": {**_entries(file), key: entry}}
    whole = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        whole.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        whole.replace(file)  # at once, so that nobody reads half a file
        return True
    except OSError:
        with suppress(OSError):
            whole.unlink()
        return False


@contextmanager
def _only_process(file: Path) -> Iterator[None]:
    """Hold the file's lock, where the folder can be written to and its file system has locks."""
    with ExitStack() as held:
        with suppress(OSError):
            held.enter_context(locked_file(file))
        yield


@cache
def _say(sentence: str) -> None:
    print(f"labkit: {sentence}", file=sys.stderr)
