"""A word that changes nothing is an error that names the nearest that would; what is given twice counts once."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from labkit.compose import compose
from labkit.config import ConfigError
from labkit.multirun.unread_words import check_run, check_task
from labkit.tasks.compare import _rows
from labkit.tracking.rows import RunRow
from tests.stored import run_row

CONFIGS = {
    "sweeps/one.yaml": "# @package _global_\nhydra:\n  mode: MULTIRUN\n  sweeper:\n    params:\n      seed: 1,2\n",
    "sweeps/two.yaml": "# @package _global_\nhydra:\n  mode: MULTIRUN\n  sweeper:\n    params:\n      seed: 3,4\n",
    "sweeps/search.yaml": "# @package _global_\ndefaults:\n  - override /hydra/sweeper: optuna\n"
    "hydra:\n  sweeper:\n    baseline: seed=1\n    params:\n      optimizer.lr: 0.1,0.2\n",
    "experiment/later.yaml": "# @package _global_\nseed: 7\n",
    "experiment/latest.yaml": "# @package _global_\nseed: 9\n",
    "experiment/several.yaml": "# @package _global_\nseeds: 3\n",
    "hydra/sweeper/short.yaml": "_target_: hydra_plugins.labkit.grid_sweeper.GridSweeper\nsample: 3\n",
}

# Words -> what the sentence must contain, in this order.
UNREAD = {
    # tasks
    "task=compare optimizer.lr=0.1": ["optimizer.lr=0.1: task=compare", "valid: paths.data", "task.metric"],
    "task=compare lab=kth": ["lab=kth", "did you mean 'task.lab'"],
    "task=compare experiment=kth/ex3": ["experiment=kth/ex3", "task=compare"],
    "task=compare +model.width=3": ["+model.width=3", "task=compare"],
    "-m task=compare optimizer.lr=0.1,0.2": ["optimizer.lr=0.1,0.2", "task=compare"],
    "ui optimizer.lr=3": ["optimizer.lr=3: task=ui", "valid: paths.data"],
    "task=check model=mlp": ["model=mlp", "task=check", "task.only"],
    "task=principles seed=3": ["seed=3", "task=principles"],
    "task=report optimizer=adam": ["optimizer=adam", "task=report", "task.file"],
    "task=info profile=smoke": ["profile=smoke", "task=lab"],
    "profile=full": ["profile=full", "task=lab"],
    # schedules that set the rate themselves
    "schedule=cyclic optimizer.lr=0.1": ["optimizer.lr=0.1", "schedule=cyclic", "did you mean 'schedule.lr_max'"],
    "schedule=range_test ++optimizer.lr=0.1": ["optimizer.lr=0.1", "schedule=range_test", "'schedule.lr_max'"],
    "-m schedule=constant,cyclic optimizer.lr=0.1": ["job 1 (schedule=cyclic", "'schedule.lr_max'"],
    # keys of models that nothing in them reads
    "+model.width=3": ["+model.width=3", "this model does not read it", "model.hidden"],
    "-m model=mlp,softmax ++model.hidden=3": ["job 1", "++model.hidden=3", "model.max_hidden_units"],
    "model=softmax ++model.dropout=0.3": ["++model.dropout=0.3", "this model does not read it", "model.max"],
    # sweepers and launchers
    "-m hydra/sweeper=basic seed=0,1 hydra.sweeper.max_batch_size=0": ["max_batch_size", "at least 1", "0"],
    "-m seed=0,1 hydra.sweeper.max_batch_size=0": ["max_batch_size", "at least 1", "0"],
    "-m seed=0,1 hydra.sweeper.max_batch_size=x": ["max_batch_size", "'x'"],
    "-m seed=0,1 'hydra.sweeper.params={{seed: [1]}}'": ["hydra.sweeper.params", "expected +hydra.sweeper.params"],
    "hydra/launcher=joblib": ["hydra/launcher=joblib", "a single run does not read it", "-m"],
    "hydra.sweeper.baseline=x": ["hydra.sweeper.baseline=x", "a single run does not read it"],
    "-m seed=0,1 hydra.sweeper.n_trials=3": ["'hydra.sweeper.n_trials'", "only with hydra/sweeper=optuna", "samples"],
    "-m seed=0,1 hydra.sweeper.sample=3": ["'hydra.sweeper.sample'", "did you mean 'hydra.sweeper.samples'"],
    "-m seed=0,1 +hydra.sweeper.foo=3": ["hydra.sweeper.foo", "valid: baseline"],
    "-m seed=0,1 hydra.sweeper.sample_seed=3": ["hydra.sweeper.sample_seed=3", "hydra.sweeper.samples"],
    "-m seed=0,1 hydra.launcher.n_jobs=3": ["'hydra.launcher.n_jobs'", "hydra/launcher=joblib", "processes"],
    "-m hydra/sweeper=optuna hydra.sweeper.baseline=x": ["'hydra.sweeper.baseline'", "hydra/sweeper=grid", "sampler"],
    "-m hydra/sweeper=optuna hydra.sweeper.rerun=true": ["'hydra.sweeper.rerun'", "hydra/sweeper=grid"],
    "-m hydra/sweeper=optuna hydra.sweeper.max_batch_size=2": ["max_batch_size", "hydra/sweeper=grid"],
    "-m seed=0,1 hydra/sweeper=basic hydra.sweeper.samples=3": ["'hydra.sweeper.samples'", "hydra/sweeper=grid"],
    "sweeps=demo hydra.sweeper.n_trials=4": [
        "every stage has its own n_trials",
        "hydra.sweeper.stages.coarse.n_trials",
    ],
    "sweeps=demo hydra/sweeper/sampler=tpe": ["every stage has its own sampler", "stages.coarse.sampler"],
    "-cd {own} sweeps=search": ["sweeps/search.yaml", "'hydra.sweeper.baseline'", "only with hydra/sweeper=grid"],
    "-cd {own} -m hydra/sweeper=short seed=0,1": ["hydra.sweeper.sample", "did you mean 'samples'"],
    # what a job brings for all
    "-cd {own} -m sweeps=one,two": ["job 0 (sweeps=one)", "is a sweep and no job of one", "labkit sweeps=one"],
    "-cd {own} -m sweeps=null,two": ["sweeps", "null"],
    "-cd {own} -m experiment=later,several": ["job 1 (experiment=several)", "seeds: 3 of this job alone", "seeds=3"],
    "-m seeds=2,3": ["job 0 (seeds=2)", "seeds", "once for all jobs"],
    "-m hydra/sweeper=basic seed=0,1 seeds=2": ["seeds: 2", "hydra/sweeper=grid"],
    "-m hydra/sweeper=basic seed=0,0": ["seed=0", "given twice"],
    "-m hydra/sweeper=optuna seed=0,1 seeds=2": ["seed", "seeds=2", "one value"],
}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    for name, text in CONFIGS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize("words", UNREAD)
def test_a_word_that_changes_nothing_is_refused(labkit: Any, own: Path, words: str) -> None:
    answer = labkit(*shlex.split(words.format(own=own)))
    assert answer.code == 2, (answer.err, answer.out)
    assert answer.files == []
    (sentence,) = [line for line in answer.err.splitlines() if line.startswith("labkit: ")]
    place = -1
    for part in UNREAD[words]:
        assert part in sentence[place + 1 :], (part, sentence)
        place = sentence.index(part, place + 1)


@pytest.mark.parametrize(
    ("words", "seeds"),
    [
        ("-m seed=0,5 seeds=2", [0, 1, 5, 6]),
        ("-m seed=0,1 seeds=2", [0, 1, 2]),
        ("-m seed=3 seeds=3", [3, 4, 5]),
        ("-m seeds=2", [0, 1]),
        ("-m seed=0,0", [0]),
        ("-m 'seed=range(4,0,-2)'", [4, 2]),
        ("-cd {own} -m experiment=later,latest seeds=2", [7, 8, 9, 10]),
        ("-cd {own} -m experiment=later,latest seed=1 seeds=2", [1, 2]),
    ],
)
def test_every_seed_is_trained_once(labkit: Any, own: Path, words: str, seeds: list[int]) -> None:
    answer = labkit(*shlex.split(words.format(own=own)), "hydra.sweeper.dry_run=true")
    assert answer.code == 0, answer.err
    jobs = [line.split() for line in answer.out.splitlines()[:-1]]
    found = [int(word.removeprefix("seed=")) for job in jobs for word in job if word.startswith("seed=")]
    assert found == seeds
    assert f"{len(seeds)} jobs" in answer.out


def test_equal_values_in_other_spellings_are_one_job_and_said(labkit: Any) -> None:
    answer = labkit("-m", "optimizer.lr=0.1,1e-1,0.2", "hydra.sweeper.dry_run=true")
    assert answer.err == "given twice, trained once: optimizer.lr=0.1\n"
    assert "2 jobs" in answer.out


def test_jobs_that_differ_in_their_name_alone_are_two(labkit: Any) -> None:
    assert "2 jobs" in labkit("-m", "name=a,b", "hydra.sweeper.dry_run=true").out


def test_the_dry_run_shows_what_a_range_came_to(labkit: Any) -> None:
    out = labkit("-m", "optimizer.lr=range(0.1,0.4,0.1)", "hydra.sweeper.dry_run=true").out
    assert [line.split()[-1] for line in out.splitlines()[:-1]] == [f"optimizer.lr={x}" for x in (0.1, 0.2, 0.3)]


@pytest.mark.parametrize("words", ["task=compare task.lab=x paths.root=y", "task=check tracker=none", "task=report"])
def test_what_a_task_reads_may_be_given(words: str) -> None:
    config = compose(words.split())
    config.hydra.overrides.task = words.split()
    check_task(config)


@pytest.mark.parametrize(
    "words",
    ["schedule=cosine optimizer.lr=1", "schedule=cyclic schedule.lr_max=1", "model=cnn model.hidden=5"],
)
def test_what_a_run_reads_may_be_given(words: str) -> None:
    check_run(words.split(), compose(words.split()))


def row(lab: str, *metrics: str, **tags: str) -> RunRow:
    return run_row("r", tags, experiment=lab, metrics=dict.fromkeys(metrics, 0.5))


def test_compare_names_the_metric_and_the_lab_that_the_runs_have() -> None:
    rows = [row("kth", "val/accuracy"), row("bgu", "val/loss")]
    assert _rows(rows, "store", None, "val/loss") == rows
    assert _rows(rows, "store", "kth", "val/accuracy") == rows[:1]
    with pytest.raises(ConfigError, match=r"task.metric: no run has 'val/acc', did you mean 'val/accuracy'\?"):
        _rows(rows, "store", None, "val/acc")
    with pytest.raises(ConfigError, match=r"task.metric: no run has 'val/loss', did you mean|valid: val/accuracy"):
        _rows(rows, "store", "kth", "val/loss")
    with pytest.raises(ConfigError, match=r"task.lab: there are no runs of lab 'kht' in store, did you mean 'kth'\?"):
        _rows(rows, "store", "kht", "val/loss")
