"""What every tracker must do, MLflow's and a second backend alike, and labkit's commands on the second one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from labkit.tracking import tag
from labkit.tracking.client import MlflowTracker
from labkit.tracking.queries import Wanted
from labkit.tracking.tracker import Run, Tracker
from tests.tracking.json_lines import LinesTracker

Opener = Callable[[], Tracker]
BACKENDS: dict[str, Callable[[Path], Tracker]] = {
    "mlflow": lambda folder: MlflowTracker(f"sqlite:///{folder}/mlflow.db", folder / "artifacts"),
    "json lines": LinesTracker,
}


@pytest.fixture(params=BACKENDS, scope="module")
def opened(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, warm_writers: Any
) -> Iterator[Opener]:
    """Opens the store of a backend, again and again."""
    folder = tmp_path_factory.mktemp("store")
    trackers: list[Tracker] = []

    def opener() -> Tracker:
        trackers.append(BACKENDS[request.param](folder))
        return trackers[-1]

    with warm_writers():
        yield opener
        for tracker in trackers:
            tracker.close()


def test_a_run_comes_back_as_it_was_told(opened: Opener) -> None:
    tracker = opened()
    parent = tracker.start_run("mine", "parent", tags={tag.SWEEP: "s"})
    run = tracker.start_run("mine", "child", params={"lr": "0.1"}, tags={tag.SHAPE: "x"}, parent_run_id=parent.id)
    run.log(1, {"loss": 2.0})
    run.log(5, {"loss": 1.0, "accuracy": 0.5})
    run.set_tag(tag.CONFIG_HASH, "h")
    run.artifact_text("figures/one.txt", "ä")
    run.finish("FINISHED")
    run.finish("FAILED", "a second end is ignored")
    tracker.close()
    tracker = opened()
    (row,) = tracker.children(parent.id)
    assert (row.run_id, row.name, row.experiment, row.status) == (run.id, "child", "mine", "FINISHED")
    assert (row.params["lr"], row.metrics["loss"], row.config_hash, row.shape) == ("0.1", 1.0, "h", "x")
    assert row.end_time is not None
    assert row.end_time >= row.start_time > 0
    assert tracker.histories([run.id], ["loss", "accuracy"]) == [{"loss": [(1, 2.0), (5, 1.0)], "accuracy": [(5, 0.5)]}]
    assert [one.run_id for one in tracker.sweeps("s")] == [parent.id]
    assert {*tracker.by_id([run.id, "0" * 32])} == {run.id}
    assert tracker.find(Wanted(experiments=("other",))) == []


def test_a_run_of_an_earlier_process_is_taken_up(opened: Opener) -> None:
    tracker = opened()
    run_id = tracker.start_run("resumed", "one").id
    tracker.resume(run_id).finish("KILLED")
    assert [row.status for row in tracker.find(Wanted(experiments=("resumed",)))] == ["KILLED"]
    again = tracker.resume(run_id, reopen=True)
    assert [row.run_id for row in tracker.find(Wanted(status="RUNNING", experiments=("resumed",)))] == [run_id]
    again.finish("FINISHED")
    tracker.close()


def test_what_an_exception_leaves_open_is_ended(opened: Opener) -> None:
    tracker = opened()
    done, left = (tracker.start_run("left", name) for name in ("done", "left"))
    done.finish("FINISHED")
    tracker.abandon(ValueError("no"))
    rows = opened().find(Wanted(experiments=("left",)))
    assert {row.run_id: row.status for row in rows} == {done.id: "FINISHED", left.id: "FAILED"}


def test_what_a_backend_does_not_override_is_not_kept() -> None:
    run, tracker = Run(), Tracker()
    run.log(0, {"loss": 1.0})
    run.artifact_text("a.txt", "a")
    run.finish("FINISHED")
    assert not run.open
    assert run.id != Run().id
    assert not tracker.reads
    assert LinesTracker(Path()).reads


FILE = (
    "_target_: tests.tracking.json_lines.JsonLines\nfigures: auto\nweights: auto\npublished: null\nanimation: false\n"
)
SHORT = ("trainer.steps=3", "model.hidden=4")


@pytest.fixture
def words(tmp_path: Path) -> tuple[str, ...]:
    """Words that choose the second backend, as a user would."""
    (tmp_path / "tracker").mkdir()
    (tmp_path / "tracker" / "lines.yaml").write_text(FILE)
    return "-cd", str(tmp_path), "tracker=lines", "targets=[tests.tracking.json_lines.JsonLines]"


def test_a_run_goes_to_the_backend_that_its_configuration_names(labkit: Any, words: tuple[str, ...]) -> None:
    done = labkit(*words, *SHORT)
    assert done.code == 0, done.err
    lines = [json.loads(line) for line in Path("runs.jsonl").read_text().splitlines()]
    assert [line["status"] for line in lines if "status" in line] == ["RUNNING", "FINISHED"]
    assert {Path(file).name for file in done.files} >= {"weights.npz", "learning_curves.png", "config.yaml"}
    assert not any("mlflow" in file for file in done.files)
    assert "labkit ui" not in done.out


def test_a_sweep_remembers_what_is_finished_there(labkit: Any, words: tuple[str, ...]) -> None:
    sweep = ("-m", *words, "optimizer.lr=0.1,0.01", "seeds=2", *SHORT)
    first, second = labkit(*sweep), labkit(*sweep)
    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert "4 of 4 jobs were finished before" in second.out
    rows = LinesTracker(Path.cwd()).find()
    assert sum(row.shape != "" for row in rows) == 4
    assert {row.status for row in rows} == {"FINISHED"}


def test_a_search_goes_on_there(labkit: Any, words: tuple[str, ...]) -> None:
    search = ("-m", *words, "hydra/sweeper=optuna", "optimizer.lr=interval(0.01,0.1)", *SHORT)
    first = labkit(*search, "hydra.sweeper.n_trials=2")
    second = labkit(*search, "hydra.sweeper.n_trials=3")
    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert sum(row.shape != "" for row in LinesTracker(Path.cwd()).find()) == 3


def test_a_backend_that_cannot_read_refuses_a_sweep_in_a_sentence(labkit: Any, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from labkit.tracking.settings import Tracking\nfrom labkit.tracking.tracker import Tracker\n"
        "class Mine(Tracking):\n    def open(self, root):\n        return Tracker()\n"
    )
    Path("mine.py").write_text((tmp_path / "mine.py").read_text())
    words = ("targets=[mine.Mine]", "tracker._target_=mine.Mine", *SHORT)
    assert labkit(*words).code == 0
    refused = labkit("-m", "seed=0,1", *words)
    said = "tracker._target_: mine.Mine cannot read runs back, as a multirun needs; try tracker=mlflow."
    assert (refused.code, refused.err) == (2, f"labkit: {said}\n")
