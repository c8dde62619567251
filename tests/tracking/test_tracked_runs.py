"""Runs end to end: eight trainers on a store that does not exist yet, ended in every way; what a run records.

It also covers open_queries.py, reading.py, session.py and writer.py.
"""

from __future__ import annotations

import math
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from labkit import process
from labkit.tracking import open_queries, tag
from labkit.tracking.aftermath import DIED
from labkit.tracking.client import MlflowTracker
from labkit.tracking.queries import Wanted
from labkit.tracking.reading import artifact, history, runs
from labkit.tracking.rows import RunRow
from labkit.tracking.store import TrackingError, default_store

STEPS = 40
TRAINER = """
import os, sys, time
from labkit.tracking.client import MlflowTracker
uri, artifacts, ending = sys.argv[1:]
if ending == "kill" and os.fork() == 0:  # a child of the trainer that outlives it, before and after the pipe exists
    time.sleep(60)
    os._exit(0)
tracker = MlflowTracker(uri, artifacts)
sleeper = os.fork() if ending == "kill" else 1
if sleeper == 0:
    time.sleep(60)
    os._exit(0)
def train():
    facts = {"name": "digits", "digest": "abc", "source": "embedded"}  # the same for all: MLflow makes one entry of it
    run = tracker.start_run("fresh", ending, {"ending": ending}, dataset=facts)
    for step in range(40):
        run.log(step, {"train/loss": 1 / (1 + step), "val/loss": 2.0})
    print(sleeper, flush=True)
    sys.stdin.readline()
    if ending == "raise":
        raise ArithmeticError("the loss is negative")
    if ending.startswith("finish"):
        run.finish("FINISHED")
if ending == "leave":
    train()
    sys.exit(0)
with tracker:
    train()
"""
ENDINGS = {
    "finish1": ("FINISHED", ""),
    "finish2": ("FINISHED", ""),
    "finish3": ("FINISHED", ""),
    "raise": ("FAILED", "ArithmeticError: the loss is negative"),
    "interrupt": ("KILLED", "KeyboardInterrupt: "),
    "terminate": ("KILLED", "The training process ended without a word: it was killed or crashed."),
    "kill": ("KILLED", "The training process ended without a word: it was killed or crashed."),
    "leave": ("KILLED", "The training process closed its tracker without a final status."),
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """(URI, artifact folder) of a fresh store in a folder whose name is awkward."""
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    return default_store(tmp_path_factory.mktemp("a b#1"))


@pytest.fixture(scope="module")
def ended(store: tuple[str, Path]) -> Iterator[dict[str, RunRow]]:
    """Eight trainers started together on the fresh store, each ended in its own way: name -> its run."""
    trainers, sleepers = {}, []
    for ending in ENDINGS:
        command = [sys.executable, "-c", TRAINER, *map(str, store), ending]
        pipe = subprocess.PIPE
        trainers[ending] = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True)
    for ending, trainer in trainers.items():
        assert trainer.stdin
        assert trainer.stdout
        sleepers.append(int(trainer.stdout.readline()))
        if ending == "interrupt":
            os.killpg(trainer.pid, signal.SIGINT)  # as Ctrl-C does: to the whole group
        elif ending == "terminate":
            trainer.terminate()
        elif ending == "kill":
            trainer.kill()
        else:
            trainer.stdin.write(b"\n")
            trainer.stdin.flush()
    codes = {ending: trainer.wait(60) for ending, trainer in trainers.items()}
    assert {ending for ending, code in codes.items() if code == 0} == {"finish1", "finish2", "finish3", "leave"}
    deadline = time.monotonic() + 30  # the writers of the dead ones are nobody's children now
    while time.monotonic() < deadline:
        rows = {row.name: row for row in runs(store[0], experiments=["fresh"])}
        if len(rows) == len(ENDINGS) and all(row.status != "RUNNING" for row in rows.values()):
            break
        time.sleep(0.2)
    yield rows
    os.killpg(trainers["kill"].pid, signal.SIGKILL)  # its sleeping children
    for trainer in trainers.values():
        for stream in (trainer.stdin, trainer.stdout, trainer.stderr):
            assert stream
            stream.close()


@pytest.mark.parametrize("ending", ENDINGS)
def test_status_never_lies(ended: dict[str, RunRow], ending: str) -> None:
    """However a trainer ends, its run says so, with an end time and a reason."""
    run = ended[ending]
    assert (run.status, run.tags.get("mlflow.note.content", "")) == ENDINGS[ending]
    assert run.end_time is not None
    assert run.end_time >= run.start_time


def test_eight_processes_lose_nothing_and_write_nothing_twice(
    ended: dict[str, RunRow], store: tuple[str, Path]
) -> None:
    """Every value that was logged before an end of any kind is there exactly once; the file is sound."""
    assert len(ended) == len(runs(store[0], experiments=["fresh"])) == 8
    assert {run.params["ending"] for run in ended.values()} == set(ENDINGS)
    with sqlite3.connect(store[0].removeprefix("sqlite:///")) as database:
        counts = database.execute("select run_uuid, key, count(*), count(distinct step) from metrics group by 1, 2")
        assert {tuple(row[2:]) for row in counts} == {(STEPS, STEPS)}
        assert database.execute("pragma integrity_check").fetchone() == ("ok",)
        names = database.execute("select name, artifact_location from experiments order by experiment_id").fetchall()
    database.close()
    assert names == [("Default", f"{store[1]}/0"), ("fresh", f"{store[1]}/fresh")]


@pytest.fixture(scope="module")
def recorded(store: tuple[str, Path], ended: dict[str, RunRow]) -> dict[str, str]:
    """One tracker, several runs open at once: label -> run id."""
    data = {"name": "digits", "digest": "0123456789abcdef" * 4, "source": "/data/digits", "profile": {"samples": 1797}}
    with MlflowTracker(*store) as tracker:
        parent = tracker.start_run("kth lab", "parent", tags={"labkit.lab": "kth", "long": "t" * 9000})
        params = {"loss.l2": "0.1", "empty": "", "long": "p" * 7000} | {f"k{i}": str(i) for i in range(150)}
        child = tracker.start_run("kth lab", "child", params, dataset=data, parent=parent)
        other = tracker.start_run("kth lab", "other", parent_run_id=ended["finish1"].run_id)
        for step in range(3):
            child.log(10 * step, {"val/accuracy": step / 2, "bad": math.inf})
            other.log(10 * step, {"val/accuracy": math.nan})
        child.set_tag("labkit.stage", "2")
        child.artifact_text("config.yaml", "é: 1")
        child.artifact_bytes("weights/final.npz", bytes(range(256)) * 8000)
        annotated = tracker.resume(ended["finish2"].run_id)
        annotated.set_tag("seen", "yes")
        reopened = tracker.resume(ended["finish3"].run_id, reopen=True)
        reopened.log(100, {"train/loss": 0.5})
        tracker.check()
        assert tracker.trouble == ""
        ids = {"parent": parent.id, "child": child.id, "other": other.id}
        child.finish("FINISHED")
        child.finish("FAILED", "a second end is ignored")
        other.finish("FAILED", "diverged")
        parent.finish("FINISHED")
    return ids


def by_name(store: tuple[str, Path], name: str) -> RunRow:
    """The run of that name."""
    return next(row for row in runs(store[0]) if row.name == name)


def test_params_tags_and_links(recorded: dict[str, str], store: tuple[str, Path], ended: dict[str, RunRow]) -> None:
    """What is too long is cut visibly; parents come from this process or another."""
    parent, child, other = (by_name(store, name) for name in ("parent", "child", "other"))
    assert child.run_id == recorded["child"]
    assert (child.experiment, child.status, parent.status) == ("kth lab", "FINISHED", "FINISHED")
    assert len(child.params) == 153
    assert (child.params["loss.l2"], child.params["empty"]) == ("0.1", "")
    assert child.params["long"].endswith("p ... [cut: 7000 characters]")
    assert parent.tags["long"].endswith("t ... [cut: 9000 characters]")
    assert (child.tags["labkit.stage"], parent.tags["labkit.lab"]) == ("2", "kth")
    assert (parent.parent, child.parent) == (None, recorded["parent"])
    assert (other.parent, other.status) == (ended["finish1"].run_id, "FAILED")
    assert other.tags["mlflow.note.content"] == "diverged"


def test_metrics(recorded: dict[str, str], store: tuple[str, Path]) -> None:
    """Steps are updates, values come back in order, what is not finite comes back as NaN."""
    curves = history(store[0], recorded["child"])
    assert curves["val/accuracy"] == [(0, 0.0), (10, 0.5), (20, 1.0)]
    assert [math.isnan(value) for _, value in curves["bad"]] == [True] * 3
    assert by_name(store, "child").metrics["val/accuracy"] == 1.0
    assert list(history(store[0], recorded["child"], ["val/accuracy"])) == ["val/accuracy"]


def test_artifacts(recorded: dict[str, str], store: tuple[str, Path]) -> None:
    """Text and bytes, in folders of the experiment's own place."""
    assert artifact(store[0], recorded["child"], "config.yaml") == "é: 1".encode()
    assert artifact(store[0], recorded["child"], "weights/final.npz") == bytes(range(256)) * 8000
    assert (store[1] / "kth_lab" / recorded["child"] / "artifacts" / "config.yaml").is_file()
    with pytest.raises(TrackingError, match=r"no artifact 'nothing.png'"):
        artifact(store[0], recorded["child"], "nothing.png")


def test_dataset(recorded: dict[str, str], store: tuple[str, Path]) -> None:
    """The data set is an MLflow input, for training unless said otherwise."""
    from mlflow import MlflowClient

    inputs = MlflowClient(store[0]).get_run(recorded["child"]).inputs
    assert inputs is not None
    (found,) = inputs.dataset_inputs
    assert (found.dataset.name, found.dataset.digest) == ("digits", ("0123456789abcdef" * 4)[:36])
    assert found.dataset.source == '{"uri": "/data/digits"}'
    assert {tag.key: tag.value for tag in found.tags} == {"mlflow.data.context": "training"}


def test_runs_of_other_processes(recorded: dict[str, str], store: tuple[str, Path], ended: dict[str, RunRow]) -> None:
    """An annotated run keeps its end; a reopened one that was then left is KILLED, not FINISHED."""
    annotated, reopened = (by_name(store, name) for name in ("finish2", "finish3"))
    assert (annotated.status, annotated.tags["seen"]) == ("FINISHED", "yes")
    assert annotated.end_time == ended["finish2"].end_time
    assert (reopened.status, reopened.metrics["train/loss"]) == ("KILLED", 0.5)


def test_reading_in_pages(recorded: dict[str, str], store: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """More runs than fit on one page, oldest first; filters, experiments and ids narrow it."""
    whole = runs(store[0])
    monkeypatch.setattr(open_queries, "PAGE", 3)
    assert [row.run_id for row in runs(store[0])] == [row.run_id for row in whole]
    assert len(whole) == 11
    assert [row.start_time for row in whole] == sorted(row.start_time for row in whole)
    failed = runs(store[0], where="attributes.status = 'FAILED'")
    assert {row.name for row in failed} == {"raise", "other"}
    assert {row.name for row in runs(store[0], experiments=["kth lab"])} == {"parent", "child", "other"}
    assert [row.name for row in runs(store[0], run_ids=[recorded["child"]])] == ["child"]
    assert runs(store[0], experiments=["nothing"]) == []
    with pytest.raises(TrackingError, match="Invalid"):
        runs(store[0], where="nonsense ~ 3")


def test_a_run_that_is_not_there_is_told(store: tuple[str, Path], ended: dict[str, RunRow]) -> None:
    tracker = MlflowTracker(*store)
    missing = tracker.resume("0" * 32)
    with pytest.raises(TrackingError, match="not found"):
        _ = missing.id
    with pytest.raises(TrackingError, match="not found"):
        tracker.check()
    with pytest.raises(TrackingError, match="not found"):
        tracker.close()


def test_a_worker_settles_between_its_jobs(tmp_path: Path) -> None:
    """Whoever started it reads the store meanwhile; a loss is told once, and the next job is not blamed for it."""
    uri, root = default_store(tmp_path)
    with MlflowTracker(uri, root) as tracker:
        tracker.settle()  # nothing was asked of it: no store is made
        assert list(tmp_path.iterdir()) == []
        first = tracker.start_run("kth", "first")
        first.log(1, {"val/loss": 0.5})
        first.finish("FINISHED")
        tracker.settle()
        (row,) = runs(uri)
        assert (row.status, row.metrics) == ("FINISHED", {"val/loss": 0.5})
        second = tracker.resume("0" * 32)
        second.finish("FINISHED")
        with pytest.raises(TrackingError, match="not found"):
            tracker.settle()
        third = tracker.start_run("kth", "third")
        third.finish("FINISHED")
        tracker.settle()
        assert [row.status for row in runs(uri)] == ["FINISHED", "FINISHED"]


def test_the_store_finds_what_a_question_fits(tmp_path: Path) -> None:
    """MLflow's search and the plain reading of a question agree, whatever quotes a value holds."""
    studies = ["plain", "it's", 'a "b"', """both ' and " """]
    with MlflowTracker(*default_store(tmp_path)) as tracker:
        begun = []
        for i, study in enumerate(studies):
            tags = {"labkit.study": study} | ({"labkit.code": "mine.py=1"} if i % 2 else {})
            begun.append(tracker.start_run(f"lab {i % 2}", f"run {i}", {"seed": str(i)}, tags))
            begun[-1].finish("FAILED" if i == 3 else "FINISHED")
        everything = tracker.find()
        questions = [
            *(Wanted(tags={"labkit.study": study}) for study in studies),
            Wanted(having=("labkit.code",)),
            Wanted(tags={"labkit.study": "plain"}, status="FAILED"),
            Wanted(status="FINISHED", since=everything[1].start_time),
            Wanted(run_ids=(begun[0].id, begun[2].id)),
            Wanted(run_ids=()),
            Wanted(experiments=("lab 1", "none")),
        ]
        found = [tracker.find(question) for question in questions]
        assert found == [[row for row in everything if question.fits(row)] for question in questions]
        assert [len(rows) for rows in found] == [1, 1, 1, 1, 2, 0, 2, 2, 0, 2]
        assert tracker.find(Wanted(deleted=True)) == []


def test_the_writer_imports_mlflow_without_pandas() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "labkit.tracking.writer", str(os.getpid())]
    said = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True).stderr
    assert "mlflow.store.tracking.sqlalchemy_store" in said
    assert "pandas.core" not in said


def test_who_died_is_ended_by_whatever_looks(store: tuple[str, Path], recorded: dict[str, str]) -> None:
    own = process.own()
    owners = {
        "alive": own,
        "dead": replace(own, begun="1"),
        "of another machine": replace(own, host="another", boot="b007", begun="1"),
    }
    with MlflowTracker(*store) as tracker:
        for name, owner in owners.items():
            tracker.start_run("orphans", name, tags={tag.PROCESS: str(owner)})
        tracker.settle()
        found = {row.name: row for row in runs(store[0], experiments=["orphans"])}
        assert {name: row.status for name, row in found.items()} == {
            "alive": "RUNNING",
            "dead": "KILLED",
            "of another machine": "RUNNING",
        }
        assert found["dead"].tags[tag.NOTE] == DIED
