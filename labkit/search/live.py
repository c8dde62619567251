"""A running job's line to its trial: it reports values, and hears whether it is given up."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from labkit.config import ConfigError
from labkit.search import samplers, storage, study

_studies: dict[tuple[int, str, str], Any] = {}


@dataclass
class Handle:
    """One trial, seen from inside its job.

    Attributes:
        study: Optuna's, with the stage's pruner; None where the stage gives nothing up.
        trial_id: the storage's.
        over: the trial has been ended from outside.
    """

    study: Any
    trial_id: int
    over: bool = False

    def report(self, step: int, value: float) -> None:
        """The objective after `step` updates; a step that was reported already keeps its first value."""
        from optuna.exceptions import UpdateFinishedTrialError

        if self.study is None or self.over:
            return
        try:
            self.study._storage.set_trial_intermediate_value(self.trial_id, step, float(value))
        except UpdateFinishedTrialError:
            self.over = True

    def should_stop(self) -> bool:
        """Whether the pruner gives the trial up, or a search that began anew has ended it."""
        if self.study is None or self.over:
            return self.over
        return bool(self.study.pruner.prune(self.study, self.study._storage.get_trial(self.trial_id)))


def handle(location: str, study_name: str, number: int) -> Handle:
    """The trial `number` of a stage. The storage is opened once per process.

    Args:
        location: as in `Proposal.trial`.
        study_name: Optuna's.
        number: Optuna's.

    Raises:
        ConfigError: there is no such study, or its storage cannot be reached.
    """
    loaded = _loaded(location, study_name)
    if loaded is None:
        return Handle(None, 0)
    return Handle(loaded, loaded._storage.get_trial_id_from_study_id_trial_number(loaded._study_id, number))


def _loaded(location: str, name: str) -> Any:
    """The study with its pruner; None where it has none."""
    key = (os.getpid(), location, name)  # a forked worker needs its own
    if key not in _studies:
        if not storage.exists(location):
            raise ConfigError(f"{storage.KEY}: there is no journal {location}, which the trial was told to report to.")
        try:
            loaded = study.load(storage.opened(location), name)
        except KeyError:
            raise ConfigError(f"{storage.KEY}: {storage.hidden(location)} has no study {name!r}.") from None
        defined = study.defined(loaded)
        node = defined[0].get("pruner") if defined is not None else None
        if node is not None:
            loaded.pruner = samplers.pruner(node)
        _studies[key] = loaded if node not in (None, "nop") else None
    return _studies[key]
