"""The commands that labkit prints, as text: what is in them, and what must never be."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from omegaconf import DictConfig

from labkit.compose import compose
from labkit.runs.commands import multirun, pages, single, written
from labkit.words import word


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LABKIT_DATA", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)


def composed(*words: str) -> tuple[list[str], DictConfig]:
    """The words that are a task's, and the configuration of all."""
    config = compose(words)
    return list(config.hydra.overrides.task), config


def test_words_are_quoted_for_a_shell() -> None:
    words = ["model.hidden=[1,2]", 'name="it\'s; a"', "data={a: 1}"]
    command = written(words)
    assert shlex.split(command) == ["labkit", *words]
    assert written(["optimizer.lr=0.1"]) == "labkit optimizer.lr=0.1"


def test_a_job_of_a_sweep_file_becomes_a_run() -> None:
    assert single(*composed("sweeps=demo", "loss.l2=0")) == "labkit sweeps=demo loss.l2=0 hydra.mode=RUN"
    assert single(*composed("sweeps=demo", "hydra.mode=MULTIRUN")) == "labkit sweeps=demo hydra.mode=RUN"
    assert single(*composed("loss.l2=0", "hydra.mode=MULTIRUN")) == "labkit loss.l2=0"  # as Hydra says it for -m
    assert single(*composed("loss.l2=0", "hydra.sweeper.rerun=true")) == "labkit loss.l2=0"


def test_a_multirun_keeps_its_sweeper_and_not_what_labkit_told_its_jobs() -> None:
    search = ["hydra/sweeper=optuna", "hydra.sweeper.n_trials=3", "hydra.sweeper.pruner=median", "hydra/launcher=basic"]
    told = ["hydra.mode=MULTIRUN", "+hydra.job.env_set.LABKIT_STUDY=a", "+hydra.job.env_set.LABKIT_PARENT_RUN=b"]
    kept = ["+hydra.job.env_set.OMP_NUM_THREADS='1'", "hydra.sweep.dir=here"]
    folder = word("hydra.sweep.dir", str(Path("here").absolute()))  # as `launchers.prepare` does
    _, config = composed("loss.l2=0", *search, *kept, *told, folder)
    assert shlex.split(multirun(config)) == ["labkit", "-m", *search, *kept, "loss.l2=0"]


def test_a_folder_of_ones_own_goes_along(tmp_path: Path) -> None:
    own = tmp_path / "my configs"
    (own / "experiment").mkdir(parents=True)
    (own / "experiment" / "mine.yaml").write_text("# @package _global_\nname: mine\nhydra: {mode: MULTIRUN}\n")
    words, config = composed(f"hydra.searchpath=['file://{own}']", "experiment=mine", "seed=1")
    command = shlex.split(single(words, config))
    assert command == ["labkit", f"hydra.searchpath=['file://{own}']", "experiment=mine", "seed=1", "hydra.mode=RUN"]
    assert compose(command[1:]).name == "mine"


def test_variables_that_decide_what_comes_out_stand_in_front(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABKIT_DATA", "/a b")
    assert single(*composed("data=digits")) == "labkit data=digits"  # reads no file
    assert single(*composed("data=mnist")) == "LABKIT_DATA='/a b' labkit data=mnist"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///x.db")
    assert single(*composed()) == "MLFLOW_TRACKING_URI=sqlite:///x.db labkit"
    _, config = composed()
    assert multirun(config) == "MLFLOW_TRACKING_URI=sqlite:///x.db LABKIT_DATA='/a b' labkit -m"


def test_a_password_is_printed_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://anna:secret@host/labkit")
    storage = "hydra.sweeper.storage=postgresql://anna:secret@host/optuna"
    _, config = composed("hydra/sweeper=optuna", storage)
    assert "secret" not in multirun(config) + single([], config) + pages("postgresql://anna:secret@host/a", Path.cwd())


def test_the_stores_pages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert pages("sqlite:////x.db", tmp_path) == "labkit ui"
    assert pages("http://host:5000", tmp_path) == "http://host:5000"
    words = shlex.split(pages("sqlite:////x.db", tmp_path / "a b"))
    assert words[:2] == ["labkit", "ui"]
    assert compose(words[2:]).paths.root == str(tmp_path / "a b")
