"""The search itself: stage after stage, then the best again on fresh seeds, then the winner; Hydra is not needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from labkit.search import lost as losses
from labkit.search import results, samplers, study, walls
from labkit.search import storage as stores
from labkit.search.lost import Lost, nothing_lost
from labkit.search.outlook import Outlook, outlook
from labkit.search.plans import FRESH, TrialPlan, check_definitions, definition_of, repetitions, shortfall, trials_of
from labkit.search.results import Candidate, SearchFailed, SearchResult, StageResult
from labkit.search.space import Space
from labkit.search.stages import CONFIRM, FINAL, Definition, SearchStage
from labkit.search.study import StageStudy
from labkit.search.trials import Proposal, StoredTrial, TrialAnswer, WantedTrial
from labkit.search.zoom import zoom

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

__all__ = [
    "Candidate",
    "Definition",
    "Evaluate",
    "Outlook",
    "Proposal",
    "SearchFailed",
    "SearchResult",
    "StageResult",
    "StoredTrial",
    "TrialAnswer",
    "outlook",
    "search",
]

# evaluate(stage, overrides, proposals, purpose): one answer per proposal, in their order.
Evaluate = Callable[[str, tuple[str, ...], Sequence[Proposal], str], Sequence[TrialAnswer]]


def search(
    definition: Definition,
    evaluate: Evaluate,
    storage: str | None = "journal",
    folder: Path = Path("mlruns/studies"),
    report: Callable[[str], None] | None = None,
    lost: Lost = nothing_lost,
) -> SearchResult:
    """Run what is missing of a search: all of it the first time, nothing once all is done.

    It holds the study meanwhile. Trials that a dead process left open, those that failed in an earlier call, and those
    whose results are lost are run again at the same point; then what a larger budget adds follows. The range of a stage
    is decided when it begins and kept: a larger budget of the stage before does not move it. The confirmation is about
    the best of the last stage as they are now; trials of it that are done already are not run again.

    Args:
        definition: Stages, space and objectives of the search.
        evaluate: Function that runs a batch of trials.
        storage: `journal`, or the URL of a server.
        folder: Folder of the journals.
        report: Function that takes one line per stage with something to do, and one where its best lies at a wall.
        lost: Function that says which trials that ended count no longer, and why.

    Raises:
        ConfigError: Another process holds it, its storage cannot be reached, or it exists with another definition.
        SearchFailed: Too many trials of a stage failed, or no trial of a stage came to a value.
    """
    place = stores.location(storage, definition.study, folder)
    with stores.hold(storage, definition.study, folder):
        store = stores.open_storage(place)
        return _Run(definition, evaluate, report or (lambda line: None), store, place, lost).all()


@dataclass
class _Run:
    """A search while it runs; it holds what every step needs, so that a failure can carry what came before it."""

    definition: Definition
    evaluate: Evaluate
    report: Callable[[str], None]
    store: BaseStorage
    place: str
    lost: Lost
    evaluated: int = 0
    existing: set[str] = field(default_factory=set)
    known: list[StageResult] = field(default_factory=list)

    def all(self) -> SearchResult:
        """Run every stage, the confirmation and the winner's training; a failure carries what came before it."""
        try:
            return self.all_parts()
        except SearchFailed as failure:
            failure.known = tuple(self.known)
            raise

    def all_parts(self) -> SearchResult:
        """Run the same, without that."""
        definition = self.definition
        self.existing = study.names(self.store, definition.study)
        check_definitions(self.store, definition, self.existing)
        done: list[StageResult] = []
        for stage in definition.stages:
            done.append(self.stage(stage, done[-1] if done else None))
        last = done[-1]
        best = [results.candidate(last.name, trial) for trial in last.best_first(definition.directions)]
        confirmed: list[Candidate] = []
        if definition.confirm is not None:
            confirmed = best = self.confirm(best[: definition.confirm.top], last)
        winner = best[0] if len(definition.directions) == 1 else None
        final = self.final(winner, last) if definition.final is not None and winner is not None else None
        found = (tuple(done), tuple(confirmed), winner, final, self.evaluated, tuple(self.known))
        return SearchResult(definition.study, self.place, *found)

    def stage(self, stage: SearchStage, before: StageResult | None) -> StageResult:
        """Run one stage to its budget."""
        opened = self.open_stage(stage, lambda: self.range_of(stage, before))
        wanted = trials_of(self.definition, stage, opened.space)
        found = self.complete(opened, TrialPlan(stage.name, stage.overrides, wanted, "search", stage))
        notes = [
            note
            for note in (shortfall(stage, opened.space, len(wanted)), walls.sentence(self.definition, found))
            if note
        ]
        for note in notes:
            self.report(f"{stage.name}: {note}")
        self.known[-1] = found = replace(found, note="; ".join(notes))
        return found

    def range_of(self, stage: SearchStage, before: StageResult | None) -> Space:
        """Return the range that a stage begins with."""
        if stage.zoom is None or before is None or before.space is None:
            return self.definition.space
        best = before.best_first(self.definition.directions)
        tried = [trial.params for trial in before.trials if trial.ended]
        return zoom(before.space, stage.zoom, tried, [trial.params for trial in best], self.definition.space)

    def confirm(self, candidates: Sequence[Candidate], last: StageResult) -> list[Candidate]:
        """Run the candidates again on fresh seeds; return them best first."""
        plan, rows = repetitions(self.definition, CONFIRM, candidates)
        stage = self.repeat(plan, last)
        known = {trial.key: trial for trial in stage.trials}
        found = [
            results.with_confirmation(candidate, [known[one.key] for one in own])
            for candidate, own in zip(candidates, rows, strict=True)
        ]
        stage.best_first(self.definition.directions)  # raises where none came to a value
        return results.by_confirmation(found, self.definition.directions)

    def final(self, winner: Candidate, last: StageResult) -> StageResult:
        """Train the winner on the final split."""
        plan, _ = repetitions(self.definition, FINAL, [winner])
        return self.repeat(plan, last)

    def repeat(self, plan: TrialPlan, last: StageResult) -> StageResult:
        """Run known points on fresh seeds."""
        assert last.space is not None
        space = last.space
        opened = self.open_stage(plan.stage, lambda: space)
        opened.space = space  # another one where a stage was added since the study was made
        return self.complete(opened, plan)

    def open_stage(self, stage: SearchStage, begin: Callable[[], Space]) -> StageStudy:
        """Open a stage's study as an earlier call left it, else make one with the range that it begins with."""
        name = f"{self.definition.study}/{stage.name}"
        before = None
        if stage.name in self.existing:
            loaded = study.load(self.store, name)
            before = study.definition_and_range(loaded)
        if before is None:
            space = begin()
            loaded = study.create(self.store, name, definition_of(self.definition, stage, space), space)
        else:
            _, space = before
        if stage.pruner is not None:
            loaded.pruner = samplers.pruner(stage.pruner)
        study.recover(loaded)
        return StageStudy(self.place, loaded, space, stage.sampler, self.definition.seed)

    def complete(self, opened: StageStudy, plan: TrialPlan) -> StageResult:
        """Run what a stage is missing, batch by batch; its result is kept whether or not the search goes on."""
        try:
            self.fill(opened, self.with_lost(opened, plan))
        finally:
            result = _result(opened, plan)
            self.known.append(result)
        return result

    def with_lost(self, opened: StageStudy, plan: TrialPlan) -> TrialPlan:
        """Return the plan with the trials that ended and count no longer, those of a former larger budget too."""
        seeds = {one.key: one.seeds for one in plan.wanted}
        known = [replace(one, seeds=seeds.get(one.key, one.seeds)) for one in _counting(opened, plan)]
        ended = [trial for trial in known if trial.ended]
        why = self.lost(plan.name, plan.overrides, ended, plan.purpose) if ended else {}
        opened.lost = set(why)
        if why:
            self.report(losses.sentence(plan.name, ended, why))
        beyond = [one for one in ended if one.key in opened.lost - seeds.keys()]
        return replace(plan, wanted=(*plan.wanted, *(WantedTrial(t.key, t.index, t.seeds, t.params) for t in beyond)))

    def fill(self, opened: StageStudy, plan: TrialPlan) -> None:
        """Run batch after batch until nothing of the plan is missing."""
        missing = opened.missing(plan.wanted)
        if missing:
            done = len(plan.wanted) - len(missing)
            told = samplers.remark(plan.stage.pruner)
            self.report(f"{plan.name}: {len(missing)} of {len(plan.wanted)} trials to run, {done} done{told}")
        while missing := opened.missing(plan.wanted):
            stage = plan.stage
            size = samplers.batch(stage.sampler, stage.pruner, stage.n_jobs, len(missing))
            self.run(opened, plan, missing[:size])

    def run(self, opened: StageStudy, plan: TrialPlan, batch: Sequence[WantedTrial]) -> None:
        """Run one batch; all of it is written down before a failure ends the search."""
        proposals = opened.propose(batch)
        answers = self.evaluate(plan.name, plan.overrides, proposals, plan.purpose)
        for proposal, wanted, answer in zip(proposals, batch, answers, strict=True):
            opened.tell(proposal, wanted, answer)
        self.evaluated += len(proposals)
        failed = [answer for answer in answers if answer.state == "failed"]
        if failed:
            self.judge(opened, plan, failed[0].note or "no reason was given")

    def judge(self, opened: StageStudy, plan: TrialPlan, reason: str) -> None:
        """End the search where too large a share of the stage's trials so far failed.

        Raises:
            SearchFailed: More than `max_failure_rate` of them failed.
        """
        known = opened.trials()
        states = [known[one.key].state for one in plan.wanted if one.key in known]
        failed = states.count("failed")
        if failed > self.definition.max_failure_rate * len(states):
            raise SearchFailed(f"stage {plan.name!r}: {failed} of {len(states)} trials failed, the first now: {reason}")


def _counting(opened: StageStudy, plan: TrialPlan) -> list[StoredTrial]:
    """Return a stage's trials that count, by place: all of a search, in a repetition those of its candidates now."""
    known = opened.trials()
    if plan.name in FRESH:
        return [known[one.key] for one in plan.wanted if one.key in known]
    return sorted(known.values(), key=lambda trial: trial.index)


def _result(opened: StageStudy, plan: TrialPlan) -> StageResult:
    counting = _counting(opened, plan)
    space = None if plan.name in FRESH else opened.space
    return StageResult(plan.name, space, plan.overrides, tuple(counting), len(opened.trials()) - len(counting))
