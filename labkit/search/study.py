"""A stage of a search as a study of Optuna's: its definition, its range, its trials, what is missing of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from labkit.config import ConfigError, shown
from labkit.own_code import changed
from labkit.search import samplers
from labkit.search.quiet import quiet
from labkit.search.samplers import Node
from labkit.search.space import Point, Space
from labkit.search.trials import ANSWER, PLACE, Proposal, StoredTrial, TrialAnswer, WantedTrial, last_attempts, place

_DEFINITION, _RANGE = "definition", "range"  # user attributes of a study
FIXED = "fixed settings"  # part of a definition
_UNKNOWN = ("objectives", "seeds", FIXED)  # what a version that kept no fixed settings did not write down truly
_SHOWN = 3  # settings that a sentence names


@dataclass
class StageStudy:
    """A stage in its storage. Only for who holds the search.

    Attributes:
        place: the storage's location.
        study: Optuna's.
        space: the stage's range.
        sampler: proposes where a wanted trial has no point of its own.
        seed: of the sampler.
        given_up: keys that failed in this call: a later call tries them again.
        lost: Keys of trials that ended and count no longer: they are run again, at their points.
    """

    place: str
    study: Any
    space: Space
    sampler: Node
    seed: int
    given_up: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)

    def trials(self) -> dict[str, StoredTrial]:
        """The last attempt of every trial, by key."""
        return last_attempts(self.study.get_trials(deepcopy=False))

    def missing(self, wanted: Sequence[WantedTrial]) -> list[WantedTrial]:
        """Those without a result, each with the point of its former attempt if it had one."""
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
        """End a trial: first everything that came of it in one attribute, then its state."""
        told = answer.plain()
        self.lost.discard(wanted.key)
        if told["state"] == "failed":
            self.given_up.add(wanted.key)
        with quiet():
            trial_id = self._trial_id(proposal.number)
            self.study._storage.set_trial_user_attr(trial_id, ANSWER, told)
            _end(self.study, proposal.number, told)

    def _trial_id(self, number: int) -> int:
        found: int = self.study._storage.get_trial_id_from_study_id_trial_number(self.study._study_id, number)
        return found

    def _proposal(self, wanted: WantedTrial, number: int, at_once: int) -> Proposal:
        with quiet():
            if wanted.params is None:
                params = self._begin_where_sampled(wanted, at_once)
            else:
                params = self._begin_at(wanted, wanted.params, at_once)
        told = (self.place, str(self.study.study_name), number)
        return Proposal(number, wanted.index, params, wanted.seeds, told)

    def _begin_at(self, wanted: WantedTrial, params: Point, at_once: int) -> Point:
        """Begin a trial whose point is known: written down in one go."""
        from optuna.trial import TrialState, create_trial

        trial = create_trial(
            state=TrialState.RUNNING,
            params=params,
            distributions={key: self.space[key].distribution() for key in params},
            user_attrs={PLACE: place(wanted, at_once)},
        )
        self.study.add_trial(trial)
        return params

    def _begin_where_sampled(self, wanted: WantedTrial, at_once: int) -> Point:
        """Begin a trial at the point that the sampler proposes."""
        stage = str(self.study.study_name).rpartition("/")[2]
        self.study.sampler = samplers.sampler(self.sampler, self.seed, stage, wanted.index, space=self.space)
        trial = self.study.ask()
        trial.set_user_attr(PLACE, place(wanted, at_once))
        return self.space.suggest(trial)


def names(storage: Any, study: str) -> set[str]:
    """The stages of a search that exist in a storage."""
    import optuna

    prefix = f"{study}/"
    found = optuna.get_all_study_names(storage)
    return {name.removeprefix(prefix) for name in found if name.startswith(prefix)}


def load(storage: Any, name: str) -> Any:
    """Optuna's study of a stage that exists."""
    import optuna

    with quiet():
        return optuna.load_study(study_name=name, storage=storage, sampler=optuna.samplers.RandomSampler())


def definition_and_range(study: Any) -> tuple[dict[str, Any], Space] | None:
    """A stage's definition and range; None where a kill came before they were written down."""
    attributes = study.user_attrs
    if _DEFINITION not in attributes:
        return None
    return attributes[_DEFINITION], Space.from_plain(attributes[_RANGE])


def create(storage: Any, name: str, definition: Mapping[str, Any], space: Space) -> Any:
    """Make a stage's study, and keep its definition and its range with it."""
    import optuna

    with quiet():
        study = optuna.create_study(
            study_name=name,
            storage=storage,
            directions=definition["directions"],
            sampler=optuna.samplers.RandomSampler(),
            load_if_exists=True,
        )
        study.set_user_attr(_RANGE, space.plain())
        study.set_user_attr(_DEFINITION, dict(definition))
    return study


def recover(study: Any) -> None:
    """End what a dead process left open: with its answer where that was written down already, else as failed."""
    for trial in study.get_trials(deepcopy=False):
        if not trial.state.is_finished():
            with quiet():
                _end(study, trial.number, trial.user_attrs.get(ANSWER, {"state": "failed"}))


def _end(study: Any, number: int, told: Mapping[str, Any]) -> None:
    from optuna.trial import TrialState

    if told["state"] == "complete":
        study.tell(number, told["values"])
    else:  # of pruned trials TPE learns that they are worse than all others; of failed ones nothing
        study.tell(number, state=TrialState.FAIL if told["state"] == "failed" else TrialState.PRUNED)


def refuse_changes(study: str, stage: str, was: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise ConfigError where a stage was defined otherwise, saying what is different.

    Args:
        study, stage: their names.
        was, now: definitions as JSON.
    """
    now = json.loads(json.dumps(now))
    unknown = () if FIXED in was or FIXED not in now else _UNKNOWN
    for key, value in now.items():
        if was.get(key) == value or key in unknown:
            continue
        change = f"{key} was {shown(was.get(key))}, is {shown(value)}"
        if key == "space":
            change = Space.from_plain(was[key]).difference(Space.from_plain(value))
        elif key == "code":
            change = f"it was trained with an earlier version of {', '.join(changed(was.get(key, {}), value))}"
        elif key == FIXED:
            change = _changes(was[key], value)
        if change:
            raise ConfigError(
                f"study {study!r}: its stage {stage!r} exists with another definition ({change}); take the change "
                "back, or give this search a name of its own with hydra.sweeper.study_name=..."
            )


def _changes(was: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Say which settings changed; a key that only one side knows came or went with a version, and changes nothing."""
    found = [f"{key} was {shown(was[key])}, is {shown(now[key])}" for key in now if key in was and was[key] != now[key]]
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return ", ".join(found[:_SHOWN]) + more
