"""A running job's line to its trial: it reports values and hears whether it is given up."""

from __future__ import annotations

from functools import cache
from typing import Any

from labkit.search import samplers
from labkit.search.quiet import quiet
from labkit.search.storage import opened
from labkit.search.study import PRUNER


class Handle:
    """One trial, from inside its job."""

    def __init__(self, trial: Any) -> None:
        self._trial = trial

    def report(self, step: int, value: float) -> None:
        """The objective after `step` updates."""
        if value == value:  # a pruner cannot compare NaN
            self._trial.report(value, step)

    def should_stop(self) -> bool:
        """Whether the pruner expects no good end."""
        with quiet():
            return bool(self._trial.should_prune())


def handle(where: str, study: str, number: int) -> Handle:
    """The trial `number` of a study in the storage at `where`, which is opened once per process."""
    import optuna

    loaded = _study(where, study)
    trial_id = loaded._storage.get_trial_id_from_study_id_trial_number(loaded._study_id, number)
    return Handle(optuna.trial.Trial(loaded, trial_id))


@cache
def _study(where: str, name: str) -> Any:
    import optuna

    loaded = optuna.load_study(storage=opened(where), study_name=name)
    node = loaded.user_attrs[PRUNER]
    loaded.pruner = samplers.pruner("nop" if node is None else node)
    return loaded
