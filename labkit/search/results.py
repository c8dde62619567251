"""What a search comes to: its stages, its candidates, its winner."""

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
        known: The stages as far as they came.
    """

    known: tuple[StageResult, ...] = ()


@dataclass(frozen=True)
class StageResult:
    """What came of a stage.

    Attributes:
        name: of the stage.
        space: its range; None for the confirmation and the final training.
        overrides: that its trials had.
        trials: the last attempt of each, by place.
        former: Number of further trials, of candidates that were among the best once and are no longer.
        note: What a reader should know of its range, a sentence; empty: nothing.
    """

    name: str
    space: Space | None
    overrides: tuple[str, ...]
    trials: tuple[StoredTrial, ...]
    former: int = 0
    note: str = ""

    def best_first(self, directions: Sequence[str]) -> list[StoredTrial]:
        """Its trials with a value, best first; raises SearchFailed if there are none."""
        found = ranking.best_first(self.trials, directions)
        if not found:
            states = [trial.state for trial in self.trials]
            told = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
            hint = "; a diverging loss asks for smaller learning rates" if "diverged" in states else ""
            raise SearchFailed(f"stage {self.name!r}: no trial came to a value ({told or 'there are none'}){hint}.")
        return found


@dataclass(frozen=True)
class Candidate:
    """A point of the last stage, and what is known of it.

    Attributes:
        stage, index: where it was found.
        params: key -> value.
        values: mean over its trials with a result, one per objective; None where none has.
        spread: sample standard deviation of the first objective; None for fewer than two values.
        n: how many values.
        trials: of the confirmation, one per seed; without a confirmation the one of the stage.
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
    """What came of a search.

    Attributes:
        study: its name.
        location: where it is remembered.
        stages: in order.
        confirm: candidates, best first; empty without a confirmation.
        winner: None for several objectives.
        final: the winner's training; None without one.
        evaluated: trials of this call; 0: all was done before.
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
    """A trial of a stage as a candidate that nothing more is known of yet."""
    n = max(len(trial.seeds), 1)
    return Candidate(stage, trial.index, trial.params, trial.values, trial.spread, n, (trial,))


def with_confirmation(candidate: Candidate, trials: Sequence[StoredTrial]) -> Candidate:
    """A candidate as its trials on fresh seeds show it."""
    rows = [trial.values for trial in trials if trial.values is not None]
    means = tuple(statistics.fmean(column) for column in zip(*rows, strict=True)) if rows else None
    spread = statistics.stdev(row[0] for row in rows) if len(rows) > 1 else None
    return Candidate(candidate.stage, candidate.index, candidate.params, means, spread, len(rows), tuple(trials))


def by_confirmation(candidates: Sequence[Candidate], directions: Sequence[str]) -> list[Candidate]:
    """Candidates best first; one that came to no value on some seed stands behind all that always did."""
    ranked = ranking.best_first(candidates, directions)
    without = [candidate for candidate in candidates if candidate.values is None]
    return sorted([*ranked, *without], key=lambda candidate: -candidate.n)
