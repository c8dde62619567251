"""A group's evaluations go to its search before anybody is judged; a run that is reused takes part with its curve."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna
import pytest

from labkit.runs import pruning
from labkit.search import live, samplers, stages, storage
from labkit.search.search import Definition, TrialAnswer, search
from labkit.search.space import Dimension, Space
from labkit.tracking import session

HALVING = {"_target_": "optuna.pruners.SuccessiveHalvingPruner", "min_resource": 60, "reduction_factor": 2}


@pytest.mark.parametrize("rising", [True, False])
def test_members_are_given_up_together(rising: bool) -> None:
    """Seven rates, ascending and descending: the three best stay, as in Optuna's rule for seven values known."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", pruner=samplers.pruner(HALVING))
    members = [pruning.Trial(live.Handle(study, study.ask()._trial_id), "val/accuracy") for _ in range(7)]
    values = [0.1 * k if rising else 0.7 - 0.1 * k for k in range(7)]
    rows = [{"val/accuracy": value, "val/loss": 0.0} for value in values]
    assert pruning.hopeless(members, 59, rows) == []
    assert pruning.hopeless(members, 60, rows) == ([0, 1, 2, 3] if rising else [3, 4, 5, 6])


def test_who_has_ended_or_measured_nothing_takes_no_part() -> None:
    study = optuna.create_study(direction="maximize", pruner=samplers.pruner(HALVING))
    members = [pruning.Trial(live.Handle(study, study.ask()._trial_id), "val/accuracy") for _ in range(3)]
    rows: list[Any] = [None, {"val/accuracy": 0.5}, {"lr": 1.0}, {"val/accuracy": 0.9}]
    assert pruning.hopeless([*members, None], 60, rows) == []
    assert [trial.intermediate_values for trial in study.get_trials()] == [{}, {60: 0.5}, {}]


class Curves:
    """Stands for the store's tracker."""

    def histories(self, run_ids: Sequence[str], keys: Sequence[str]) -> list[dict[str, list[tuple[int, float]]]]:
        assert (list(run_ids), list(keys)) == (["r1"], ["val/accuracy"])
        return [{"val/accuracy": [(0, 0.1), (60, 0.7), (120, 0.8), (200, 0.9)]}]


def test_a_reused_run_is_told_to_its_trial_as_one_that_trains(tmp_path: Path) -> None:
    """All but the first and the last evaluation: a training job is asked about neither."""

    def evaluate(stage: str, words: Any, proposals: Sequence[Any], purpose: str) -> list[TrialAnswer]:
        place, name, number = proposals[0].trial
        told = {session.PRUNED_BY: place, session.STUDY_OF_TRIAL: name, session.TRIAL: str(number)}
        pruning.follow(Curves(), [(told, "r1"), ({}, "r2")], "val/accuracy")
        return [TrialAnswer((0.9,))]

    space = Space((Dimension("optimizer.lr", 0.1, 1.0),))
    stage = stages.read_stages({"s": {"sampler": "random", "n_trials": 1, "pruner": HALVING}})
    result = search(Definition("one", space, stage), evaluate, "journal", tmp_path)
    study = optuna.load_study(study_name="one/s", storage=storage.open_storage(result.location))
    assert study.trials[0].intermediate_values == {60: 0.7, 120: 0.8}
