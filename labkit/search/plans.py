"""The trials that each stage of a search must have, and the definition that an earlier call must have shared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labkit.search import draws, listed, samplers, stages, study
from labkit.search.results import Candidate
from labkit.search.space import Space
from labkit.search.stages import CONFIRM, FINAL, FIXED, Definition, SearchStage, StageDefinition
from labkit.search.trials import WantedTrial

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

# First seed of the confirmation and of the last training above the search's own: a point that was chosen for its luck
# on some seeds must show its worth on others.
FRESH = {CONFIRM: 1000, FINAL: 2000}


@dataclass(frozen=True)
class TrialPlan:
    """Trials that a stage, the confirmation or the last training must have.

    Attributes:
        name: Name of their stage.
        overrides: Override words added to each.
        wanted: Trials in order.
        purpose: `search`, or `comparison` for the last training.
        stage: Stage that says how they are proposed.
    """

    name: str
    overrides: tuple[str, ...]
    wanted: tuple[WantedTrial, ...]
    purpose: str
    stage: SearchStage


def trials_of(definition: Definition, stage: SearchStage, space: Space) -> tuple[WantedTrial, ...]:
    """Return the trials of a stage over its range."""
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
    """Say in a clause why a stage has fewer trials than its budget; "" where it has as many."""
    if trials >= stage.n_trials:
        return ""
    size = listed.size(space)
    reason = "there are no more points" if samplers.kind(stage.sampler) == "listed" or trials == size else ""
    reason = reason or "it is the largest grid with equally many values of every range that the budget allows"
    return f"{trials} of n_trials={stage.n_trials} trials: {reason}"


def repetitions(
    definition: Definition, name: str, candidates: Sequence[Candidate]
) -> tuple[TrialPlan, list[list[WantedTrial]]]:
    """Plan known points on fresh seeds.

    Args:
        definition: Search that they belong to.
        name: `confirm` or `final`.
        candidates: Known points.

    Returns:
        The plan, and each candidate's trials in it.
    """
    stage = repetition(definition, name)
    first = definition.base_seed + FRESH[name]
    rows = [[_repetition(candidate, first + k) for k in range(stage.seeds or 1)] for candidate in candidates]
    purpose = "comparison" if name == FINAL else "search"
    wanted = tuple(one for row in rows for one in row)
    return TrialPlan(name, stage.overrides, wanted, purpose, stage), rows


def repetition(definition: Definition, name: str) -> SearchStage:
    """Return the confirmation or the final training as a stage; its words follow those of what came before it."""
    confirm, final = definition.confirm, definition.final
    words = definition.stages[-1].overrides + (confirm.overrides if confirm is not None else ())
    if name == CONFIRM:
        assert confirm is not None
        return SearchStage(name, "grid", overrides=words, seeds=confirm.seeds)
    assert final is not None
    return SearchStage(name, "grid", overrides=words + final.overrides, seeds=final.seeds)


def _repetition(candidate: Candidate, seed: int) -> WantedTrial:
    return WantedTrial(f"{candidate.stage}:{candidate.index}:{seed}", candidate.index, (seed,), candidate.params)


def definition_of(definition: Definition, stage: SearchStage, space: Space) -> StageDefinition:
    """Return everything that makes a stage of a search what it is, as JSON.

    Args:
        definition: Search that the stage belongs to.
        stage: Stage that is described.
        space: Range of the stage; a grid over it has a number of points that must stay.
    """
    found: StageDefinition = {"directions": list(definition.directions), "objectives": list(definition.objectives)}
    if definition.code:
        found["code"] = dict(definition.code)
    if stage.name in FRESH:
        found["overrides"] = list(stage.overrides)
    else:
        found |= {"space": definition.space.plain(), "seed": definition.seed, **stages.plain(stage)}
        if samplers.kind(stage.sampler) == "grid":
            found["points of the grid"] = len(draws.grid(space, stage.n_trials))
    if definition.fixed:
        found[FIXED] = dict(definition.fixed)
    return found


def check_definitions(store: BaseStorage | None, definition: Definition, existing: set[str]) -> None:
    """Check, before anything is run, that the stages that exist have this definition.

    Args:
        store: Storage of Optuna's; None where there is none yet.
        definition: Search of this call.
        existing: Names of the stages that exist.

    Raises:
        ConfigError: A stage exists with another definition.
    """
    if store is None:
        return
    repeated = [(CONFIRM, definition.confirm), (FINAL, definition.final)]
    rows = [*definition.stages, *(repetition(definition, name) for name, rule in repeated if rule is not None)]
    for stage in rows:
        if stage.name in existing:
            before = study.definition_and_range(study.load(store, f"{definition.study}/{stage.name}"))
            if before is not None:
                was, space = before
                now = definition_of(definition, stage, space)
                study.refuse_changes(definition.study, stage.name, _with_widen(was, now, definition, space), now)


def _with_widen(was: StageDefinition, now: StageDefinition, definition: Definition, space: Space) -> StageDefinition:
    """Return the definition that a stage was begun with.

    One that was written before there was `zoom.widen` lacks that key: it is filled in with what was done, which the
    stage's range tells.
    """
    zoom, rule = was.get("zoom"), now.get("zoom")
    if not zoom or "widen" in zoom or not rule:
        return was
    own = {d.key: d.ends for d in definition.space.dimensions if d.choices is None}
    begun = [(own[d.key], d.ends) for d in space.dimensions if d.choices is None and d.key in own]
    inside = all(wall[0] <= ends[0] and ends[1] <= wall[1] for wall, ends in begun)
    return {**was, "zoom": {**zoom, "widen": rule["widen"] if inside else True}}
