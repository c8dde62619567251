"""Whole runs as users start them: what is in the store afterwards, however they end."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from labkit.tracking.reading import artifact, history, runs
from labkit.tracking.rows import RunRow
from labkit.tracking.store import default_store

KINDS = ("loss", "cost", "accuracy", "precision", "recall")


def rows_in(folder: Path) -> list[RunRow]:
    return runs(default_store(folder)[0])


# --- the default run


@pytest.fixture(scope="module")
def default(process: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    folder = tmp_path_factory.mktemp("default")
    return process(cwd=folder), folder


def test_no_arguments_train_in_seconds_and_say_what_came_out(default: tuple[Any, Path]) -> None:
    answer, folder = default
    assert answer.code == 0, answer.err
    (row,) = rows_in(folder)
    assert row.status == "FINISHED"
    for word in ("accuracy", "precision", "recall", "train", "validation", "test", row.run_id, "reproduce  labkit"):
        assert word in answer.out
    assert "360/360" in answer.err
    assert {Path(name).parts[0] for name in answer.files} == {"mlruns"}


def test_params_are_override_paths(default: tuple[Any, Path]) -> None:
    (row,) = rows_in(default[1])
    wanted = {"optimizer.lr": "0.1", "seed": "0", "data.split_seed": "0", "model.activation": "relu", "loss.l2": "0.0"}
    assert wanted.items() <= row.params.items()
    assert row.params["model.hidden"] == "[64, 32]"


def test_tags_are_those_of_the_contract(default: tuple[Any, Path]) -> None:
    tags = rows_in(default[1])[0].tags
    names = "experiment lab purpose config_hash data_sha256 data_verified samples reproduce versions git_dirty group"
    assert {f"labkit.{name}" for name in names.split()} <= set(tags)
    assert (tags["labkit.purpose"], tags["labkit.reproduce"]) == ("comparison", "labkit")
    assert tags["labkit.samples"] == "train=1132 val=126 test=539"
    assert len(tags["labkit.config_hash"]) == len(tags["labkit.data_sha256"]) == 64
    assert "mlflow.parentRunId" not in tags


def test_metrics_begin_before_training_and_end_with_the_test_set(default: tuple[Any, Path]) -> None:
    (row,) = rows_in(default[1])
    curves = history(default_store(default[1])[0], row.run_id)
    for part in ("train", "val"):
        for kind in KINDS:
            steps = [step for step, _ in curves[f"{part}/{kind}"]]
            assert steps == list(range(0, 361, 36)), (part, kind)
    for kind in KINDS:
        assert [step for step, _ in curves[f"test/{kind}"]] == [360], "opened once, at the end"
    assert {"lr", "time/seconds", "grad_l1/total", "grad_l1/mean", "grad_l1/linear_1"} <= set(curves)
    assert 0.9 < row.metrics["test/accuracy"] <= 1


def test_artifacts_and_the_dataset_are_kept(default: tuple[Any, Path]) -> None:
    (row,) = rows_in(default[1])
    uri, root = default_store(default[1])
    folder = next(root.rglob(row.run_id))
    names = {str(path.relative_to(folder / "artifacts")) for path in folder.rglob("*") if path.is_file()}
    figures = {f"figures/{name}.png" for name in ("learning_curves", "confusion_matrix_test", "gradient_norms")}
    assert {"config.yaml", "weights.npz", *figures} <= names
    assert b"lr: 0.1" in artifact(uri, row.run_id, "config.yaml")
    with sqlite3.connect(default[1] / "mlruns" / "mlflow.db") as store:
        ((name, digest),) = store.execute("select name, digest from datasets").fetchall()
    assert (name, digest) == ("digits", row.tags["labkit.data_sha256"][:36])


def test_a_script_gets_the_same_numbers(default: tuple[Any, Path], capfd: pytest.CaptureFixture[str]) -> None:
    from labkit import run

    (row,) = rows_in(default[1])
    result = run("tracker=none", quiet=True)
    assert capfd.readouterr() == ("", "")
    stored = {key: value for key, value in row.metrics.items() if not key.startswith("time/")}
    again = {key: value for key, value in result.metrics.items() if not key.startswith("time/")}
    assert again == stored
    assert result.run_id == ""
    assert [step for step, _ in result.history] == [*range(0, 361, 36), 360], "the last row is the test set's"
    assert set(result.history[-1][1]) == {f"test/{kind}" for kind in KINDS}
    assert result.parameters["linear_1.weight"].shape == (64, 64)
    assert result.config["optimizer"]["lr"] == 0.1


# --- a multirun


@pytest.fixture(scope="module")
def multirun(process: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    folder = tmp_path_factory.mktemp("multirun")
    return process("-m", "optimizer.lr=0.1,0.01", "trainer.epochs=2", "purpose=search", cwd=folder), folder


def test_a_multirun_is_a_parent_with_children(multirun: tuple[Any, Path]) -> None:
    answer, folder = multirun
    assert answer.code == 0, answer.err
    found = rows_in(folder)
    (parent,) = [row for row in found if row.parent is None]
    children = [row for row in found if row.parent == parent.run_id]
    assert [row.params["optimizer.lr"] for row in children] == ["0.1", "0.01"]
    assert {row.status for row in found} == {"FINISHED"}
    assert children[0].tags["labkit.reproduce"] == "labkit optimizer.lr=0.1 trainer.epochs=2 purpose=search"
    assert parent.tags["labkit.reproduce"] == "labkit -m optimizer.lr=0.1,0.01 trainer.epochs=2 purpose=search"


def test_a_multirun_ends_with_a_leaderboard(multirun: tuple[Any, Path]) -> None:
    answer, folder = multirun
    children = [row for row in rows_in(folder) if row.parent]
    board = answer.out[answer.out.rindex("rank") :]
    best = max(children, key=lambda row: row.metrics["val/accuracy"])
    assert "optimizer.lr" in board
    assert all(row.run_id[:8] in board for row in children)
    assert board.index(best.run_id[:8]) == min(board.index(row.run_id[:8]) for row in children)
    parent = str(children[0].parent)
    assert "optimizer.lr" in artifact(default_store(folder)[0], parent, "leaderboard.md").decode()


def test_a_search_never_opens_the_test_set(multirun: tuple[Any, Path]) -> None:
    for row in rows_in(multirun[1]):
        assert not [key for key in row.metrics if key.startswith("test/")]
    assert "test/" not in multirun[0].out


def test_compare_shows_the_store(multirun: tuple[Any, Path], labkit: Any) -> None:
    answer = labkit("task=compare", f"paths.root={multirun[1]}")
    assert answer.code == 0, answer.err
    assert all(row.run_id[:8] in answer.out for row in rows_in(multirun[1]) if row.parent)
    assert answer.files == [], "looking writes nothing"


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("mlflow.db", "this is not a readable SQLite database; move it away or restore a copy."),
        ("artifacts", "which cannot be written to (not a directory); make room there, or move the store away"),
    ],
)
def test_a_store_that_cannot_be_used_is_said_once_and_before_the_training(
    labkit: Any, file: str, expected: str
) -> None:
    Path("mlruns").mkdir()
    Path("mlruns", file).write_text("no database, but long enough to be taken for one" * 40)
    answer = labkit("trainer.steps=2")
    assert answer.code == 1
    assert answer.out == ""
    assert answer.err.startswith("labkit: tracking store sqlite:///")
    assert expected in answer.err
    assert answer.err.count("\n") == 1
