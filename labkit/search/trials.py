"""A trial: what is proposed, what is answered, and what the storage remembers of both."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labkit.search.space import Point

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

PLACE, ANSWER = "place", "answer"  # user attributes of a trial: what it is, and what came of it
ENDED = ("complete", "pruned", "diverged")  # these are results; `failed` and `running` are run again


@dataclass(frozen=True)
class Proposal:
    """A trial to be run.

    Attributes:
        number: Optuna's, in the stage's study; a trial that is run again has a new one.
        index: its place in the stage, the same however often it is run.
        params: key -> value.
        seeds: one job per seed, the trial's value their mean; empty: one job, on the configuration's own seed.
        trial: where it can report and hear that it is given up: storage, Optuna's name of the study, number.
    """

    number: int
    index: int
    params: Point
    seeds: tuple[int, ...]
    trial: tuple[str, str, int]


@dataclass(frozen=True)
class TrialAnswer:
    """What came of a trial.

    Attributes:
        values: of the objectives; None where there are none.
        state: complete, pruned, diverged or failed. A complete one without finite values counts as diverged.
        spread: the standard deviation of the first objective over the trial's seeds.
        run_ids: of its runs.
        note: of a failed one: why.
    """

    values: tuple[float, ...] | None
    state: str = "complete"
    spread: float | None = None
    run_ids: tuple[str, ...] = ()
    note: str = ""

    def plain(self) -> dict[str, Any]:
        """As JSON, with the state that it counts as."""
        finite = self.values is not None and all(math.isfinite(value) for value in self.values)
        state = "diverged" if self.state == "complete" and not finite else self.state
        values = [float(value) for value in self.values or ()] if state == "complete" else None
        known = {"spread": self.spread, "run_ids": list(self.run_ids), "note": self.note}
        return {"state": state, "values": values, **{key: value for key, value in known.items() if value}}


@dataclass(frozen=True)
class WantedTrial:
    """A trial that a stage must have.

    Attributes:
        key: unique in its stage.
        index: its place in the stage; for a confirmation the place of the candidate in the stage before.
        seeds: as in `Proposal`.
        params: None: the sampler decides.
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
        """Whether it came to a result, even to that of having diverged."""
        return self.state in ENDED


def last_attempts(trials: Iterable[FrozenTrial]) -> dict[str, StoredTrial]:
    """The last attempt of each trial, by key; attempts that a kill left without their place are left out."""
    found = (_trial(trial) for trial in trials if PLACE in trial.user_attrs)
    return {trial.key: trial for trial in found}


def place(wanted: WantedTrial, at_once: int) -> dict[str, Any]:
    """The user attribute that says what a trial is.

    Args:
        wanted: the trial.
        at_once: trials of its batch, which the draws of a sampler that learns depend on.
    """
    return {"key": wanted.key, "index": wanted.index, "seeds": list(wanted.seeds), "batch": at_once}


def _trial(trial: FrozenTrial) -> StoredTrial:
    about: Mapping[str, Any] = trial.user_attrs[PLACE]
    answer: Mapping[str, Any] = trial.user_attrs.get(ANSWER, {})
    values = answer.get("values")
    return StoredTrial(
        number=trial.number,
        index=about["index"],
        key=about["key"],
        params=dict(trial.params),
        values=None if values is None else tuple(values),
        state=answer.get("state", "failed" if trial.state.is_finished() else "running"),
        spread=answer.get("spread"),
        seeds=tuple(about["seeds"]),
        run_ids=tuple(answer.get("run_ids", ())),
        note=answer.get("note", ""),
    )
