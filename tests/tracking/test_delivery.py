"""What a spool holds gets into a real store once, wherever the delivery broke off before and whoever goes on with it.

It also covers aftermath.py.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from labkit import process
from labkit.tracking import tag
from labkit.tracking.aftermath import DIED, take_care
from labkit.tracking.delivery import Delivery
from labkit.tracking.recorder import Patience
from labkit.tracking.spool import Spool, SpoolReader, spool_folder
from labkit.tracking.store import TrackingError, default_store, open_store, shown

DEAD = replace(process.own(), begun="1")
ALIVE_ELSEWHERE = str(replace(process.own(), host="another", boot="b007"))


def told(ending: bool = True) -> list[dict[str, Any]]:
    """What a tracker says of a parent and a child: evaluations, a tag, a file, their ends."""
    start = {"op": "start", "params": {"lr": "0.1"}, "tags": {tag.PROCESS: str(DEAD)}, "dataset": None}
    start |= {"experiment": "kth", "parent": None, "time": 1000}
    facts = {"name": "digits", "digest": "abc", "source": "embedded"}
    child = [
        {**start, "run": 1, "name": "child", "parent": 0, "time": 1001, "dataset": facts},
        *({"op": "log", "step": k, "time": 2000 + k, "values": {"a": k / 2, "b": 1.0}} for k in range(5)),
        {"op": "tag", "key": "note", "value": "ä"},
        {"op": "artifact", "name": "figures/x.txt", "content": {"text": "x"}},
    ]
    said = [{**start, "run": 0, "name": "parent"}, *({"run": 1, **message} for message in child)]
    if ending:
        said += [{"op": "finish", "run": k, "status": "FINISHED", "note": "", "time": 3000} for k in (1, 0)]
    return said


def spooled(store: tuple[str, Path], messages: list[dict[str, Any]]) -> Path:
    """A spool that a dead process left."""
    written = Spool(spool_folder(store[1]), shown(store[0]))
    written._head["process"] = str(DEAD)
    for message in messages:
        written.add(message)
    return written.path


def messages(path: Path) -> list[dict[str, Any]]:
    """All messages of a spool."""
    with closing(SpoolReader(path)) as reader:
        return list(reader.read())


def content(store: tuple[str, Path]) -> dict[str, Any]:
    """All that the store has of each run, by name."""
    with closing(sqlite3.connect(store[0].removeprefix("sqlite:///"))) as database:
        runs = database.execute("select name, run_uuid, status, start_time, end_time from runs").fetchall()
        rows = {
            name: database.execute("select key, step, value, timestamp from metrics where run_uuid = ?", (run,))
            .fetchall() for name, run, *_ in runs
        }  # fmt: skip
        params = database.execute("select count(*) from params").fetchone()
        inputs = database.execute("select count(*) from inputs").fetchone()
    files = sorted(str(path.relative_to(store[1]).parts[-2:]) for path in Path(store[1]).rglob("*.txt"))
    return {
        "runs": [(name, *rest) for name, _, *rest in runs],
        "rows": rows,
        "counts": (params, inputs),
        "files": files,
    }


@pytest.fixture
def store(tmp_path: Path) -> tuple[str, Path]:
    return default_store(tmp_path)


@pytest.fixture
def opened(store: tuple[str, Path]) -> Any:
    return open_store(*store)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one delivery without trouble leaves."""
    store = default_store(tmp_path_factory.mktemp("expected"))
    client = open_store(*store)
    spooled(store, told())
    take_care(client, *store, tell=lambda line: None)
    return content(store)


def test_what_was_left_is_stored_once(store: tuple[str, Path], opened: Any, expected: dict[str, Any]) -> None:
    path = spooled(store, told())
    said: list[str] = []
    (left,) = take_care(opened, *store, tell=said.append)
    assert (left.path, left.runs, left.reason) == (path, 2, "")
    assert said == ["what an earlier command could not store is in the store now: 2 runs."]
    assert not path.parent.exists()
    assert content(store) == expected
    assert [row[:2] for row in expected["runs"]] == [("parent", "FINISHED"), ("child", "FINISHED")]
    assert expected["rows"]["child"] == [
        (key, k, value, 2000 + k) for k in range(5) for key, value in (("a", k / 2), ("b", 1.0))
    ]
    assert take_care(opened, *store, tell=said.append) == []


@pytest.mark.parametrize("cut", range(1, 11))
def test_a_delivery_that_broke_off_anywhere_is_finished_by_the_next(
    store: tuple[str, Path], opened: Any, expected: dict[str, Any], cut: int
) -> None:
    """As after a kill between any two messages; the first one had written its buffers or not."""
    path = spooled(store, told())
    delivery = Delivery((store[0], str(store[1])), path.name, lambda: opened, Patience(0))
    for message, _ in zip(messages(path), range(cut), strict=False):
        delivery.carry_out(message)
    if cut % 2:
        delivery.flush()
    take_care(opened, *store, tell=lambda line: None)
    assert content(store) == expected


class Stumbling:
    """A client of a store that fails at the k-th call of a method, with one of the errors that pass, or not."""

    def __init__(self, client: Any, at: int, error: Exception) -> None:
        self.client, self.left, self.error = client, at, error

    def __getattr__(self, name: str) -> Any:
        method: Callable[..., Any] = getattr(self.client, name)

        def call(*args: Any, **keys: Any) -> Any:
            self.left -= 1
            if self.left == 0:
                raise self.error
            return method(*args, **keys)

        return call


@pytest.mark.parametrize("error", ["database is locked", "401 Unauthorized"])
@pytest.mark.parametrize("at", range(1, 17))
def test_a_store_that_fails_at_any_call_gets_the_rest_later(
    store: tuple[str, Path], opened: Any, expected: dict[str, Any], at: int, error: str
) -> None:
    path = spooled(store, told())
    client: Any = Stumbling(opened, at, RuntimeError(error))
    said: list[str] = []
    for left in take_care(client, *store, tell=said.append):
        assert bool(left.reason) == path.exists()
    take_care(opened, *store, tell=said.append)
    assert content(store) == expected
    assert not path.exists()


def test_a_run_without_an_end_is_killed(store: tuple[str, Path], opened: Any) -> None:
    spooled(store, told(ending=False))
    take_care(opened, *store, tell=lambda line: None)
    assert [row[:2] for row in content(store)["runs"]] == [("parent", "KILLED"), ("child", "KILLED")]
    (row, _) = opened.search_runs(["1"])
    assert row.data.tags[tag.NOTE] == DIED


def test_a_run_that_another_process_goes_on_with_is_left_alone(store: tuple[str, Path], opened: Any) -> None:
    """Its values come from there; a spool that is delivered late neither ends it nor gives it rows."""
    path = spooled(store, told())
    delivery = Delivery((store[0], str(store[1])), path.name, lambda: opened, Patience(0))
    for message, _ in zip(messages(path), range(4), strict=False):
        delivery.carry_out(message)
    (child,) = opened.search_runs(["1"], "attributes.run_name = 'child'")
    opened.set_tag(child.info.run_id, tag.PROCESS, ALIVE_ELSEWHERE)
    take_care(opened, *store, tell=lambda line: None)
    after = opened.get_run(child.info.run_id)
    assert (after.info.status, after.data.metrics) == ("RUNNING", {})


def test_a_run_that_was_deleted_is_not_made_again(store: tuple[str, Path], opened: Any) -> None:
    path = spooled(store, told())
    delivery = Delivery((store[0], str(store[1])), path.name, lambda: opened, Patience(0))
    for message, _ in zip(messages(path), range(3), strict=False):
        delivery.carry_out(message)
    for run in opened.search_runs(["1"]):
        opened.delete_run(run.info.run_id)
    take_care(opened, *store, tell=lambda line: None)
    assert opened.search_runs(["1"]) == []
    assert not path.exists()


def test_a_damaged_spool_ends_no_run_well(store: tuple[str, Path], opened: Any, capsys: Any) -> None:
    path = spooled(store, told())
    changed = bytearray(path.read_bytes())
    changed[changed.index(b'"step": 3') + 8] ^= 1
    path.write_bytes(changed)
    take_care(opened, *store, tell=lambda line: None)
    assert f"lost from {path}: 1 damaged line." in capsys.readouterr().err
    assert {row[0]: row[1] for row in content(store)["runs"]}["child"] == "FAILED"


def test_the_spool_of_another_store_stays(store: tuple[str, Path], opened: Any) -> None:
    """A SQLite store may have moved with its folder; of a server, address and user count."""
    other = spooled(("http://server:5000", store[1]), told())
    moved = spooled(("sqlite:////elsewhere/mlflow.db", store[1]), told())
    take_care(opened, *store, tell=lambda line: None)
    assert (other.exists(), moved.exists()) == (True, False)


def test_an_experiment_that_was_deleted_holds_up_its_own_runs_only(store: tuple[str, Path], opened: Any) -> None:
    opened.create_experiment("kth")
    opened.delete_experiment(opened.get_experiment_by_name("kth").experiment_id)
    said = told()
    other = {**said[0], "run": 2, "experiment": "boulder", "name": "other"}
    path = spooled(store, [*said, other, {"op": "finish", "run": 2, "status": "FINISHED", "note": "", "time": 3000}])
    (left,) = take_care(opened, *store, tell=lambda line: None)
    assert "experiment 'kth' is deleted" in left.reason
    assert path.exists()
    assert [row[:2] for row in content(store)["runs"]] == [("other", "FINISHED")]
    opened.restore_experiment("1")
    take_care(opened, *store, tell=lambda line: None)
    assert sorted(row[0] for row in content(store)["runs"]) == ["child", "other", "parent"]


def test_a_run_to_go_on_with_that_is_not_there(store: tuple[str, Path], opened: Any) -> None:
    """At once it is an error; of a spool that was left, it may be in a copy of the store that will come back."""
    path = spooled(store, [{"op": "resume", "run": 0, "id": "0" * 32, "reopen": True, "process": str(DEAD)}])
    said: list[Any] = []
    delivery = Delivery(
        (store[0], str(store[1])), path.name, lambda: opened, Patience(0), lambda **told: said.append(told)
    )
    (message,) = messages(path)
    delivery.carry_out(message)
    assert isinstance(said[0]["error"], TrackingError)
    (left,) = take_care(opened, *store, tell=lambda line: None)
    assert "is not found there" in left.reason


def test_a_spool_removes_nothing_but_checkpoints(store: tuple[str, Path], opened: Any, tmp_path: Path) -> None:
    """It may have come with a folder of somebody else's."""
    folders = [tmp_path / "mlruns/checkpoints/one/owner", tmp_path / "thesis", tmp_path / "checkpoints/a/b"]
    for folder in folders:
        folder.mkdir(parents=True)
    spooled(store, [*told(), {"op": "discard", "run": None, "folders": [str(folder) for folder in folders]}])
    take_care(opened, *store, tell=lambda line: None)
    assert [folder.exists() for folder in folders] == [False, True, True]


def test_the_refuge_is_for_the_stores_of_all_folders(
    store: tuple[str, Path], opened: Any, expected: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There a file's name alone does not tell whose it is."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    paths = [
        spooled((uri, tmp_path / "cache/labkit/artifacts"), told()) for uri in (store[0], "sqlite:////x/mlflow.db")
    ]
    take_care(opened, *store, tell=lambda line: None)
    assert [path.exists() for path in paths] == [False, True]
    assert content(store) == expected
