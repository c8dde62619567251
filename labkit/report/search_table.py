"""A whole search as one sorted table: stage after stage from the final one back to the first, best trial first."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from labkit.report.ranked_entries import Entry, differing, entries, ranks
from labkit.report.sheet import NOTHING
from labkit.report.statistics import summarise
from labkit.tracking.quantities import is_maximised
from labkit.tracking.rows import IGNORED, SEED, RunRow

COMPLETE = "complete"  # the state of a trial that came to a value
NOT_STORED = "not stored"  # of one that did, but whose runs the store lacks or has unfinished

PlainDimension: TypeAlias = Mapping[str, Any]  # `key`, `low`, `high`, `log`, or `choices`, as read from JSON
Groups = Mapping[str, Sequence["Tried"]]  # stage -> its trials


@dataclass(frozen=True)
class StageFacts:
    """A stage as it was planned, before its runs.

    Attributes:
        name: Name that its trials carry.
        sampler: Name of its sampler.
        overrides: Override words of the stage's own.
        ranges: Searched key -> its range as text, such as "1e-05..0.1 (log)".
        space: Searched dimensions as plain values: `key`, `low`, `high`, `log`, or `choices`.
        note: Anything else that a reader should know, a sentence.
    """

    name: str
    sampler: str = ""
    overrides: tuple[str, ...] = ()
    ranges: Mapping[str, str] = field(default_factory=dict)
    space: Sequence[PlainDimension] = ()
    note: str = ""


@dataclass(frozen=True)
class Tried:
    """A trial as its study remembers it, with what the store has of it.

    Attributes:
        stage: Stage of this search; a run that several trials use names only the first of them in its own tags.
        state: State: complete, failed, diverged or pruned.
        runs: Rows of the store, one for each of its seeds as far as they are there, whoever trained them.
        params: Point of the search space, as text by key; all that is known of a trial without any run.
    """

    stage: str
    state: str
    runs: Sequence[RunRow]
    params: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StagePoints:
    """A stage with its points, best first and those without a result last.

    Attributes:
        stage: Plan of the stage.
        settings: Parameters that all its trials share and other stages have otherwise.
        entries: Entries, one for each point: its seeds averaged, trials that repeat it among them.
        states: State -> number of its trials that ended so.
    """

    stage: StageFacts
    settings: Mapping[str, str]
    entries: tuple[Entry, ...]
    states: Mapping[str, int]

    @property
    def trials(self) -> int:
        """The number of its trials."""
        return sum(self.states.values())

    @property
    def rows(self) -> int:
        """The number of points that came to a value."""
        return sum(entry.rank is not None for entry in self.entries)

    @property
    def run_ids(self) -> set[str]:
        """The runs behind the entries."""
        return {run_id for entry in self.entries for run_id in entry.run_ids}


@dataclass(frozen=True)
class SearchTable:
    """A search, its last stage first.

    Attributes:
        objective: Metric that ranks.
        maximise: True where more is better.
        extra: Further metrics.
        keys: Parameters that tell trials apart, the searched ones first.
        parts: Stages that have trials.
        several: True where the search has further objectives, and so no single winner.
    """

    objective: str
    maximise: bool
    extra: tuple[str, ...]
    keys: tuple[str, ...]
    parts: tuple[StagePoints, ...]
    several: bool = False


def search_table(
    trials: Sequence[Tried],
    stages: Sequence[StageFacts] = (),
    objectives: Sequence[str] = ("val/accuracy",),
    *,
    maximise: bool | None = None,
    extra: Sequence[str] = ("test/accuracy",),
    ignore: Sequence[str] = IGNORED,
) -> SearchTable:
    """Sort the trials of a search.

    Args:
        trials: All trials that count, in any order.
        stages: Stages in the order in which they ran, the confirmation and the final one included; stages that only the
            trials know come after them. Empty for a plain multirun.
        objectives: Metrics, by their last values; the first ranks.
        maximise: Direction; unless given, everything but losses, costs and times is better the higher it is.
        extra: Further metrics to show; one that no run has is left out.
        ignore: Beginnings of parameter names that make no difference.
    """
    objective, *others = objectives
    up = is_maximised(objective) if maximise is None else maximise
    groups: dict[str, list[Tried]] = {stage.name: [] for stage in stages}
    for trial in trials:
        groups.setdefault(trial.stage, []).append(trial)
    facts = {stage.name: stage for stage in stages}
    rows = _rows(trials)
    # A further objective may be among the extra metrics as well: each is shown once.
    known = tuple(name for name in dict.fromkeys((*others, *extra)) if any(name in row.metrics for row in rows))
    keys = _keys(groups, stages, tuple(ignore))
    parts = []
    for name, own in reversed(groups.items()):
        if own:
            lines = _in_rank_order([_line(point, objective, up, keys, known) for point in _points(own)], up)
            settings = _settings(own, groups, keys, ignore)
            parts.append(StagePoints(facts.get(name, StageFacts(name)), settings, lines, _states(own, objective)))
    return SearchTable(objective, up, known, keys, tuple(parts), bool(others))


def _rows(trials: Sequence[Tried]) -> list[RunRow]:
    """Return the runs of all trials, each once."""
    return list({row.run_id: row for trial in trials for row in trial.runs}.values())


def _points(trials: Sequence[Tried]) -> list[list[Tried]]:
    """Return the trials of a stage by their points: repetitions of one, and its trials on several seeds, together."""
    found: dict[object, list[Tried]] = {}
    for trial in trials:
        found.setdefault(tuple(sorted(trial.params.items())), []).append(trial)
    return list(found.values())


def _line(trials: Sequence[Tried], objective: str, maximise: bool, keys: Sequence[str], extra: Sequence[str]) -> Entry:
    """Return the trials of one point as one line; a seed that was lost counts as tried."""
    runs = _rows(trials)
    good = _rows([trial for trial in trials if trial.state == COMPLETE])
    ranked = [e for e in entries(good, objective, maximise=maximise, keys=(), extra=extra, shown=keys) if e.rank]
    seeds = tuple(dict.fromkeys(row.seed for row in runs)) or ("",)
    ids = tuple(row.run_id for row in runs)
    if ranked:
        return replace(ranked[0], tried=len(seeds), run_ids=ids)
    status = _state(trials[-1], objective).upper()
    params = {key: value for key in keys if (value := _param(trials[-1], key)) is not None}
    nothing = {name: summarise([math.nan]) for name in extra}
    name = runs[0].name if runs else ""
    return Entry(None, status, math.nan, None, seeds, len(seeds), params, nothing, ids, name)


def _in_rank_order(lines: Sequence[Entry], maximise: bool) -> tuple[Entry, ...]:
    """Return lines, best first; a point that lost a seed stands behind all that lost none, as in the confirmation."""
    good = [line for line in lines if line.rank]
    good.sort(key=lambda line: (line.tried - len(line.seeds), -line.mean if maximise else line.mean))
    lost = sorted((line for line in lines if not line.rank), key=lambda line: line.status)
    return (*ranks(good), *lost)


def _states(trials: Sequence[Tried], objective: str) -> Mapping[str, int]:
    return Counter(_state(trial, objective) for trial in trials)


def _state(trial: Tried, objective: str) -> str:
    """Return how a trial ended; one that came to a value has it in the store, else it is no row."""
    stored = any(row.finished and math.isfinite(row.metrics.get(objective, math.nan)) for row in trial.runs)
    return NOT_STORED if trial.state == COMPLETE and not stored else trial.state


def _param(trial: Tried, key: str) -> str | None:
    """Return a parameter as the trial's run has it, else as its point does."""
    known = trial.runs[0].params if trial.runs else trial.params
    return known.get(key, trial.params.get(key.removesuffix("._target_")))


def _keys(groups: Groups, stages: Sequence[StageFacts], ignore: tuple[str, ...]) -> tuple[str, ...]:
    """Return the searched keys, then those that differ inside a stage."""
    rows = {key for own in groups.values() for row in _rows(own) for key in row.params}
    known = rows | {key for own in groups.values() for trial in own for key in trial.params}
    searched = [
        target_key(key) if key not in rows and target_key(key) in known else key
        for stage in stages
        for key in stage.ranges
    ]
    inside = [key for own in groups.values() for key in differing(_rows(own), ignore)]
    return tuple(dict.fromkeys(key for key in [*searched, *inside] if key != SEED and key in known))


def target_key(key: str) -> str:
    """Return the parameter that tells a config group's option where the group's own name is not kept: `..._target_`."""
    return key if "." in key else f"{key}._target_"


def _settings(own: Sequence[Tried], groups: Groups, keys: Sequence[str], ignore: Sequence[str]) -> dict[str, str]:
    everything = differing([row for trials in groups.values() for row in _rows(trials)], ignore)
    first = next(iter(_rows(own)), None)
    return {key: first.params.get(key, NOTHING) for key in everything if first and key not in keys}
