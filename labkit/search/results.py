"""The results of a search: its stages, its candidates, its winner."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from labkit.search import ranking
from labkit.search.space import Point, Space
from labkit.search.trials import StoredTrial


class SearchFailed(RuntimeError):  # noqa: N818  (what happened to the search, not an error in it)
    """A search cannot go on: more of a stage's trials failed than allowed, or a stage came to no value.

    Attributes:
        known: Stages as far as they came.
    """

    known: tuple[StageResult, ...] = ()


@dataclass(frozen=True)
class StageResult:
    """Result of a stage.

    Attributes:
        name: Name of the stage.
        space: Range of the stage; None for the confirmation and the final training.
        overrides: Override words of its trials.
        trials: Last attempt of each trial, by place.
        former: Number of further trials, of candidates that were among the best once and are no longer.
        note: Sentence about its range that a reader should know; "" where there is nothing to say.
    """

    name: str
    space: Space | None
    overrides: tuple[str, ...]
    trials: tuple[StoredTrial, ...]
    former: int = 0
    note: str = ""

    def best_first(self, directions: Sequence[str]) -> list[StoredTrial]:
        """Return its trials with a value, best first.

        Raises:
            SearchFailed: No trial has one.
        """
        found = ranking.best_first(self.trials, directions)
        if not found:
            states = [trial.state for trial in self.trials]
            told = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
            hint = "; a diverging loss asks for smaller learning rates" if "diverged" in states else ""
            raise SearchFailed(f"stage {self.name!r}: no trial came to a value ({told or 'there are none'}){hint}.")
        return found


@dataclass(frozen=True)
class Candidate:
    """A point of the last stage, with all that is known of it.

    Attributes:
        stage, index: Stage and place at which it was found.
        params: Searched key -> value.
        values: Mean over its trials with a result, one per objective; None where none has.
        spread: Sample standard deviation of the first objective; None for fewer than two values.
        n: Number of values.
        trials: Trials of the confirmation, one per seed; without a confirmation the one of the stage.
    """

    stage: str
    index: int
    params: Point
    values: tuple[float, ...] | None
    spread: float | None
    n: int
    trials: tuple[StoredTrial, ...]


@dataclass(frozen=True)
class SearchResult:
    """Result of a search.

    Attributes:
        study: Name of the search.
        location: Address of its storage.
        stages: Results of the stages in order.
        confirm: Candidates, best first; empty without a confirmation.
        winner: Best candidate; None for several objectives.
        final: Result of the winner's training; None without one.
        evaluated: Number of trials run by this call; 0: all was done before.
        known: Every stage in order, the confirmation and the final training included, with all trials that count.
    """

    study: str
    location: str
    stages: tuple[StageResult, ...]
    confirm: tuple[Candidate, ...]
    winner: Candidate | None
    final: StageResult | None
    evaluated: int
    known: tuple[StageResult, ...] = ()


def candidate(stage: str, trial: StoredTrial) -> Candidate:
    """Return a trial of a stage as a candidate that nothing more is known of yet."""
    n = max(len(trial.seeds), 1)
    return Candidate(stage, trial.index, trial.params, trial.values, trial.spread, n, (trial,))


def with_confirmation(candidate: Candidate, trials: Sequence[StoredTrial]) -> Candidate:
    """Return a candidate with the values of its trials on fresh seeds instead of those by which it was chosen."""
    rows = [trial.values for trial in trials if trial.values is not None]
    means = tuple(statistics.fmean(column) for column in zip(*rows, strict=True)) if rows else None
    spread = statistics.stdev(row[0] for row in rows) if len(rows) > 1 else None
    return Candidate(candidate.stage, candidate.index, candidate.params, means, spread, len(rows), tuple(trials))


def by_confirmation(candidates: Sequence[Candidate], directions: Sequence[str]) -> list[Candidate]:
    """Return candidates best first; one that came to no value on some seed stands behind all that always did."""
    ranked = ranking.best_first(candidates, directions)
    without = [candidate for candidate in candidates if candidate.values is None]
    return sorted([*ranked, *without], key=lambda candidate: -candidate.n)
