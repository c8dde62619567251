"""Where a search lives: locations, torn journals, storages that cannot be reached, and who holds a study.

It also covers holder.py and storage.py.
"""

from __future__ import annotations

import fcntl
import os
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import optuna
import pytest

from labkit.config import ConfigError
from labkit.search import holder, storage


def test_locations(tmp_path: Path) -> None:
    assert storage.location(None, "kth/lambda", tmp_path) == str(tmp_path / "kth_lambda.log")
    assert storage.location("journal", "../a b", tmp_path) == str(tmp_path / "_a_b.log")
    assert storage.location(f"{tmp_path}/own.log", "a", tmp_path) == f"{tmp_path}/own.log"
    for url in ("postgresql+psycopg://u:p@host/name", "sqlite:///a.db", "grpc://host:13000"):
        assert storage.location(url, "a", tmp_path) == url
    with pytest.raises(ConfigError, match=r"expected 'journal' or a URL, got 'jurnal', did you mean 'journal'\?"):
        storage.location("jurnal", "a", tmp_path)
    with pytest.raises(ConfigError) as raised:
        storage.location("postgres://me:secret@host/x", "a", tmp_path)
    assert "postgres://me:***@host/x" in str(raised.value)
    assert "secret" not in str(raised.value)


def begun(folder: Path, name: str = "s") -> tuple[str, Any]:
    place = storage.location("journal", "torn", folder)
    study = optuna.create_study(study_name=name, storage=storage.open_storage(place))
    study.ask()
    return place, study


@pytest.mark.parametrize("torn", [b'{"op_code":5,"worker', b"x" * 200_000, b"\0" * 10])
def test_a_torn_last_line_is_cut_off(tmp_path: Path, torn: bytes) -> None:
    place, _ = begun(tmp_path)
    whole = Path(place).read_bytes()
    Path(place).write_bytes(whole + torn)
    study = optuna.load_study(study_name="s", storage=storage.open_storage(place))
    assert Path(place).read_bytes() == whole
    study.tell(0, 1.0)
    assert optuna.load_study(study_name="s", storage=storage.open_storage(place)).best_value == 1.0


def test_a_journal_that_is_torn_at_its_first_line_is_empty(tmp_path: Path) -> None:
    place = storage.location("journal", "torn", tmp_path)
    Path(place).write_bytes(b'{"op_code":0')
    assert optuna.get_all_study_names(storage.open_storage(place)) == []


def test_a_journal_that_is_none_is_refused(tmp_path: Path) -> None:
    place = storage.location("journal", "torn", tmp_path)
    Path(place).write_text("hello\nworld\n")
    with pytest.raises(ConfigError, match=r"torn.log cannot be reached"):
        storage.open_storage(place)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("sqlite:////nowhere/at/all.db", "cannot be reached: .*unable to open database file"),
        ("postgresql+nodriver://me:secret@localhost:9/x", "cannot be reached|needs the package"),
        ("grpc://localhost:9", "cannot be reached|needs the package 'grpc"),
    ],
)
def test_a_storage_that_cannot_be_reached_is_named(tmp_path: Path, url: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as raised:
        storage.open_storage(url)
    assert storage.hidden(url) in str(raised.value)
    assert "secret" not in str(raised.value)


def test_a_lock_of_the_journal_ends_with_its_process(tmp_path: Path) -> None:
    place, study = begun(tmp_path)
    script = f"import fcntl, time; f = open({place + '.lock'!r}, 'a'); fcntl.flock(f, 2); print(flush=True); "
    killed = subprocess.Popen([sys.executable, "-c", script + "time.sleep(60)"], stdout=subprocess.PIPE)
    assert killed.stdout is not None
    killed.stdout.readline()
    killed.kill()
    killed.wait()
    killed.stdout.close()
    start = time.monotonic()
    study.tell(0, 1.0)
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("kind", ["journal", "sqlite"])
def test_a_second_holder_is_told_who_holds_it(tmp_path: Path, kind: str) -> None:
    where = kind if kind == "journal" else f"sqlite:///{tmp_path}/s.db"
    with storage.hold(where, "kth/lambda", tmp_path):
        script = (
            "import sys; from pathlib import Path; from labkit.search.storage import hold\n"
            f"with hold({where!r}, 'kth/lambda', Path({str(tmp_path)!r})): pass"
        )
        second = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
        assert second.returncode == 1
        said = second.stderr.splitlines()[-1]
        assert f"study 'kth/lambda' is held by process {os.getpid()} on {socket.gethostname()} (" in said
        assert re.search(r"since \d{4}-\d\d-\d\d .* UTC; wait for it, or give this search a name", said)
        with storage.hold(where, "kth/lr", tmp_path):
            pass
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0
    assert not list(tmp_path.glob("*.lock-of-search"))


def test_of_many_that_come_at_once_one_holds_it(tmp_path: Path) -> None:
    inside: list[int] = []
    most: list[int] = []

    def come(number: int) -> None:
        for _ in range(40):
            try:
                with storage.hold("journal", "a", tmp_path):
                    inside.append(number)
                    most.append(len(inside))
                    inside.remove(number)
            except ConfigError:
                time.sleep(0.0005)

    threads = [threading.Thread(target=come, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1


def test_a_lock_file_that_was_removed_meanwhile_holds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between our opening the file and locking it its holder removed it, and another process made it anew."""
    file = tmp_path / "a.log.lock-of-search"
    others: list[int] = []
    flock = fcntl.flock

    def flock_of_the_slow(lock: int, how: int) -> None:
        if not others:
            file.unlink()
            others.append(os.open(file, os.O_CREAT | os.O_RDWR))
            flock(others[0], fcntl.LOCK_EX)
        flock(lock, how)

    monkeypatch.setattr(holder.fcntl, "flock", flock_of_the_slow)
    with pytest.raises(ConfigError, match="study 'a' is held by another process"), storage.hold(None, "a", tmp_path):
        pass
    os.close(others[0])


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(ConfigError, match="file/studies cannot be written to: Not a directory"),
        storage.hold(None, "a", tmp_path / "file" / "studies"),
    ):
        pass


class TestOnAServer:
    """Where there is no file: SQLite stands for a server, which Optuna does not tell from it."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Any:
        return storage.open_storage(f"sqlite:///{tmp_path}/server.db")

    def test_a_second_holder_is_told_who_holds_it(self, store: Any) -> None:
        with (
            holder.on_server(store, "a"),
            pytest.raises(ConfigError, match=f"study 'a' is held by process {os.getpid()} on"),
            holder.on_server(store, "a"),
        ):
            pass
        with holder.on_server(store, "a"):
            pass

    @pytest.mark.parametrize(
        "change",
        [{"process": 2**22 + 1}, {"begun": "1"}, {"beat": time.time() - 3600, "host": "elsewhere"}, None],
        ids=["no process", "another process of this number", "no heartbeat", "nothing was said"],
    )
    def test_a_dead_holder_is_succeeded(self, store: Any, change: dict[str, Any] | None) -> None:
        record = optuna.create_study(study_name="a/held/1", storage=store)
        if change is not None:
            record.set_user_attr("holder", {**holder.myself(), "beat": time.time(), **change})
        with holder.on_server(store, "a"):
            assert optuna.get_all_study_names(store) == ["a/held/2"]

    def test_a_holder_elsewhere_that_lives_is_left_alone(self, store: Any) -> None:
        record = optuna.create_study(study_name="a/held/1", storage=store)
        record.set_user_attr("holder", {**holder.myself(), "beat": time.time() - 60, "host": "elsewhere"})
        with pytest.raises(ConfigError, match="on elsewhere"), holder.on_server(store, "a"):
            pass

    def test_its_heart_beats(self, store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(holder, "BEAT_SECONDS", 0.05)
        with holder.on_server(store, "a"):
            record = optuna.load_study(study_name="a/held/1", storage=store)
            first = record.user_attrs["holder"]["beat"]
            deadline = time.monotonic() + 5
            while record.user_attrs["holder"]["beat"] == first and time.monotonic() < deadline:
                time.sleep(0.02)
            assert record.user_attrs["holder"]["beat"] > first
