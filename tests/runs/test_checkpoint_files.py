"""Files of checkpoints: two are kept, damage is noticed, and one process at a time owns them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from labkit import process as processes
from labkit.process import Process
from labkit.runs import checkpoint_files
from labkit.runs.checkpoint_files import (
    all_folders,
    claim,
    folder,
    is_alive_here,
    is_left,
    newest,
    newest_facts,
    of_job,
    own_name,
    release,
    superfluous,
    write,
)


@pytest.fixture
def training(tmp_path: Path) -> Path:
    """The folder of a training."""
    return folder(tmp_path) / "f00d"


def name_of(process: Process) -> str:
    return f"{process} 0".replace(" ", "+")


@pytest.fixture
def dead(training: Path) -> Path:
    """A folder whose owner has ended."""
    own = processes.own()
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    return training / name_of(Process(own.host, own.boot, own.namespace, ended.pid, "1"))


def state_of(owned: Path) -> Any:
    found = newest(owned, [])
    return None if found is None else found.state


def test_the_last_two_are_kept(training: Path) -> None:
    owned = training / own_name()
    for number in range(5):
        write(owned, {"number": number}, {"step": number})
    assert sorted(file.name for file in owned.iterdir()) == ["000004", "000005"]
    assert (state_of(owned), newest_facts(owned)) == ({"step": 4}, {"number": 4})


def test_a_damaged_one_gives_way_to_the_one_before(training: Path) -> None:
    owned = training / own_name()
    for number in range(2):
        write(owned, {}, {"step": number})
    (owned / "000002").write_bytes((owned / "000002").read_bytes()[:-1])
    damaged: list[str] = []
    found = newest(owned, damaged)
    assert found is not None
    assert found.state == {"step": 0}
    assert len(damaged) == 1
    assert "000002: its content does not have the SHA-256" in damaged[0]
    (owned / "000001").write_bytes(b"")
    assert newest(owned, []) is None


def test_a_full_disk_leaves_what_was_there(training: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owned = training / own_name()
    write(owned, {}, {"step": 1})

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write(owned, {}, {"step": 2})
    assert [file.name for file in owned.iterdir()] == ["000001"]
    assert state_of(owned) == {"step": 1}


def test_only_what_its_owner_left_is_taken_over(training: Path, dead: Path) -> None:
    own = training / own_name()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as running:
        here = processes.own()
        begun = processes._begun(running.pid)
        alive = training / name_of(Process(here.host, here.boot, here.namespace, running.pid, begun))
        elsewhere = training / name_of(Process("another-host", "b007", "1", 1, "1"))
        write(alive, {"job": "7"}, {"step": 1})
        write(elsewhere, {"job": "8"}, {"step": 2})
        assert not claim(training, own)
        assert is_alive_here(alive)
        assert not is_alive_here(elsewhere)
        write(dead, {}, {"step": 3})
        assert is_left(dead)
        assert claim(training, own)
        assert state_of(own) == {"step": 3}
        assert not dead.exists()
        write(dead, {}, {"step": 0})
        assert {*superfluous(training, own)} == {own, dead}
        shutil.rmtree(own)
        shutil.rmtree(dead)
        assert of_job(training, "job", "8") == [elsewhere]
        assert of_job(training, "job", "") == []
        assert claim(training, own, [elsewhere]), "a job that was put back in its queue knows that it has ended"
        running.communicate(b"\n")


def test_what_is_released_is_anybodys(training: Path) -> None:
    owned = training / own_name()
    write(owned, {}, {"step": 1})
    released = release(owned)
    (left,) = all_folders(training.parents[2])
    assert left == released == release(released)
    assert is_left(left)
    assert not is_alive_here(left)
    assert claim(training, owned)
    assert state_of(owned) == {"step": 1}
    assert not claim(training, training / own_name()), "its owner lives, which may be training something else now"
    assert release(training / "none") == training / "none"


def test_the_newest_comes_first(tmp_path: Path, training: Path, dead: Path) -> None:
    assert all_folders(tmp_path) == []
    other = training.with_name("beef") / dead.name
    write(dead, {}, {})
    write(other, {}, {})
    os.utime(dead / "000001", (1, 1))
    assert all_folders(tmp_path) == [other, dead]
    os.utime(other / "000001", (0, 0))
    assert all_folders(tmp_path) == [dead, other]
    (other / "000001").unlink()
    assert all_folders(tmp_path) == [dead], "an empty folder has nothing to go on from"
    (training / "odd name").mkdir()
    assert not is_left(training / "odd name"), "not ours"
    assert checkpoint_files.newest_facts(other) is None
