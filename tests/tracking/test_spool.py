"""The file between trainer and writer: whole lines or none, damage is seen, and nobody delivers it twice."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from labkit import process
from labkit.tracking import spool
from labkit.tracking.spool import Spool, SpoolReader, left_spools, spool_folder

Opener = Callable[[Path], SpoolReader]
VALUES: dict[str, Any] = {"op": "log", "run": 0, "values": {"a": 1.0}}


@pytest.fixture
def opened() -> Iterator[Callable[[Path], SpoolReader]]:
    """Opens a spool to read it, until the end of the test."""
    with ExitStack() as stack:
        yield lambda path: stack.enter_context(closing(SpoolReader(path)))


def numbers(reader: SpoolReader) -> list[int]:
    """The numbers of the messages that were not read yet."""
    return [message["n"] for message in reader.read()]


def test_a_spool_lies_beside_the_artifacts() -> None:
    assert spool_folder("/x/mlruns/artifacts") == Path("/x/mlruns/spool")


def test_what_is_appended_is_read_once_and_again_from_the_beginning(tmp_path: Path, opened: Opener) -> None:
    written = Spool(tmp_path / "spool", "sqlite:///x")
    assert not (tmp_path / "spool").exists(), "there is nothing to keep yet"
    assert written.add(VALUES)
    reader = opened(written.path)
    assert (reader.owner, list(reader.read())) == (("sqlite:///x", str(process.own())), [{"n": 1, **VALUES}])
    written.add(VALUES)
    written.add({"op": "tag", "run": 0, "key": "ä", "value": "line\nbreak"})
    assert [numbers(reader), numbers(reader)] == [[2, 3], []]
    reader.begin_anew()
    assert numbers(reader) == [1, 2, 3]


def test_a_line_that_is_being_written_is_not_read_yet(tmp_path: Path, opened: Opener) -> None:
    """Neither is the one that a killed process leaves torn."""
    written = Spool(tmp_path, "s")
    written.add(VALUES)
    written.add(VALUES)
    whole = written.path.read_bytes()
    end = whole.index(b"\n", whole.index(b"\n") + 1) + 1
    for cut in range(end, len(whole)):
        written.path.write_bytes(whole[:cut])
        reader = opened(written.path)
        assert numbers(reader) == [1]
        written.path.write_bytes(whole)
        assert (numbers(reader), reader.damaged) == ([2], 0)


def test_a_damaged_line_is_left_out_and_counted(tmp_path: Path, opened: Opener) -> None:
    written = Spool(tmp_path, "s")
    for _ in range(3):
        written.add(VALUES)
    content = bytearray(written.path.read_bytes())
    content[content.index(b'"n": 2') + 5] ^= 1
    written.path.write_bytes(content)
    reader = opened(written.path)
    assert (numbers(reader), reader.damaged) == ([1, 3], 1)


def test_a_full_disk_keeps_the_order_and_tears_no_line(
    tmp_path: Path, opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the disk refuses waits, and goes before the next message; half a line is taken back."""
    written = Spool(tmp_path, "s")
    written.add(VALUES)
    size = written.path.stat().st_size

    def full(file: int, line: bytes) -> int:
        if len(line) < 10:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(file, line[:-5])

    write = os.write
    monkeypatch.setattr(spool.os, "write", full)
    assert not written.add(VALUES)
    assert not written.add(VALUES)
    assert (written.trouble, written.path.stat().st_size) == ("No space left on device", size)
    assert [message["n"] for message in written.waiting()] == [2, 3]
    monkeypatch.setattr(spool.os, "write", write)
    assert written.add(VALUES)
    assert numbers(opened(written.path)) == [1, 2, 3, 4]


def test_a_disk_that_stays_full_is_no_end_where_there_is_another(
    tmp_path: Path, opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole spool moves to the user's cache, also what the disk had taken."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    written = Spool(tmp_path / "full", "s")
    written.add(VALUES)
    written.add(VALUES)
    first = written.path

    def append(file: int, line: bytes) -> None:
        if first.exists() and os.path.samestat(os.fstat(file), first.stat()):
            raise OSError(errno.ENOSPC, "No space left on device")
        really(file, line)

    really = spool._append
    monkeypatch.setattr(spool, "_append", append)
    assert not written.add(VALUES)
    assert written.close(delivered=False)
    assert left_spools(tmp_path / "cache" / "labkit" / "spool") == [written.path]
    reader = opened(written.path)
    assert (numbers(reader), reader.damaged, first.exists()) == ([1, 2, 3], 0, False)


def test_where_no_disk_takes_it_that_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "spool"))
    (tmp_path / "spool").write_text("a file in the way")
    written = Spool(tmp_path / "spool", "s")
    assert not written.add({"op": "start", "run": 0})
    assert written.close(delivered=False), "nothing was computed yet"
    written = Spool(tmp_path / "spool", "s")
    assert not written.add(VALUES)
    assert not written.close(delivered=False)
    assert written.trouble == "File exists"


@pytest.mark.parametrize(
    ("message", "delivered", "kept"), [(VALUES, True, 0), (VALUES, False, 1), ({"op": "start", "run": 0}, False, 0)]
)
def test_only_values_that_the_store_lacks_are_kept(
    tmp_path: Path, message: dict[str, Any], delivered: bool, kept: int
) -> None:
    written = Spool(tmp_path / "spool", "s")
    written.add(message)
    assert left_spools(tmp_path / "spool") == [], "its process lives"
    assert written.close(delivered)
    assert len(left_spools(tmp_path / "spool")) == kept
    assert (tmp_path / "spool").exists() == bool(kept)


def test_a_folder_that_was_moved_takes_its_spool_along(tmp_path: Path) -> None:
    written = Spool(tmp_path / "here" / "spool", "s")
    written.add(VALUES)
    (tmp_path / "here").rename(tmp_path / "there")
    assert written.close(delivered=False)
    assert left_spools(tmp_path / "there" / "spool") == [written.path]


def test_a_dead_process_leaves_its_spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = process.own()
    with monkeypatch.context() as patch:
        patch.setattr(spool.processes, "own", lambda: replace(own, begun="1"))
        dead = Spool(tmp_path, "s")
    living = Spool(tmp_path, "s")
    dead.add(VALUES)
    living.add(VALUES)
    assert left_spools(tmp_path) == [dead.path]


def test_one_process_delivers_it_alone(tmp_path: Path, opened: Opener) -> None:
    written = Spool(tmp_path, "s")
    written.add(VALUES)
    first, second = opened(written.path), opened(written.path)
    with first.alone() as alone, second.alone() as other:
        assert (alone, other) == (True, False)
    with second.alone() as other:
        assert other
