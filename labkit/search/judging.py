"""Who is given up: trials that train in step are judged together, by a pruner that was made to judge one after another.

Optuna's successive halving writes down at each rung that a trial has reached it, and compares a trial with those that
did so before it was asked. So of seven trials that are asked in ascending order of their values none is given up, and
in descending order six are. Here every trial is asked on a picture of the study in which all the others have reached
what they reach at this moment, whatever the order; what each writes down in its turn is the picture of the next round,
and rounds follow until nothing changes: one for each rung that a trial passes at once, and one more.

A trial whose run was trained before takes part with its former evaluations, as if it trained now, until the pruner
would have given it up.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Container, Mapping, Sequence
from typing import Any

from labkit.search.quiet import quiet

Marks = dict[int, dict[str, Any]]  # trial id -> system attributes
_FOLLOWS, _OVER = "labkit:follows", "labkit:over"  # of a trial whose run was trained before, and once it is given up


def judge(study: Any, trial_ids: Sequence[int]) -> list[bool]:
    """Ask the study's pruner about trials that have all reported; one verdict per trial, whatever their order.

    Attempts that failed are left out of the comparison: their points are run again.

    Args:
        study: Optuna's, with its pruner.
        trial_ids: The storage's, each once.
    """
    picture = _Picture(study._storage, study._study_id, trial_ids)
    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # WilcoxonPruner's, of losses that are not finite
        seen = _study_on(picture, study)
        reached: Marks = {}
        while True:
            verdicts: dict[int, bool] = {}
            written: Marks = {}
            for trial in (*picture.asked, *picture.followers):
                picture.show(trial, reached)
                verdicts[trial._trial_id] = bool(study.pruner.prune(seen, trial))
                written[trial._trial_id] = picture.written
            if written == reached:
                break
            reached = written
        for trial in picture.followers:
            reached[trial._trial_id] |= {_OVER: True} if verdicts[trial._trial_id] else {}
        for trial_id, marks in reached.items():
            for key, value in marks.items():
                study._storage.set_trial_system_attr(trial_id, key, value)
    return [verdicts[trial_id] for trial_id in trial_ids]


def follow(study: Any, trial_id: int, values: Mapping[int, float]) -> None:
    """Let a trial whose run was trained before take part in what is judged from now on.

    Args:
        study: Optuna's.
        trial_id: The storage's.
        values: Updates done -> the objective.
    """
    for step, value in values.items():
        study._storage.set_trial_intermediate_value(trial_id, step, float(value))
    study._storage.set_trial_system_attr(trial_id, _FOLLOWS, True)


def _study_on(picture: Any, study: Any) -> Any:
    from optuna.study import Study

    return Study(study_name=study.study_name, storage=picture, sampler=study.sampler, pruner=study.pruner)


class _Picture:
    """A storage as it is at one moment, with marks on its trials; what a pruner writes stays here."""

    def __init__(self, storage: Any, study_id: int, asked: Sequence[int]) -> None:
        from optuna.trial import TrialState

        self._storage = storage
        found = storage.get_all_trials(study_id, deepcopy=False)
        counting = [trial for trial in found if trial.state != TrialState.FAIL or trial._trial_id in asked]
        self._trials = {trial._trial_id: trial for trial in counting}
        self._shown: list[Any] = []
        self.written: dict[str, Any] = {}
        self.asked = [self._trials[trial_id] for trial_id in asked]
        step = max((trial.last_step or 0 for trial in self.asked), default=0)
        others = [trial for trial in counting if trial._trial_id not in asked]
        self.followers = [_until(trial, step) for trial in others if _FOLLOWS in trial.system_attrs]
        self.followers = [trial for trial in self.followers if _OVER not in trial.system_attrs]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def show(self, to: Any, reached: Marks) -> None:
        """From now on show every trial but the one that is asked with its marks."""
        self.written = {}
        self._shown = [
            _with_marks(trial, reached[i]) if i in reached and i != to._trial_id else trial
            for i, trial in self._trials.items()
        ]

    def get_all_trials(self, study_id: int, deepcopy: bool = True, states: Container[Any] | None = None) -> list[Any]:
        """As Optuna's storages."""
        return [trial for trial in self._shown if states is None or trial.state in states]

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """As Optuna's storages, but kept for the next round."""
        self.written[key] = value


def _with_marks(trial: Any, marks: Mapping[str, Any]) -> Any:
    marked = copy.copy(trial)
    marked.system_attrs = {**trial.system_attrs, **marks}
    return marked


def _until(trial: Any, step: int) -> Any:
    early = copy.copy(trial)
    early.intermediate_values = {k: v for k, v in trial.intermediate_values.items() if k <= step}
    return early
