"""One stage of a search as one Optuna study: what is missing of its budget, and what came of the rest."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from labkit.config import ConfigError
from labkit.search import draws, samplers
from labkit.search.quiet import quiet
from labkit.search.space import Point, Space
from labkit.search.stages import Stage

# User attributes: of trials, and of studies.
_NOTE = "labkit"
_DEFINITION, _RANGE, PRUNER, _CANDIDATES = "labkit.definition", "labkit.range", "labkit.pruner", "labkit.candidates"


@dataclass(frozen=True)
class Proposal:
    """A trial to be run.

    Attributes:
        number: Optuna's, in the stage's study; a trial that is run again has a new one.
        index: its place in the stage, the same again.
        params: the point.
        seeds: train one job on each, the value is their mean; empty: one job, with its own seed.
        trial: (storage's location, the study's name in it, number), for `labkit.search.live.handle`.
    """

    number: int
    index: int
    params: Point
    seeds: tuple[int, ...]
    trial: tuple[str, str, int]


@dataclass(frozen=True)
class Answer:
    """What came of a trial.

    Attributes:
        values: of the objectives; None without any.
        state: complete, pruned, diverged or failed; complete with a value that is not finite counts as diverged.
        spread: the sample standard deviation of the first objective over the seeds.
        run_ids: of its runs.
        note: why it failed.
    """

    values: tuple[float, ...] | None
    state: str = "complete"
    spread: float | None = None
    run_ids: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Trial:
    """A trial that has ended, as the storage remembers it; fields as of `Proposal` and `Answer`."""

    number: int
    index: int
    params: Point
    values: tuple[float, ...] | None
    state: str
    spread: float | None = None
    run_ids: tuple[str, ...] = ()
    note: str = ""


@dataclass
class StageStudy:
    """A stage in its storage; whoever has it open holds the search.

    Attributes:
        stage: its definition.
        space: its range.
        seed: of the samplers.
        where: the storage's location.
        study: Optuna's.
    """

    stage: Stage
    space: Space
    seed: int
    where: str
    study: Any
    _attempted: set[int] = field(default_factory=set)
    _asked: dict[int, Any] = field(default_factory=dict)

    @cached_property
    def _points(self) -> list[Point]:
        """Of a sampler that learns nothing, all of them."""
        stage = self.stage
        seed = samplers.seed_of(stage.sampler, self.seed)
        return draws.points(samplers.kind(stage.sampler), self.space, stage.n_trials, seed, stage.name)

    @property
    def name(self) -> str:
        """Optuna's name of the study."""
        return str(self.study.study_name)

    @property
    def budget(self) -> int:
        """Trials of the stage in all."""
        return budget(self.stage, self.space)

    def recover(self) -> None:
        """End the trials that a dead process left open: their places are free again."""
        import optuna

        states = optuna.trial.TrialState
        for trial in self.study.get_trials(deepcopy=False):
            if trial.state in (states.RUNNING, states.WAITING):
                self.study.tell(trial.number, state=states.FAIL)

    def trials(self) -> list[Trial]:
        """The last attempt at every place that has one with an end."""
        return finished(self.study)

    def missing(self) -> list[int]:
        """Places of the budget without an end that counts; what failed in this call is not tried again in it."""
        done = {t.index for t in self.trials() if t.state != "failed"} | self._attempted
        return [index for index in range(self.budget) if index not in done]

    def ask(self) -> list[Proposal]:
        """The next trials: all that are missing, or as many as a sampler that learns proposes at once."""
        stage, missing = self.stage, self.missing()
        wanted = missing[: samplers.batch(stage.sampler, stage.pruner, stage.n_jobs, len(missing))]
        known = _points(self.study)
        return [self._propose(index, known.get(index)) for index in wanted]

    def tell(self, proposal: Proposal, answer: Answer) -> None:
        """Remember what came of a trial."""
        import optuna

        self._attempted.add(proposal.index)
        state, values = answer.state, answer.values
        if state == "complete" and (values is None or not all(map(math.isfinite, values))):
            state = "diverged"
        trial = self._asked.pop(proposal.number)
        told = {"state": state, "spread": answer.spread, "runs": list(answer.run_ids), "note": answer.note}
        trial.set_user_attr(_NOTE, {"index": proposal.index, **told})
        if state == "complete" and values is not None:
            self.study.tell(trial, list(values))
            return
        several = len(self.study.directions) > 1
        states = optuna.trial.TrialState  # of pruned trials TPE learns that they are the worst
        self.study.tell(trial, state=states.FAIL if state == "failed" or several else states.PRUNED)

    def candidates(self, points: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """What a confirmation is about: what the first call found, whatever a later one finds."""
        if _CANDIDATES not in self.study.user_attrs:
            self.study.set_user_attr(_CANDIDATES, [dict(point) for point in points])
        found: list[dict[str, Any]] = self.study.user_attrs[_CANDIDATES]
        return found

    def _propose(self, index: int, point: Point | None) -> Proposal:
        stage = self.stage
        if samplers.kind(stage.sampler):
            point = self._points[index]
        else:
            self.study.sampler = samplers.sampler(stage.sampler, self.seed, stage.name, index)
        with quiet():
            if point is not None:
                self.study.enqueue_trial(point)
            trial = self.study.ask()
            params = self.space.suggest(trial)
        trial.set_user_attr(_NOTE, {"index": index})
        self._asked[trial.number] = trial
        return Proposal(trial.number, index, params, (), (self.where, self.name, trial.number))


def open_stage(
    storage: Any, where: str, study: str, stage: Stage, declared: Space, current: Space, rules: Mapping[str, Any]
) -> StageStudy:
    """The stage's study, made if there is none.

    Args:
        storage: Optuna's, opened at
        where: its location.
        study: the name of the search.
        stage: its definition.
        declared: the space of the search; an earlier call must have had the same.
        current: the stage's own range; an earlier call's is kept.
        rules: `directions` of the objectives and `seed` of the samplers.

    Raises:
        ConfigError: an earlier call defined the stage otherwise; the difference is said.
    """
    import optuna

    with quiet():
        found = optuna.create_study(
            storage=storage,
            study_name=f"{study}/{stage.name}",
            directions=list(rules["directions"]),
            sampler=optuna.samplers.RandomSampler(seed=0),
            load_if_exists=True,
        )
    definition = {
        "sampler": stage.sampler,
        "overrides": list(stage.overrides),
        "seeds": stage.seeds,
        "pruner": stage.pruner,
        "seed": rules["seed"],
        "directions": list(rules["directions"]),
    }
    attributes = found.user_attrs
    if _DEFINITION in attributes:
        _refuse_changes(study, stage, attributes[_DEFINITION], definition, declared)
        current = Space.from_plain(attributes[_RANGE])
    else:
        found.set_user_attr(_RANGE, current.plain())
        found.set_user_attr(PRUNER, stage.pruner)
        found.set_user_attr(_DEFINITION, {**definition, "space": declared.plain()})
    opened = StageStudy(stage, current, rules["seed"], where, found)
    opened.recover()
    return opened


def _refuse_changes(study: str, stage: Stage, before: dict[str, Any], now: dict[str, Any], declared: Space) -> None:
    space = Space.from_plain(before["space"]).difference(declared)
    changes = [f"{key} was {before.get(key)}, is {now[key]}" for key in now if before.get(key) != now[key]]
    if space or changes:
        raise ConfigError(
            f"study {study!r} exists with another stage {stage.name!r}: {'; '.join(filter(None, [space, *changes]))}; "
            "take it back, or give this search a name of its own (hydra.sweeper.study_name)."
        )


def budget(stage: Stage, space: Space) -> int:
    """Trials of a stage in all: a grid may hold fewer than its budget allows."""
    return len(draws.grid(space, stage.n_trials)) if samplers.kind(stage.sampler) == "grid" else stage.n_trials


def finished(study: Any) -> list[Trial]:
    """The last attempt at every place of a stage, in order, of those that have one with an end."""
    found = {t.index: t for t in map(_ended, study.get_trials(deepcopy=False)) if t is not None}
    return [found[index] for index in sorted(found)]


def _ended(trial: Any) -> Trial | None:
    note = trial.user_attrs.get(_NOTE, {})
    state = note.get("state")
    if state is None or (state == "complete" and trial.values is None):  # killed before, or between note and value
        return None
    values = tuple(trial.values) if state == "complete" else None
    runs = tuple(note["runs"])
    return Trial(trial.number, note["index"], dict(trial.params), values, state, note["spread"], runs, note["note"])


def _points(study: Any) -> dict[int, Point]:
    """The newest point of every place, for those that must be run again."""
    trials = study.get_trials(deepcopy=False)
    return {trial.user_attrs[_NOTE]["index"]: dict(trial.params) for trial in trials if _NOTE in trial.user_attrs}
