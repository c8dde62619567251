"""What a search must have run: the trials of each stage, and the definition that an earlier call must have shared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labkit.search import draws, listed, samplers, stages, study
from labkit.search.results import Candidate
from labkit.search.space import Space
from labkit.search.stages import CONFIRM, FINAL, Definition, SearchStage
from labkit.search.trials import WantedTrial

FRESH = {CONFIRM: 1000, FINAL: 2000}  # seeds above the first: those of no stage, and of no choice


@dataclass(frozen=True)
class TrialPlan:
    """Trials to be run.

    Attributes:
        name: of their stage.
        overrides: words added to each.
        wanted: the trials.
        purpose: `search`, or `comparison` for the last training.
        stage: how they are proposed.
    """

    name: str
    overrides: tuple[str, ...]
    wanted: tuple[WantedTrial, ...]
    purpose: str
    stage: SearchStage


def trials_of(definition: Definition, stage: SearchStage, space: Space) -> tuple[WantedTrial, ...]:
    """The trials of a stage over its range."""
    seeds = tuple(definition.base_seed + k for k in range(stage.seeds or 0))
    kind = samplers.kind(stage.sampler)
    if not kind:
        return tuple(WantedTrial(str(i), i, seeds) for i in range(stage.n_trials))
    seed = samplers.seed_of(stage.sampler, definition.seed)
    if isinstance(stage.sampler, Mapping) and kind == "listed":
        points = listed.points_of_stage(stage.sampler, space, stage.n_trials, seed, stage.name)
    else:
        points = draws.points(kind, space, stage.n_trials, seed, stage.name)
    return tuple(WantedTrial(str(i), i, seeds, point) for i, point in enumerate(points))


def shortfall(stage: SearchStage, space: Space, trials: int) -> str:
    """Why a stage has fewer trials than its budget, a clause; empty where it has as many."""
    if trials >= stage.n_trials:
        return ""
    size = listed.size(space)
    reason = "there are no more points" if samplers.kind(stage.sampler) == "listed" or trials == size else ""
    reason = reason or "it is the largest grid with equally many values of every range that the budget allows"
    return f"{trials} of n_trials={stage.n_trials} trials: {reason}"


def repetitions(
    definition: Definition, name: str, candidates: Sequence[Candidate]
) -> tuple[TrialPlan, list[list[WantedTrial]]]:
    """Known points on fresh seeds: the plan, and each candidate's part of it."""
    stage = repetition(definition, name)
    first = definition.base_seed + FRESH[name]
    rows = [[_repetition(candidate, first + k) for k in range(stage.seeds or 1)] for candidate in candidates]
    purpose = "comparison" if name == FINAL else "search"
    wanted = tuple(one for row in rows for one in row)
    return TrialPlan(name, stage.overrides, wanted, purpose, stage), rows


def repetition(definition: Definition, name: str) -> SearchStage:
    """The confirmation or the final training as a stage; its words follow those of what came before it."""
    confirm, final = definition.confirm, definition.final
    words = definition.stages[-1].overrides + (confirm.overrides if confirm is not None else ())
    if name == CONFIRM:
        assert confirm is not None
        return SearchStage(name, "grid", overrides=words, seeds=confirm.seeds)
    assert final is not None
    return SearchStage(name, "grid", overrides=words + final.overrides, seeds=final.seeds)


def _repetition(candidate: Candidate, seed: int) -> WantedTrial:
    return WantedTrial(f"{candidate.stage}:{candidate.index}:{seed}", candidate.index, (seed,), candidate.params)


def definition_of(definition: Definition, stage: SearchStage, space: Space) -> dict[str, Any]:
    """What makes a stage of a search what it is, as JSON.

    Args:
        space: the range of the stage; a grid over it has a number of points that must stay.
    """
    common: dict[str, Any] = {"directions": list(definition.directions), "objectives": list(definition.objectives)}
    if definition.code:
        common["code"] = dict(definition.code)
    fixed = {study.FIXED: dict(definition.fixed)} if definition.fixed else {}
    if stage.name in FRESH:
        return {**common, "overrides": list(stage.overrides), **fixed}
    own = {"space": definition.space.plain(), "seed": definition.seed, **stages.plain(stage)}
    if samplers.kind(stage.sampler) == "grid":
        own["points of the grid"] = len(draws.grid(space, stage.n_trials))
    return {**common, **own, **fixed}


def check_definitions(store: Any, definition: Definition, existing: set[str]) -> None:
    """Raise ConfigError, before anything is run, where a stage exists with another definition."""
    repeated = [(CONFIRM, definition.confirm), (FINAL, definition.final)]
    rows = [*definition.stages, *(repetition(definition, name) for name, rule in repeated if rule is not None)]
    for stage in rows:
        if stage.name in existing:
            before = study.definition_and_range(study.load(store, f"{definition.study}/{stage.name}"))
            if before is not None:
                was, space = before
                now = definition_of(definition, stage, space)
                study.refuse_changes(definition.study, stage.name, _with_widen(was, now, definition, space), now)


def _with_widen(
    was: Mapping[str, Any], now: Mapping[str, Any], definition: Definition, space: Space
) -> Mapping[str, Any]:
    """The definition that a stage was begun with; one from before there was `zoom.widen` widened where it did."""
    zoom = was.get("zoom")
    if not zoom or "widen" in zoom or not now.get("zoom"):
        return was
    own = {d.key: d.ends for d in definition.space.dimensions if d.choices is None}
    begun = [(own[d.key], d.ends) for d in space.dimensions if d.choices is None and d.key in own]
    inside = all(wall[0] <= ends[0] and ends[1] <= wall[1] for wall, ends in begun)
    return {**was, "zoom": {**zoom, "widen": now["zoom"]["widen"] if inside else True}}
