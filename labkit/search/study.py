"""A stage of a search as a study of Optuna's: its definition, its range, its trials, and those that are missing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from labkit.config import ConfigError, shown
from labkit.own_code import changed
from labkit.search import samplers
from labkit.search.quiet import quiet
from labkit.search.samplers import Node
from labkit.search.space import Json, Point, Space
from labkit.search.stages import FIXED, StageDefinition
from labkit.search.trials import (
    ANSWER,
    PLACE,
    Proposal,
    StoredAnswer,
    StoredTrial,
    TrialAnswer,
    WantedTrial,
    last_attempts,
    place,
)

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.study import Study

_DEFINITION, _RANGE = "definition", "range"  # user attributes of a study
# Versions that kept no fixed settings wrote these without meaning them, so that a difference in them proves nothing.
_UNKNOWN = ("objectives", "seeds", FIXED)
_SHOWN = 3  # settings that a sentence names


@dataclass
class StageStudy:
    """A stage in its storage; only the process that holds the search may use it.

    Attributes:
        place: Location of the storage.
        study: Study of Optuna's.
        space: Range of the stage.
        sampler: Sampler that proposes where a wanted trial has no point of its own.
        seed: Seed of the sampler.
        given_up: Keys of trials that failed in this call: a later call tries them again.
        lost: Keys of trials that ended and count no longer: they are run again, at their points.
    """

    place: str
    study: Study
    space: Space
    sampler: Node
    seed: int
    given_up: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)

    def trials(self) -> dict[str, StoredTrial]:
        """Return the last attempt of every trial, by key."""
        return last_attempts(self.study.get_trials(deepcopy=False))

    def missing(self, wanted: Sequence[WantedTrial]) -> list[WantedTrial]:
        """Return the trials without a result, each with the point of its former attempt if it had one."""
        known = self.trials()
        rows = []
        for one in wanted:
            former = known.get(one.key)
            if one.key in self.given_up or (former is not None and former.ended and one.key not in self.lost):
                continue
            again = one.params is None and former is not None and self.space.complete(former.params)
            rows.append(WantedTrial(one.key, one.index, one.seeds, former.params) if again and former else one)
        return rows

    def propose(self, batch: Sequence[WantedTrial]) -> list[Proposal]:
        """Begin a batch of trials."""
        first = len(self.study.get_trials(deepcopy=False))
        return [self._proposal(one, first + k, len(batch)) for k, one in enumerate(batch)]

    def tell(self, proposal: Proposal, wanted: WantedTrial, answer: TrialAnswer) -> None:
        """End a trial: write down its answer in one attribute, then its state."""
        # The answer goes first: a kill between the two calls leaves an open trial that `recover` ends with this answer.
        told = answer.plain()
        self.lost.discard(wanted.key)
        if told["state"] == "failed":
            self.given_up.add(wanted.key)
        with quiet():
            trial_id = self._trial_id(proposal.number)
            self.study._storage.set_trial_user_attr(trial_id, ANSWER, told)
            _end(self.study, proposal.number, told)

    def _trial_id(self, number: int) -> int:
        return self.study._storage.get_trial_id_from_study_id_trial_number(self.study._study_id, number)

    def _proposal(self, wanted: WantedTrial, number: int, at_once: int) -> Proposal:
        with quiet():
            if wanted.params is None:
                params = self._begin_by_sampler(wanted, at_once)
            else:
                params = self._begin_at(wanted, wanted.params, at_once)
        told = (self.place, str(self.study.study_name), number)
        return Proposal(number, wanted.index, params, wanted.seeds, told)

    def _begin_at(self, wanted: WantedTrial, params: Point, at_once: int) -> Point:
        """Begin a trial whose point is known; it is written down in one go."""
        from optuna.trial import TrialState, create_trial

        trial = create_trial(
            state=TrialState.RUNNING,
            params=params,
            distributions={key: self.space[key].distribution() for key in params},
            user_attrs={PLACE: place(wanted, at_once)},
        )
        self.study.add_trial(trial)
        return params

    def _begin_by_sampler(self, wanted: WantedTrial, at_once: int) -> Point:
        """Begin a trial at the point that the sampler proposes."""
        stage = str(self.study.study_name).rpartition("/")[2]
        self.study.sampler = samplers.sampler(self.sampler, self.seed, stage, wanted.index, space=self.space)
        trial = self.study.ask()
        trial.set_user_attr(PLACE, place(wanted, at_once))
        return self.space.suggest(trial)


def names(storage: BaseStorage, study: str) -> set[str]:
    """Return the names of the stages of a search that exist in a storage."""
    import optuna

    prefix = f"{study}/"
    found = optuna.get_all_study_names(storage)
    return {name.removeprefix(prefix) for name in found if name.startswith(prefix)}


def load(storage: BaseStorage, name: str) -> Study:
    """Return Optuna's study of a stage that exists."""
    import optuna

    with quiet():  # a random sampler makes nothing; the stage's own is put in its place before it is asked
        return optuna.load_study(study_name=name, storage=storage, sampler=optuna.samplers.RandomSampler())


def definition_and_range(study: Study) -> tuple[StageDefinition, Space] | None:
    """Return a stage's definition and range; None where a kill came before they were written down."""
    attributes = study.user_attrs
    if _DEFINITION not in attributes:
        return None
    return attributes[_DEFINITION], Space.from_plain(attributes[_RANGE])


def create(storage: BaseStorage, name: str, definition: StageDefinition, space: Space) -> Study:
    """Make a stage's study, and keep its definition and its range with it."""
    import optuna

    with quiet():
        study = optuna.create_study(
            study_name=name,
            storage=storage,
            directions=[optuna.study.StudyDirection[direction.upper()] for direction in definition["directions"]],
            sampler=optuna.samplers.RandomSampler(),
            load_if_exists=True,
        )
        study.set_user_attr(_RANGE, space.plain())
        study.set_user_attr(_DEFINITION, dict(definition))
    return study


def recover(study: Study) -> None:
    """End the trials that a dead process left open: with the answer where that was written down, else as failed."""
    for trial in study.get_trials(deepcopy=False):
        if not trial.state.is_finished():
            with quiet():
                _end(study, trial.number, trial.user_attrs.get(ANSWER, {"state": "failed"}))


def _end(study: Study, number: int, told: StoredAnswer) -> None:
    from optuna.trial import TrialState

    if told["state"] == "complete":
        study.tell(number, told["values"])
    else:  # of pruned trials TPE learns that they are worse than all others; of failed ones nothing
        study.tell(number, state=TrialState.FAIL if told["state"] == "failed" else TrialState.PRUNED)


def refuse_changes(study: str, stage: str, was: StageDefinition, now: StageDefinition) -> None:
    """Refuse to go on with a stage that was defined otherwise.

    Args:
        study, stage: Names of the search and its stage.
        was, now: Definitions as JSON, the stored one and that of this call.

    Raises:
        ConfigError: They differ; it says in what.
    """
    now = json.loads(json.dumps(now))  # a tuple becomes the list that the storage has
    unknown = () if FIXED in was or FIXED not in now else _UNKNOWN
    for key, value in now.items():
        if was.get(key) == value or key in unknown:
            continue
        change = f"{key} was {shown(was.get(key))}, is {shown(value)}"
        if key == "space":
            change = Space.from_plain(was["space"]).difference(Space.from_plain(now["space"]))
        elif key == "code":
            change = f"it was trained with an earlier version of {', '.join(changed(was.get('code', {}), now['code']))}"
        elif key == FIXED:
            change = _changes(was[FIXED], now[FIXED])
        if change:
            raise ConfigError(
                f"study {study!r}: its stage {stage!r} exists with another definition ({change}); take the change "
                "back, or give this search a name of its own with hydra.sweeper.study_name=..."
            )


def _changes(was: Mapping[str, Json], now: Mapping[str, Json]) -> str:
    """Say which settings changed; a key that only one side knows came or went with a version, and changes nothing."""
    found = [f"{key} was {shown(was[key])}, is {shown(now[key])}" for key in now if key in was and was[key] != now[key]]
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return ", ".join(found[:_SHOWN]) + more
