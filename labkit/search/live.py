"""Running jobs and their trials: a job reports values, and hears whether its trial is pruned."""

from __future__ import annotations

import os
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labkit.config import ConfigError
from labkit.search import judging, samplers, storage, study

if TYPE_CHECKING:
    from optuna.study import Study

_studies: dict[tuple[int, str, str], Study | None] = {}  # of this process, by (process id, location, name)


@dataclass
class Handle:
    """One trial, seen from inside its job.

    Attributes:
        study: Study of Optuna's with the stage's pruner; None where the stage prunes nothing.
        trial_id: Id of the trial in the storage.
        over: True once the trial has been ended from outside.
    """

    study: Study | None
    trial_id: int
    over: bool = False

    def report(self, step: int, value: float) -> None:
        """Report the objective after `step` updates; a step that was reported already keeps its first value."""
        from optuna.exceptions import UpdateFinishedTrialError

        if self.study is None or self.over:
            return
        try:
            self.study._storage.set_trial_intermediate_value(self.trial_id, step, float(value))
        except UpdateFinishedTrialError:
            self.over = True

    def should_stop(self) -> bool:
        """Tell whether the pruner stops the trial, or a search that began anew has ended it."""
        return verdicts([self])[0]

    def follow(self, values: Mapping[int, float]) -> None:
        """Take part with the evaluations of a run that was trained before: updates done -> the objective."""
        if self.study is not None:
            judging.follow(self.study, self.trial_id, values)


def report(handles: Sequence[Handle], step: int, values: Sequence[float]) -> None:
    """Tell the objective of jobs that train in step, after `step` updates; the seeds of one trial tell their mean."""
    owners: dict[tuple[int, int], list[int]] = {}
    for i, one in enumerate(handles):
        owners.setdefault(_trial(one), []).append(i)
    for own in owners.values():
        first = handles[own[0]]
        first.report(step, statistics.fmean(values[i] for i in own))
        for i in own:
            handles[i].over = first.over


def verdicts(handles: Sequence[Handle]) -> list[bool]:
    """Return for each job whether it is to stop, once all have reported; those of one stage are judged together."""
    verdicts: dict[tuple[int, int], bool] = {}
    studies = {id(one.study): one.study for one in handles if one.study is not None}
    for key, loaded in studies.items():
        own = dict.fromkeys(one.trial_id for one in handles if one.study is loaded and not one.over)
        told = judging.judge(loaded, list(own)) if own else []
        verdicts |= {(key, trial_id): verdict for trial_id, verdict in zip(own, told, strict=True)}
    return [one.over or verdicts.get(_trial(one), False) for one in handles]


def _trial(one: Handle) -> tuple[int, int]:
    return id(one.study), one.trial_id


def handle(location: str, study_name: str, number: int) -> Handle:
    """Return the trial `number` of a stage. The storage is opened once per process.

    Args:
        location: Address of the storage, from `Proposal.trial`.
        study_name: Optuna's name of the study.
        number: Optuna's number of the trial.

    Raises:
        ConfigError: There is no such study, or its storage cannot be reached.
    """
    loaded = _study_that_prunes(location, study_name)
    if loaded is None:
        return Handle(None, 0)
    return Handle(loaded, loaded._storage.get_trial_id_from_study_id_trial_number(loaded._study_id, number))


def _study_that_prunes(location: str, name: str) -> Study | None:
    """Return the study with its pruner; None where it has none."""
    key = (os.getpid(), location, name)  # a forked worker needs its own
    if key not in _studies:
        if not storage.exists(location):
            raise ConfigError(f"{storage.KEY}: there is no journal {location}, which the trial was told to report to.")
        try:
            loaded = study.load(storage.open_storage(location), name)
        except KeyError:
            raise ConfigError(f"{storage.KEY}: {storage.hidden(location)} has no study {name!r}.") from None
        defined = study.definition_and_range(loaded)
        node = defined[0].get("pruner") if defined is not None else None
        if node is not None:
            loaded.pruner = samplers.pruner(node)
        _studies[key] = loaded if node not in (None, "nop") else None
    return _studies[key]
