"""Trials of a search: wanted, proposed, answered, and stored."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Required, TypedDict

from labkit.search.space import Point

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

PLACE, ANSWER = "place", "answer"  # user attributes of a trial: what it is, and what came of it
ENDED = ("complete", "pruned", "diverged")  # these are results; `failed` and `running` are run again


class StoredPlace(TypedDict):
    """A trial's place in its stage, as the storage keeps it; `batch` is the number of trials proposed at once."""

    key: str
    index: int
    seeds: list[int]
    batch: int


class StoredAnswer(TypedDict, total=False):
    """A `TrialAnswer` as the storage keeps it; what is empty is left out."""

    state: Required[str]
    values: list[float] | None
    spread: float
    run_ids: list[str]
    note: str


@dataclass(frozen=True)
class Proposal:
    """A trial to be run.

    Attributes:
        number: Optuna's number in the stage's study; a trial that is run again has a new one.
        index: Place in the stage, the same however often the trial is run.
        params: Searched key -> value.
        seeds: Seeds of its jobs, the trial's value their mean; empty: one job, on the configuration's own seed.
        trial: Address at which it reports and hears that it is pruned: storage, Optuna's name of the study, number.
    """

    number: int
    index: int
    params: Point
    seeds: tuple[int, ...]
    trial: tuple[str, str, int]


@dataclass(frozen=True)
class TrialAnswer:
    """Outcome of a trial.

    Attributes:
        values: One value per objective; None where there are none.
        state: `complete`, `pruned`, `diverged` or `failed`. A complete one without finite values counts as diverged.
        spread: Standard deviation of the first objective over the trial's seeds.
        run_ids: Ids of its runs.
        note: Reason of a failure.
    """

    values: tuple[float, ...] | None
    state: str = "complete"
    spread: float | None = None
    run_ids: tuple[str, ...] = ()
    note: str = ""

    def plain(self) -> StoredAnswer:
        """Return it as JSON, with the state that it counts as."""
        finite = self.values is not None and all(math.isfinite(value) for value in self.values)
        state = "diverged" if self.state == "complete" and not finite else self.state
        values = [float(value) for value in self.values or ()] if state == "complete" else None
        plain: StoredAnswer = {"state": state, "values": values}
        if self.spread:
            plain["spread"] = self.spread
        if self.run_ids:
            plain["run_ids"] = list(self.run_ids)
        if self.note:
            plain["note"] = self.note
        return plain


@dataclass(frozen=True)
class WantedTrial:
    """A trial that a stage must have.

    Attributes:
        key: Name that is unique in its stage.
        index: Place in the stage; in a confirmation the place of the candidate in the stage before.
        seeds: Seeds as in `Proposal`.
        params: Point of the trial; None: the sampler decides.
    """

    key: str
    index: int
    seeds: tuple[int, ...]
    params: Point | None = None


@dataclass(frozen=True)
class StoredTrial:
    """A trial as the storage has it, attributes as in `Proposal`, `TrialAnswer`, `WantedTrial`; it may be `running`."""

    number: int
    index: int
    key: str
    params: Point
    values: tuple[float, ...] | None
    state: str
    spread: float | None
    seeds: tuple[int, ...]
    run_ids: tuple[str, ...]
    note: str

    @property
    def ended(self) -> bool:
        """Tell whether it came to a result, even to that of having diverged."""
        return self.state in ENDED


def last_attempts(trials: Iterable[FrozenTrial]) -> dict[str, StoredTrial]:
    """Return the last attempt of each trial, by key; attempts that a kill left without their place are left out."""
    found = (_trial(trial) for trial in trials if PLACE in trial.user_attrs)
    return {trial.key: trial for trial in found}


def place(wanted: WantedTrial, at_once: int) -> StoredPlace:
    """Return the user attribute that says what a trial is.

    Args:
        wanted: Trial that begins.
        at_once: Number of trials in its batch, which the draws of a sampler that learns depend on.
    """
    return {"key": wanted.key, "index": wanted.index, "seeds": list(wanted.seeds), "batch": at_once}


def _trial(trial: FrozenTrial) -> StoredTrial:
    about: StoredPlace = trial.user_attrs[PLACE]
    running = "failed" if trial.state.is_finished() else "running"
    answer: StoredAnswer = trial.user_attrs.get(ANSWER, {"state": running})
    values = answer.get("values")
    return StoredTrial(
        number=trial.number,
        index=about["index"],
        key=about["key"],
        params=dict(trial.params),
        values=None if values is None else tuple(values),
        state=answer["state"],
        spread=answer.get("spread"),
        seeds=tuple(about["seeds"]),
        run_ids=tuple(answer.get("run_ids", ())),
        note=answer.get("note", ""),
    )
