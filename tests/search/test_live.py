"""Inside a job: values go to the search that proposed it, and the word to stop comes back."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import optuna
import pytest

from labkit.config import ConfigError
from labkit.search import live
from labkit.search.search import TrialAnswer, search
from tests.search.search_cases import definition

MEDIAN = {"_target_": "optuna.pruners.MedianPruner", "n_startup_trials": 3, "n_warmup_steps": 1}


def curve(index: int, step: int) -> float:
    """Trial 0 is the best; the later ones are worse at every step."""
    return step - index


def reporting(stopped: dict[int, int]) -> Any:
    """An evaluator whose jobs report four steps and stop when they are told to; notes where."""

    def evaluate(stage: str, words: Any, proposals: Any, purpose: str) -> list[TrialAnswer]:
        answers = []
        for proposal in proposals:
            handle = live.handle(*proposal.trial)
            answer = TrialAnswer((curve(proposal.index, 3),))
            for step in range(4):
                handle.report(step, curve(proposal.index, step))
                if handle.should_stop():
                    stopped[proposal.index] = step
                    answer = TrialAnswer(None, "pruned")
                    break
            answers.append(answer)
        return answers

    return evaluate


def test_worse_than_the_median_is_stopped(tmp_path: Path) -> None:
    stopped: dict[int, int] = {}
    one = definition({"a": {"sampler": "random", "n_trials": 8, "n_jobs": 4, "pruner": MEDIAN}})
    result = search(one, reporting(stopped), "journal", tmp_path)
    # by hand: the four of the first batch are told together; from then on all are worse, and step 0 prunes nothing
    assert stopped == dict.fromkeys(range(4, 8), 1)
    assert [trial.state for trial in result.stages[0].trials] == ["complete"] * 4 + ["pruned"] * 4


@pytest.mark.parametrize("pruner", [None, "nop"])
def test_without_a_pruner_nothing_is_reported(tmp_path: Path, pruner: str | None) -> None:
    stopped: dict[int, int] = {}
    one = definition({"a": {"sampler": "random", "n_trials": 6, "pruner": pruner}})
    result = search(one, reporting(stopped), "journal", tmp_path)
    study = optuna.load_study(study_name="kth/lambda/a", storage=live.storage.open_storage(result.location))
    assert stopped == {}
    assert all(trial.intermediate_values == {} for trial in study.trials)


def test_a_job_whose_trial_was_ended_from_outside_stops(tmp_path: Path) -> None:
    one = definition({"a": {"sampler": "random", "n_trials": 2, "pruner": "median"}})
    orphans: list[live.Handle] = []

    def evaluate(stage: str, words: Any, proposals: Any, purpose: str) -> list[TrialAnswer]:
        orphans.extend(live.handle(*proposal.trial) for proposal in proposals)
        if len(orphans) == 2:
            raise KeyboardInterrupt
        return [TrialAnswer((1.0,))] * 2

    with pytest.raises(KeyboardInterrupt):
        search(one, evaluate, "journal", tmp_path)
    search(one, evaluate, "journal", tmp_path)
    assert not orphans[0].should_stop()
    orphans[0].report(1, 0.5)
    assert orphans[0].should_stop()
    orphans[0].report(2, 0.5)


def test_a_value_that_is_not_a_number_is_given_up(tmp_path: Path) -> None:
    node = {"_target_": "optuna.pruners.ThresholdPruner", "lower": 0.0}
    heard: list[bool] = []

    def evaluate(stage: str, words: Any, proposals: Any, purpose: str) -> list[TrialAnswer]:
        handle = live.handle(*proposals[0].trial)
        for step, value in enumerate((1.0, math.nan)):
            handle.report(step, value)
            heard.append(handle.should_stop())
        return [TrialAnswer((1.0,))]

    search(definition({"a": {"sampler": "random", "n_trials": 1, "pruner": node}}), evaluate, "journal", tmp_path)
    assert heard == [False, True]


def test_a_place_without_a_study_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no journal .*none.log, which the trial was told to report to"):
        live.handle(str(tmp_path / "none.log"), "a/b", 0)
    search(definition({"a": {"sampler": "random", "n_trials": 1}}), lambda *_: [TrialAnswer((1.0,))], None, tmp_path)
    with pytest.raises(ConfigError, match=r"kth_lambda.log has no study 'kth/lambda/b'"):
        live.handle(str(tmp_path / "kth_lambda.log"), "kth/lambda/b", 0)
