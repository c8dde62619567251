"""Every command that labkit prints runs as printed, in the folder it was printed in, and comes to the same."""

from __future__ import annotations

import html
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from labkit.tracking import session
from labkit.tracking.reading import runs
from labkit.tracking.rows import RunRow
from labkit.tracking.store import default_store, open_store, sentence

SHORT = ("trainer.epochs=1", "trainer.batch_size=500")
GLOBAL = "# @package _global_\n"


@pytest.fixture
def folder(labkit: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a blank in its name, which commands run in, and configs of one's own in it."""
    place = tmp_path / "a b"
    for name, text in {
        "experiment/mine": "name: mine\nseeds: 2\n",
        "sweeps/own": "name: own\nhydra: {mode: MULTIRUN, sweeper: {params: {'model.hidden': '[8],[8,4]'}}}\n",
    }.items():
        file = place / "my configs" / f"{name}.yaml"
        file.parent.mkdir(parents=True)
        file.write_text(GLOBAL + text)
    monkeypatch.chdir(place)
    with session.keep_open():  # one writer for all commands of a test
        yield place


@pytest.fixture
def shell(labkit: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """A printed command as a shell takes it apart: variables in front, then `labkit` and its words."""

    def run(command: str) -> Any:
        words = shlex.split(command)
        while words[0] != "labkit":
            name, _, value = words.pop(0).partition("=")
            monkeypatch.setenv(name, value)
        answer = labkit(*words[1:])
        assert answer.code == 0, (command, answer.err)
        return answer

    return run


def rows_of(folder: Path) -> list[RunRow]:
    return runs(default_store(folder)[0])


def said(text: str, name: str) -> str:
    """What a line such as `reproduce  labkit` says."""
    return re.search(rf"^{name} +(.+)$", text, re.M)[1]  # type: ignore[index]


def page_command(folder: Path) -> str:
    """`run it again` of the only page there is."""
    (page,) = (folder / "mlruns" / "reports").glob("*.html")
    return html.unescape(re.search("run it again</dt><dd><pre>(.*?)</pre>", page.read_text(), re.S)[1])  # type: ignore[index]


SEARCH = ("-m", "hydra/sweeper=optuna", "optimizer.lr=tag(log,interval(1e-3,1))", *SHORT)
STAGES = (
    "hydra.sweeper.stages={coarse: {sampler: random, n_trials: 2, pruner: median}}",
    "hydra.sweeper.final={seeds: 2, overrides: ['data.validation=0.2']}",
)
MULTIRUNS = {
    "grid": ["-m", "model.hidden=[8],[8,4]", "name='a; \"b\"'", *SHORT],
    "stages": [*SEARCH, *STAGES],
    "own sweep": ["-cd", "my configs", "sweeps=own", *SHORT],
}
MORE_MULTIRUNS = {
    "search": [*SEARCH, "hydra.sweeper.n_trials=3", "hydra.sweeper.study_name=a b", "hydra/launcher=basic"],
    "choices": ["-m", "hydra/sweeper=optuna", "model.hidden=choice([8],[8,4])", "hydra.sweeper.n_trials=2", *SHORT],
    "samples": ["-m", "optimizer.lr=tag(log,interval(1e-3,1))", "hydra.sweeper.samples=2", *SHORT],
    "seeds": ["-cd", "my configs", "experiment=mine", "seed=3", *SHORT],
    "searchpath": ["-m", "hydra.searchpath=[file://my configs]", "sweeps=own", "seed=0", *SHORT],
}


@pytest.mark.parametrize(
    "words",
    [
        *(pytest.param(words, id=name) for name, words in MULTIRUNS.items()),
        *(pytest.param(words, id=name, marks=pytest.mark.slow) for name, words in MORE_MULTIRUNS.items()),
    ],
)
def test_a_multirun_again_finds_everything_done_and_its_job_alone_is_the_same(
    words: list[str], folder: Path, labkit: Any, shell: Any
) -> None:
    """Another sweeper, budget, space or sampler would train something, another study would open another parent."""
    first = labkit(*words)
    assert first.code == 0, first.err
    before = rows_of(folder)
    (parent,) = {row.tags["labkit.reproduce"] for row in before if not row.parent}
    assert page_command(folder) == parent
    shell(parent)
    known = {row.run_id for row in rows_of(folder)}
    assert known == {row.run_id for row in before}
    job = next(row.tags for row in reversed(before) if "labkit.config_hash" in row.tags)
    shell(job["labkit.reproduce"])
    (new,) = [row for row in rows_of(folder) if row.run_id not in known]
    assert (new.tags["labkit.config_hash"], new.parent) == (job["labkit.config_hash"], None)
    assert new.tags["labkit.reproduce"] == job["labkit.reproduce"]


def test_a_run_says_how_to_repeat_and_to_see_it(
    folder: Path, labkit: Any, shell: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[list[str]] = []
    monkeypatch.setattr("os.execvp", lambda _, command: served.append(command))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/another store.db")
    answer = labkit(*SHORT)
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    shell(said(answer.out, "reproduce"))
    assert next(row.run_id for row in rows_of(folder)) == said(answer.out, "run id")
    assert len(rows_of(folder)) == 2
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert "MLflow on http://127.0.0.1:5000" in shell(said(answer.out, "open")).out
    assert f"sqlite:///{folder}/another store.db" in served[0]


def test_a_run_elsewhere_says_where_its_store_is(
    folder: Path, labkit: Any, shell: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[list[str]] = []
    monkeypatch.setattr("os.execvp", lambda _, command: served.append(command))
    answer = labkit("paths.root=my configs", *SHORT)
    shell(said(answer.out, "open"))
    assert f"sqlite:///{folder}/my configs/mlruns/mlflow.db" in served[0]


def test_a_run_that_nothing_remembers_has_no_id_and_nothing_to_open(folder: Path, labkit: Any, shell: Any) -> None:
    answer = labkit("tracker=none", *SHORT)
    assert "run id" not in answer.out
    assert "open " not in answer.out
    shell(said(answer.out, "reproduce"))


@pytest.mark.slow
def test_what_a_store_asks_for_mends_it(tmp_path: Path, process: Any, clean_environment: dict[str, str]) -> None:
    """The commands in the sentences for a deleted experiment and for a database of another MLflow, in a real shell."""
    place = tmp_path / "it's a store"
    place.mkdir()
    path = f"{Path(sys.executable).parent}{os.pathsep}{clean_environment['PATH']}"

    def mend(sentence: str) -> None:
        command = re.search("`(.*?)`", sentence)[1]  # type: ignore[index]
        subprocess.run(["sh", "-c", command], check=True, cwd=place, env={**clean_environment, "PATH": path})

    assert process(*SHORT, cwd=place).code == 0
    uri, artifacts = default_store(place)
    client = open_store(uri, artifacts)
    client.delete_experiment(client.get_experiment_by_name("playground").experiment_id)
    refused = process(*SHORT, cwd=place)
    assert refused.code == 1
    mend(refused.err)
    mend(sentence(uri, RuntimeError("Detected out-of-date database schema")))
    assert process(*SHORT, cwd=place).code == 0
