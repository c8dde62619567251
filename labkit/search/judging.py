"""Trials that train in step are judged together, by a pruner that was made to judge one after another.

Optuna's successive halving writes down at each rung that a trial has reached it, and compares a trial with those that
did so before it was asked. So of seven trials that are asked in ascending order of their values none is pruned, and
in descending order six are. Here every trial is asked on a picture of the study in which all the others have reached
what they reach at this moment, whatever the order; what each writes down in its turn is the picture of the next round,
and rounds follow until nothing changes: one for each rung that a trial passes at once, and one more.

A trial whose run was trained before takes part with its former evaluations, as if it trained now, until the pruner
would have pruned it.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Container, Mapping, Sequence
from typing import TYPE_CHECKING, cast

from labkit.search.quiet import quiet
from labkit.search.space import Json

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.study import Study
    from optuna.trial import FrozenTrial, TrialState

Marks = dict[int, dict[str, Json]]  # trial id -> system attributes
_FOLLOWS, _OVER = "labkit:follows", "labkit:over"  # of a trial whose run was trained before, and once it is pruned


def judge(study: Study, trial_ids: Sequence[int]) -> list[bool]:
    """Ask the study's pruner about trials that have all reported; True for each that is to stop, whatever their order.

    Attempts that failed are left out of the comparison: their points are run again.

    Args:
        study: Study of Optuna's with its pruner.
        trial_ids: Ids of the trials in the storage, each once.
    """
    picture = _Picture(study._storage, study._study_id, trial_ids)
    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # WilcoxonPruner's, of losses that are not finite
        seen = _study_on(picture, study)
        # What a trial has reached depends on what the others have reached, so ask again until nothing changes.
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
        # Only the marks of the last round become part of the study; those of earlier ones were asked too early.
        for trial in picture.followers:
            reached[trial._trial_id] |= {_OVER: True} if verdicts[trial._trial_id] else {}
        for trial_id, marks in reached.items():
            for key, value in marks.items():
                study._storage.set_trial_system_attr(trial_id, key, value)
    return [verdicts[trial_id] for trial_id in trial_ids]


def follow(study: Study, trial_id: int, values: Mapping[int, float]) -> None:
    """Let a trial whose run was trained before take part in what is judged from now on.

    Args:
        study: Study of Optuna's.
        trial_id: Id of the trial in the storage.
        values: Number of updates done -> the objective.
    """
    for step, value in values.items():
        study._storage.set_trial_intermediate_value(trial_id, step, float(value))
    study._storage.set_trial_system_attr(trial_id, _FOLLOWS, True)


def _study_on(picture: _Picture, study: Study) -> Study:
    from optuna.study import Study

    storage = cast("BaseStorage", picture)  # it answers all of a storage's calls
    return Study(study_name=study.study_name, storage=storage, sampler=study.sampler, pruner=study.pruner)


class _Picture:
    """A storage as it is at one moment, with marks on its trials; what a pruner writes stays here."""

    def __init__(self, storage: BaseStorage, study_id: int, asked: Sequence[int]) -> None:
        from optuna.trial import TrialState

        self._storage = storage
        found = storage.get_all_trials(study_id, deepcopy=False)
        counting = [trial for trial in found if trial.state != TrialState.FAIL or trial._trial_id in asked]
        self._trials = {trial._trial_id: trial for trial in counting}
        self._shown: list[FrozenTrial] = []
        self.written: dict[str, Json] = {}
        self.asked = [self._trials[trial_id] for trial_id in asked]
        step = max((trial.last_step or 0 for trial in self.asked), default=0)
        others = [trial for trial in counting if trial._trial_id not in asked]
        self.followers = [_until(trial, step) for trial in others if _FOLLOWS in trial.system_attrs]
        self.followers = [trial for trial in self.followers if _OVER not in trial.system_attrs]

    def __getattr__(self, name: str) -> object:
        return getattr(self._storage, name)

    def show(self, to: FrozenTrial, reached: Marks) -> None:
        """Show from now on every trial but the one that is asked with its marks."""
        self.written = {}
        self._shown = [
            _with_marks(trial, reached[i]) if i in reached and i != to._trial_id else trial
            for i, trial in self._trials.items()
        ]

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Return the trials as Optuna's storages do."""
        return [trial for trial in self._shown if states is None or trial.state in states]

    def set_trial_system_attr(self, trial_id: int, key: str, value: Json) -> None:
        """Keep an attribute for the next round; the storage does not hear of it."""
        self.written[key] = value


def _with_marks(trial: FrozenTrial, marks: Mapping[str, Json]) -> FrozenTrial:
    marked = copy.copy(trial)
    marked.system_attrs = {**trial.system_attrs, **marks}
    return marked


def _until(trial: FrozenTrial, step: int) -> FrozenTrial:
    early = copy.copy(trial)
    early.intermediate_values = {k: v for k, v in trial.intermediate_values.items() if k <= step}
    return early
