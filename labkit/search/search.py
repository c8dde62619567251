"""The search itself: stage after stage, then the best again on fresh seeds, then the winner; without Hydra in sight."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labkit.config import ConfigError, shown
from labkit.search import zoom as zooming
from labkit.search.holding import hold
from labkit.search.space import Dimension, Point, Space
from labkit.search.stages import CONFIRM, FINAL, Confirm, Final, Stage
from labkit.search.storage import location, opened
from labkit.search.study import Answer, Proposal, StageStudy, Trial, budget, finished, open_stage

__all__ = ["Answer", "Definition", "Proposal", "SearchError", "SearchResult", "outlook", "search"]

# (stage, override words, proposals, purpose: search or comparison) -> one answer per proposal, in order.
Evaluate = Callable[[str, tuple[str, ...], Sequence[Proposal], str], Sequence[Answer]]
_FRESH = {CONFIRM: 1000, FINAL: 2000}  # above the first seed of the runs: no stage uses them


class SearchError(RuntimeError):
    """A search cannot go on: too many trials failed, or none of a stage gave a value."""


@dataclass(frozen=True)
class Definition:
    """A whole search.

    Attributes:
        study: its name.
        space: what is searched.
        stages: in order, each with its own overrides.
        confirm, final: None to leave out; they take over the last stage's overrides.
        directions: maximize or minimize, one per objective.
        seed: of the samplers.
        base_seed: the first of the runs; the confirmation's fresh seeds begin 1000 above it, those of the end 2000.
        max_failure_rate: of a batch.
    """

    study: str
    space: Space
    stages: tuple[Stage, ...]
    confirm: Confirm | None = None
    final: Final | None = None
    directions: tuple[str, ...] = ("maximize",)
    seed: int = 0
    base_seed: int = 0
    max_failure_rate: float = 0.0


@dataclass(frozen=True)
class StageResult:
    """What came of a stage: its range, if it searched one, the words of its trials, and the trials by their place."""

    name: str
    space: Space | None
    overrides: tuple[str, ...]
    trials: tuple[Trial, ...]


@dataclass(frozen=True)
class SearchResult:
    """What came of a search.

    Attributes:
        study: its name.
        stages: in order, confirmation and final training last.
        best: the points with a value of the last stage, or of the confirmation, best first.
        evaluated: trials that this call ran; 0 where all had been done.
    """

    study: str
    stages: tuple[StageResult, ...]
    best: tuple[Point, ...]
    evaluated: int


@dataclass(frozen=True)
class Outlook:
    """A stage before it runs: its trials, how many are done, on how many seeds each (0: the configuration's own)."""

    stage: str
    trials: int
    done: int
    seeds: int
    overrides: tuple[str, ...]


def search(
    definition: Definition,
    evaluate: Evaluate,
    storage: str | None = None,
    folder: Path = Path("mlruns/studies"),
    report: Callable[[str], None] | None = None,
) -> SearchResult:
    """Hold a search and run what is missing of it.

    Args:
        definition: the search.
        evaluate: runs a batch of trials.
        storage: `journal` (or None) or a server's URL.
        folder: of journals and locks.
        report: takes one line per stage.

    Raises:
        ConfigError: the definition contradicts itself or what an earlier call did, or somebody else holds the search.
        SearchError: more trials of a batch failed than allowed, or no trial of a stage gave a value.
    """
    check(definition)
    where = location(storage, definition.study, folder)
    with hold(storage, definition.study, folder):
        run = _Run(definition, evaluate, opened(where), where, report or (lambda line: None))
        best: tuple[Point, ...] = ()
        space = definition.space
        for stage in definition.stages:
            if stage.zoom is not None:
                space = zooming.zoom(run.spaces[-1], stage.zoom, [t.params for t in run.results[-1].trials], best)
            best = run.stage(stage, space)
        overrides = definition.stages[-1].overrides
        if definition.confirm is not None:
            overrides = (*overrides, *definition.confirm.overrides)
            best = run.again(CONFIRM, best[: definition.confirm.top], definition.confirm.seeds, overrides, "search")
        if definition.final is not None:
            overrides = (*overrides, *definition.final.overrides)
            run.again(FINAL, best[:1], definition.final.seeds, overrides, "comparison")
        return SearchResult(definition.study, tuple(run.results), best, run.evaluated)


def check(definition: Definition) -> None:
    """Raise ConfigError for what contradicts itself."""
    if len(definition.directions) > 1 and any(stage.pruner for stage in definition.stages):
        raise ConfigError("hydra.sweeper.pruner: a search with several objectives cannot prune; leave it null.")
    for direction in definition.directions:
        if direction not in ("maximize", "minimize"):
            raise ConfigError(f"hydra.sweeper.direction: expected maximize or minimize, got {shown(direction)}.")
    rate, seed = definition.max_failure_rate, definition.seed
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= 1:
        raise ConfigError(f"hydra.sweeper.max_failure_rate: expected a share from 0 to 1, got {shown(rate)}.")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ConfigError(f"hydra.sweeper.seed: expected a whole number of at least 0, got {shown(seed)}.")
    for stage in definition.stages:
        if stage.zoom is not None:
            zooming.check(definition.space, stage.zoom, f"hydra.sweeper.stages.{stage.name}.zoom")
        budget(stage, definition.space)


def outlook(definition: Definition, storage: str | None = None, folder: Path = Path("mlruns/studies")) -> list[Outlook]:
    """Every stage and what is done of it; reads, and creates nothing."""
    check(definition)
    where = location(storage, definition.study, folder)
    there = opened(where) if "://" in where or Path(where).exists() else None
    rows = [(s.name, budget(s, definition.space), s.seeds or 0, s.overrides) for s in definition.stages]
    overrides = definition.stages[-1].overrides
    for name, more in ((CONFIRM, definition.confirm), (FINAL, definition.final)):
        if more is not None:
            overrides = (*overrides, *more.overrides)
            rows.append((name, getattr(more, "top", 1) * more.seeds, 1, overrides))
    return [Outlook(name, trials, _done(there, f"{definition.study}/{name}"), s, w) for name, trials, s, w in rows]


def _done(storage: Any, study: str) -> int:
    import optuna

    if storage is None or study not in {one.study_name for one in storage.get_all_studies()}:
        return 0
    trials = finished(optuna.load_study(storage=storage, study_name=study))
    return sum(trial.state != "failed" for trial in trials)


class _Run:
    """A search on its way.

    Attributes:
        results: of the stages so far.
        spaces: their ranges.
        evaluated: trials of this call.
    """

    def __init__(
        self, definition: Definition, evaluate: Evaluate, storage: Any, where: str, report: Callable[[str], None]
    ) -> None:
        self.definition, self.evaluate, self.storage, self.where = definition, evaluate, storage, where
        self.report = report
        self.results: list[StageResult] = []
        self.spaces: list[Space] = []
        self.evaluated = 0

    def stage(self, stage: Stage, space: Space) -> tuple[Point, ...]:
        """One stage to its budget; returns its points with a value, best first."""
        study = self._open(stage, self.definition.space, space)
        self.spaces.append(study.space)
        self._complete(study, lambda proposals: self.evaluate(stage.name, stage.overrides, proposals, "search"))
        return self._close(StageResult(stage.name, study.space, stage.overrides, tuple(study.trials())))

    def again(
        self, name: str, points: Sequence[Point], seeds: int, overrides: tuple[str, ...], purpose: str
    ) -> tuple[Point, ...]:
        """Known points on fresh seeds; returns them by the mean of their values, best first.

        The study's own space is (candidate, seed); which candidates they were is kept with it.
        """
        first = self.definition.base_seed + _FRESH[name]
        own = {"candidate": range(len(points)), "seed": range(first, first + seeds)}
        space = Space(tuple(Dimension(key, choices=tuple(values)) for key, values in own.items()))
        study = self._open(Stage(name, "grid", len(points) * seeds, overrides=overrides), space, space)
        candidates = study.candidates(points)

        def evaluate(proposals: Sequence[Proposal]) -> Sequence[Answer]:
            rows = [
                Proposal(p.number, p.index, dict(candidates[_whole(p, "candidate")]), (_whole(p, "seed"),), p.trial)
                for p in proposals
            ]
            return self.evaluate(name, overrides, rows, purpose)

        self._complete(study, evaluate)
        trials = [
            Trial(t.number, t.index, candidates[_whole(t, "candidate")], t.values, t.state, None, t.run_ids, t.note)
            for t in study.trials()
        ]
        return self._close(StageResult(name, None, overrides, tuple(trials)))

    def _open(self, stage: Stage, declared: Space, space: Space) -> StageStudy:
        definition = self.definition
        rules = {"directions": definition.directions, "seed": definition.seed}
        return open_stage(self.storage, self.where, definition.study, stage, declared, space, rules)

    def _complete(self, study: StageStudy, evaluate: Callable[[Sequence[Proposal]], Sequence[Answer]]) -> None:
        whole, missing = study.budget, len(study.missing())
        done = "all done" if not missing else f"{missing} to run" + (f", {whole - missing} done" * (missing < whole))
        ranges = "; ".join(f"{key} in {text}" for key, text in study.space.range_text().items())
        self.report(f"{study.name}: {whole} trials, {done}" + (f"; {ranges}" if len(ranges) < 200 else ""))
        while proposals := study.ask():
            answers = evaluate(proposals)
            for proposal, answer in zip(proposals, answers, strict=True):
                study.tell(proposal, answer)
            self.evaluated += len(proposals)
            self._count_failures(study, answers)

    def _count_failures(self, study: StageStudy, answers: Sequence[Answer]) -> None:
        failed = [answer for answer in answers if answer.state == "failed"]
        if failed and len(failed) > self.definition.max_failure_rate * len(answers):
            note = f"; the first: {failed[0].note}" if failed[0].note else ""
            raise SearchError(f"{study.name}: {len(failed)} of {len(answers)} trials failed{note}")

    def _close(self, result: StageResult) -> tuple[Point, ...]:
        self.results.append(result)
        best = ranked(result.trials, self.definition.directions)
        if not best:
            raise SearchError(f"{self.definition.study}/{result.name}: none of its trials gave a value.")
        return best


def _whole(trial: Proposal | Trial, key: str) -> int:
    return int(trial.params[key])  # type: ignore[arg-type]


def ranked(trials: Sequence[Trial], directions: Sequence[str]) -> tuple[Point, ...]:
    """The points with a value, best first; one that was tried several times counts by the mean of its values.

    With several objectives: front after front of points that none of the rest beats in everything, each front by the
    first objective.
    """
    values: dict[tuple[tuple[str, Any], ...], list[tuple[float, ...]]] = {}
    for trial in trials:
        if trial.values is not None and all(map(math.isfinite, trial.values)):
            values.setdefault(tuple(trial.params.items()), []).append(trial.values)
    signs = [-1.0 if direction == "maximize" else 1.0 for direction in directions]
    means = {
        point: tuple(sign * statistics.fmean(column) for sign, *column in zip(signs, *rows, strict=True))
        for point, rows in values.items()
    }
    order: list[tuple[tuple[str, Any], ...]] = []
    while means:
        front = [p for p in means if not any(_beats(means[q], means[p]) for q in means)]
        order += sorted(front, key=lambda p: means[p])
        means = {p: v for p, v in means.items() if p not in front}
    return tuple(dict(point) for point in order)


def _beats(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))
