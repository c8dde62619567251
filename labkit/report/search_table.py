"""A whole search as one sorted table: stage after stage from the final one back to the first, best trial first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from labkit.report import cells as write
from labkit.report.entries import IGNORED, SEED, Entry, Row, contestants, differing, entries, is_maximised

_STAGE = "labkit.stage"  # tag

Groups = Mapping[str, Sequence[Row]]  # stage -> its runs


@dataclass(frozen=True)
class StageFacts:
    """What is known of a stage before its runs.

    Attributes:
        name: as in the runs' tag `labkit.stage`.
        sampler: its name.
        overrides: the stage's own override words.
        ranges: searched key -> its range as text, such as "1e-05..0.1 (log)".
        space: searched dimensions as plain values: `key`, `low`, `high`, `log`, or `choices`.
        note: anything else a reader should know, a sentence.
    """

    name: str
    sampler: str = ""
    overrides: tuple[str, ...] = ()
    ranges: Mapping[str, str] = field(default_factory=dict)
    space: Sequence[Mapping[str, Any]] = ()
    note: str = ""


@dataclass(frozen=True)
class Part:
    """A stage with its trials, best first and those without a result last.

    Attributes:
        stage: what it was meant to do.
        settings: parameters that all its trials share and other stages have otherwise.
        entries: one for each trial, its seeds averaged.
    """

    stage: StageFacts
    settings: Mapping[str, str]
    entries: tuple[Entry, ...]

    @property
    def trials(self) -> int:
        """How many points of the space were tried; a seed that failed makes no trial of its own."""
        return len({tuple(sorted(entry.params.items())) for entry in self.entries})

    @property
    def runs(self) -> int:
        """How many runs are behind the entries."""
        return sum(len(entry.run_ids) for entry in self.entries)


@dataclass(frozen=True)
class SearchTable:
    """A search, its last stage first.

    Attributes:
        objective: the metric that ranks.
        maximise: whether more is better.
        extra: further metrics.
        keys: the parameters that tell trials apart, the searched ones first.
        parts: the stages that have runs.
    """

    objective: str
    maximise: bool
    extra: tuple[str, ...]
    keys: tuple[str, ...]
    parts: tuple[Part, ...]


def search_table(
    rows: Sequence[Row],
    stages: Sequence[StageFacts] = (),
    objective: str = "val/accuracy",
    *,
    maximise: bool | None = None,
    extra: Sequence[str] = ("test/accuracy",),
    ignore: Sequence[str] = IGNORED,
) -> SearchTable:
    """Sort the runs of a search.

    Args:
        rows: as read from the store; the tag `labkit.stage` says which stage a run is of.
        stages: in the order in which they ran, the confirmation and the final one included; stages that only the runs
            know come after them, in order of their first run. None for a plain multirun.
        objective: a metric, by its last value.
        maximise: unless given, everything but losses, costs and times is better the higher it is.
        extra: further metrics to show; one that no row has is left out.
        ignore: beginnings of parameter names that make no difference.
    """
    up = is_maximised(objective) if maximise is None else maximise
    groups: dict[str, list[Row]] = {stage.name: [] for stage in stages}
    for row in contestants(rows, objective):
        groups.setdefault((row.get("tags") or {}).get(_STAGE, ""), []).append(row)
    facts = {stage.name: stage for stage in stages}
    known = tuple(name for name in extra if any(name in row["metrics"] for own in groups.values() for row in own))
    keys = _keys(groups, stages, tuple(ignore))
    parts = []
    for name, own in reversed(groups.items()):
        if own:
            settings = _settings(own, groups, keys, ignore)
            ranked = entries(own, objective, maximise=up, keys=differing(own, ignore), extra=known, shown=keys)
            parts.append(Part(facts.get(name, StageFacts(name)), settings, ranked))
    return SearchTable(objective, up, known, keys, tuple(parts))


def _keys(groups: Groups, stages: Sequence[StageFacts], ignore: tuple[str, ...]) -> tuple[str, ...]:
    """The searched keys, then those that differ inside a stage."""
    known = {key for own in groups.values() for row in own for key in row["params"]}
    searched = [recorded(key) if recorded(key) in known else key for stage in stages for key in stage.ranges]
    inside = [key for own in groups.values() for key in differing(own, ignore)]
    return tuple(dict.fromkeys(key for key in [*searched, *inside] if key != SEED and key in known))


def recorded(key: str) -> str:
    """The parameter that tells which option of a config group was chosen: `optimizer` is `optimizer._target_`."""
    return key if "." in key else f"{key}._target_"


def _settings(own: Sequence[Row], groups: Groups, keys: Sequence[str], ignore: Sequence[str]) -> dict[str, str]:
    everything = differing([row for rows in groups.values() for row in rows], ignore)
    return {key: own[0]["params"].get(key, write.NOTHING) for key in everything if key not in keys}
