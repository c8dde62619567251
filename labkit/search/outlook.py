"""The outlook of a search: the trials of each stage, and how many of them are done; for a dry run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from labkit.search import storage as stores
from labkit.search import study
from labkit.search.lost import Lost, nothing_lost, sentence
from labkit.search.plans import check_definitions, repetition, trials_of
from labkit.search.space import Space
from labkit.search.stages import CONFIRM, FINAL, Definition, SearchStage
from labkit.search.trials import StoredTrial, last_attempts

if TYPE_CHECKING:
    from optuna.storages import BaseStorage


@dataclass(frozen=True)
class Outlook:
    """A stage as it stands.

    Attributes:
        stage: Name of the stage.
        trials: Number of trials of its budget; a grid that zooms and has not begun is counted over the search's range.
        done: Number of trials whose result counts.
        failed: Number of trials that failed in earlier calls and are run again.
        seeds: Number of seeds per trial; None: the configuration's own. Trials of a confirmation have one each.
        overrides: Override words of its trials.
        lost: Sentence about trials that ended and count no longer; "" where all do.
    """

    stage: str
    trials: int
    done: int
    failed: int
    seeds: int | None
    overrides: tuple[str, ...]
    lost: str = ""


def outlook(
    definition: Definition,
    storage: str | None = "journal",
    folder: Path = Path("mlruns/studies"),
    lost: Lost = nothing_lost,
) -> tuple[Outlook, ...]:
    """Return every stage, the confirmation and the final training as they stand; run nothing and hold nothing.

    Args:
        definition: Search that is asked about.
        storage: `journal`, or the URL of a server.
        folder: Folder of the journals.
        lost: Function that says which trials that ended count no longer, and why.

    Raises:
        ConfigError: The storage cannot be reached, or the search exists with another definition.
    """
    place = stores.location(storage, definition.study, folder)
    store = stores.open_storage(place) if stores.exists(place) else None
    existing = study.names(store, definition.study) if store is not None else set()
    check_definitions(store, definition, existing)
    rows = []
    for stage in definition.stages:
        known = _trials_and_range(store, definition, stage) if stage.name in existing else None
        trials, space = known or ({}, definition.space)
        seeds = {one.key: one.seeds for one in trials_of(definition, stage, space)}
        own = {key: replace(trial, seeds=seeds[key]) for key, trial in trials.items() if key in seeds}
        rows.append(_outlook(stage, len(seeds), stage.seeds, own, lost))
    confirm, final = definition.confirm, definition.final
    for name, count in (
        (CONFIRM, confirm.top * confirm.seeds if confirm is not None else 0),
        (FINAL, final.seeds if final is not None else 0),
    ):
        if count:
            stage = repetition(definition, name)
            known = _trials_and_range(store, definition, stage) if name in existing else None
            rows.append(_outlook(stage, count, 1, known[0] if known else {}, lost))
    return tuple(rows)


def _trials_and_range(
    store: BaseStorage | None, definition: Definition, stage: SearchStage
) -> tuple[dict[str, StoredTrial], Space] | None:
    if store is None:
        return None
    loaded = study.load(store, f"{definition.study}/{stage.name}")
    defined = study.definition_and_range(loaded)
    return None if defined is None else (last_attempts(loaded.get_trials(deepcopy=False)), defined[1])


def _outlook(stage: SearchStage, count: int, seeds: int | None, trials: dict[str, StoredTrial], lost: Lost) -> Outlook:
    ended = [trial for trial in trials.values() if trial.ended]
    purpose = "comparison" if stage.name == FINAL else "search"
    why = lost(stage.name, stage.overrides, ended, purpose) if ended else {}
    done = min(len(ended) - len(why), count)
    failed = sum(trial.state == "failed" for trial in trials.values())
    return Outlook(stage.name, count, done, failed, seeds, stage.overrides, sentence(stage.name, ended, why))
