"""What is said where the jobs of a multirun failed, and where its sweeper or launcher is not there."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from labkit import cli
from labkit.multirun.grid_sweep import JobsFailed, complain
from labkit.multirun.runner import Answer
from labkit.search.results import SearchFailed, StageResult
from labkit.search.trials import StoredTrial
from tests.stored import job_plan

JOBS = [job_plan(words=(f"seed={seed}",)) for seed in range(2)]
FAILED = [Answer(None, "FAILED", error=ArithmeticError(f"no {seed}")) for seed in range(2)]


def test_every_failure_is_named_and_the_first_is_the_cause(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(JobsFailed, match="2 of 2 jobs failed") as raised:
        complain(JOBS, FAILED, 0.0)
    assert raised.value.__cause__ is FAILED[0].error
    said = capsys.readouterr().err
    assert said == "failed: seed=0: ArithmeticError: no 0\nfailed: seed=1: ArithmeticError: no 1\n"


@pytest.mark.parametrize("error", [JobsFailed("2 of 2 jobs failed."), SearchFailed("no trial came to a value.")])
def test_a_sweep_that_failed_ends_with_a_sentence_and_exit_code_1(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def start() -> None:
        raise error

    monkeypatch.setattr(cli, "_start", start)
    monkeypatch.setattr(sys, "argv", ["labkit"])
    monkeypatch.setenv("HYDRA_FULL_ERROR", "")
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert (left.value.code, capsys.readouterr().err) == (1, f"labkit: {error}\n")


def test_a_search_that_diverged_everywhere_says_what_helps() -> None:
    trials = tuple(StoredTrial(i, i, str(i), {}, None, "diverged", None, (), (), "") for i in range(2))
    with pytest.raises(SearchFailed, match=r"\(2 diverged\); a diverging loss asks for smaller learning rates\.$"):
        StageResult("search", None, (), trials).best_first(["maximize"])


OWN = {
    "sweeps/copied.yaml": "# @package _global_\ndefaults:\n  - override /hydra/sweeper: optuna\nhydra:\n"
    "  mode: MULTIRUN\n  sweeper:\n    _target_: hydra_plugins.hydra_optuna_sweeper.optuna_sweeper.OptunaSweeper\n",
    "sweeps/misspelt.yaml": "# @package _global_\nhydra:\n  mode: MULTIRUN\n"
    "  sweeper:\n    _target_: hydra_plugins.labkit.grid_sweeper.GridSweper\n",
    "hydra/launcher/mine.yaml": "_target_: hydra_plugins.mine.Launcher\n",
}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sweeps=copied"], "leave _target_ out and write 'override /hydra/sweeper: optuna'"),
        (["sweeps=misspelt"], "did you mean 'hydra_plugins.labkit.grid_sweeper.GridSweeper'"),
        (["-m", "hydra/launcher=mine", "seed=0,1"], "hydra.launcher._target_: 'hydra_plugins.mine.Launcher'"),
    ],
)
def test_a_plugin_that_is_not_there_is_one_sentence(labkit: Any, tmp_path: Path, words: list[str], said: str) -> None:
    for name, text in OWN.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    answer = labkit("-cd", str(tmp_path), *words)
    assert (answer.code, answer.files, answer.err.count("\n")) == (2, [], 1)
    assert said in answer.err
