"""A project that was copied, moved or renamed: its artifacts are found and written where the project is now."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from labkit.tracking.client import MlflowTracker
from labkit.tracking.moved import move_along, usable
from labkit.tracking.reading import artifact
from labkit.tracking.store import default_store

Rows = list[tuple[str, str]]


def made(folder: Path, experiments: Rows, runs: list[str]) -> Path:
    """A store with MLflow's columns of places, experiments by name and place; its artifact folder holds `kth`."""
    mlruns = folder / "mlruns"
    (mlruns / "artifacts" / "kth").mkdir(parents=True)
    with closing(sqlite3.connect(mlruns / "mlflow.db")) as store, store:
        store.execute("create table experiments (experiment_id integer, name text, artifact_location text)")
        store.execute("create table runs (artifact_uri text)")
        store.executemany("insert into experiments values (?, ?, ?)", [(i, *row) for i, row in enumerate(experiments)])
        store.executemany("insert into runs values (?)", [(place,) for place in runs])
    return mlruns / "mlflow.db"


def places(file: Path) -> tuple[list[str], list[str]]:
    with closing(sqlite3.connect(file)) as store:
        experiments = store.execute("select artifact_location from experiments").fetchall()
        return [row for (row,) in experiments], [row for (row,) in store.execute("select artifact_uri from runs")]


@pytest.mark.parametrize("former", ["/a", "/tmp/a b", "/ä#%_20'x", "/a/mlruns/artifacts/a"])
@pytest.mark.parametrize("scheme", ["", "file://"])
def test_paths_below_the_former_folder_move_along(tmp_path: Path, former: str, scheme: str) -> None:
    old = f"{scheme}{former}/mlruns/artifacts"
    file = made(tmp_path, [("Default", f"{old}/0"), ("kth", f"{old}/kth")], [f"{old}/kth/1/artifacts"])
    new = tmp_path / "mlruns/artifacts"
    told = move_along(file, new)
    assert told == f"it lay in {former}/mlruns before; the paths to the files of 1 run moved along."
    assert places(file) == ([f"{new}/0", f"{new}/kth"], [f"{new}/kth/1/artifacts"])
    assert move_along(file, new) == ""


def test_what_lies_elsewhere_on_purpose_stays(tmp_path: Path) -> None:
    elsewhere = [
        "s3://bucket/kth",
        "/disk/kth",
        "/ab/mlruns/artifacts-of-mine/kth",
        "relative/kth",
        "/disk/artifacts/x",
    ]
    named = [(f"e{i}", place) for i, place in enumerate(elsewhere)]
    file = made(tmp_path, [("Default", "/ab/mlruns/artifacts/0"), *named], [f"{place}/1" for place in elsewhere])
    assert move_along(file, tmp_path / "mlruns/artifacts")
    assert places(file) == (
        [f"{tmp_path}/mlruns/artifacts/0", *elsewhere],
        [f"{place}/1" for place in elsewhere],
    )


@pytest.mark.parametrize("place", ["s3://bucket/0", "./mlruns/0", ""])
def test_a_store_of_another_making_stays(tmp_path: Path, place: str) -> None:
    file = made(tmp_path, [("Default", place), ("kth", "/disk/kth")], ["/disk/kth/1/artifacts"])
    before = file.read_bytes()
    assert move_along(file, tmp_path / "mlruns/artifacts") == ""
    assert file.read_bytes() == before


def test_a_store_that_an_earlier_labkit_used_in_two_places(tmp_path: Path) -> None:
    """That one left the first place's paths as they were, and gave new experiments the second."""
    rows = [("Default", "/a/mlruns/artifacts/0"), ("x", "/a/mlruns/artifacts/x"), ("kth", "/b/mlruns/artifacts/kth")]
    file = made(tmp_path, rows, ["/a/mlruns/artifacts/x/1/artifacts", "/b/mlruns/artifacts/kth/2/artifacts"])
    new = tmp_path / "mlruns/artifacts"
    move_along(file, new)
    assert places(file) == (
        [f"{new}/0", f"{new}/x", f"{new}/kth"],
        [f"{new}/x/1/artifacts", f"{new}/kth/2/artifacts"],
    )


def test_another_name_of_the_same_folder_is_no_move(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    old = f"{tmp_path}/real/mlruns/artifacts"
    file = made(tmp_path / "link", [("Default", f"{old}/0")], [f"{old}/kth/1/artifacts"])
    assert move_along(file, tmp_path / "link/mlruns/artifacts") == ""
    assert places(file)[0] == [f"{old}/0"]


def test_a_copy_writes_and_reads_its_own_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The original is left as it was, and then is gone."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    def written(folder: Path) -> str:
        with MlflowTracker(*default_store(folder)) as tracker:
            run = tracker.start_run("kth", "x")
            run.artifact_text("of.txt", folder.name)
            run.finish("FINISHED")
            return run.id

    a, b = tmp_path / "a #1", tmp_path / "b"
    first = written(a)
    shutil.copytree(a, b)
    before = {file: file.read_bytes() for file in a.rglob("*") if file.is_file()}
    second = written(b)
    assert f"it lay in {a}/mlruns before; the paths to the files of 1 run moved along." in capsys.readouterr().err
    assert {file: file.read_bytes() for file in a.rglob("*") if file.is_file()} == before
    shutil.rmtree(a)
    a.touch()
    uri = default_store(b)[0]
    assert [artifact(uri, run_id, "of.txt").decode() for run_id in (first, second)] == ["a #1", "b"]
    assert "before" not in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert usable(str(tmp_path / "new"), "kth") == ""
    assert usable("s3://bucket/kth", "kth") == ""
    told = usable(str(tmp_path / "file/kth"), "kth")
    assert told.startswith(
        f"the files of experiment 'kth' go to {tmp_path}/file/kth, which cannot be written to (not a"
    )
