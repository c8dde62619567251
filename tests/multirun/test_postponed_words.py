"""A key that only some options of a group have is judged against each job of a multirun."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from labkit.multirun.postponed_words import postpone, restore

BOTH = "optimizer=momentum,nesterov "
OWN = "# @package _global_\nhydra:\n  mode: MULTIRUN\n  sweeper:\n    params:\n      optimizer: momentum,nesterov\n"


def listed(answer: Any) -> list[str]:
    """The jobs of a dry run."""
    assert answer.code == 0, answer.err
    return [line.split("  ")[-1] for line in answer.out.splitlines() if "optimizer=" in line]


@pytest.mark.parametrize("words", [BOTH, "'optimizer=choice(momentum,nesterov)' ", "'optimizer=glob([mom*,nest*])' "])
def test_a_key_of_all_chosen_options_reaches_every_job(labkit: Any, words: str) -> None:
    answer = labkit("-m", *shlex.split(words + "optimizer.momentum=0.8 hydra.sweeper.dry_run=true"))
    assert listed(answer) == [f"optimizer={name} optimizer.momentum=0.8" for name in ("momentum", "nesterov")]


@pytest.mark.parametrize("words", ["", "seed=1 ", BOTH])
def test_a_sweep_file_may_choose_the_options(labkit: Any, tmp_path: Path, words: str) -> None:
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps" / "own.yaml").write_text(OWN)
    given = shlex.split(words + "optimizer.momentum=0.8 hydra.sweeper.dry_run=true")
    answer = labkit("-cd", str(tmp_path), "sweeps=own", *given)
    assert [line.count("optimizer.momentum=0.8") for line in listed(answer)] == [1, 1]


@pytest.mark.parametrize("sweeper", ["grid", "basic", "optuna"])
@pytest.mark.parametrize("options", ["sgd,momentum", "momentum,sgd", "choice(momentum,sgd,nesterov)", "glob(*)"])
def test_the_job_whose_option_lacks_the_key_is_named(labkit: Any, options: str, sweeper: str) -> None:
    answer = labkit("-m", f"hydra/sweeper={sweeper}", f"optimizer={options}", "optimizer.momentum=0.8")
    assert answer.code == 2
    assert answer.files == []
    (sentence,) = answer.err.splitlines()
    option = "adam" if options == "glob(*)" else "sgd"
    job, _, said = sentence.partition("): ")
    assert f"optimizer={option}" in job
    assert "unknown key 'optimizer.momentum': it exists only with optimizer=momentum" in said


def test_a_single_run_still_refuses_the_key(labkit: Any) -> None:
    assert "exists only with" in labkit("optimizer.momentum=0.8").err


@pytest.mark.parametrize(
    "value", ["0.8", "null", "relu", "[8,8]", "{a: 1, b: [x,'y,z']}", "'it is, ok'", "${seed}", "a,b", "true", ""]
)
def test_what_is_postponed_comes_back_as_it_was_given(value: str) -> None:
    words = ["optimizer=momentum,nesterov", f"optimizer.momentum={value}", "seed=3"]
    later = postpone(words, multirun=True)
    swept = value == "a,b"  # Hydra leaves it to the sweeper anyway
    assert (later is None) == swept
    config = OmegaConf.create({"hydra": {"overrides": {"task": later or words}}})
    restore(config)
    assert list(OmegaConf.to_container(config.hydra.overrides.task, resolve=False)) == words


def test_only_multiruns_postpone() -> None:
    assert postpone(["optimizer.momentum=0.8"]) is None
    assert postpone(["model=nope", "optimizer.momentum=0.8"], multirun=True) is None
