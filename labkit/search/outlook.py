"""What a search would do, and how much of it is done: for a dry run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labkit.search import storage as stores
from labkit.search import study
from labkit.search.plans import check, repeating, trials_of
from labkit.search.stages import CONFIRM, FINAL, Definition, Stage
from labkit.search.trials import Trial, remembered


@dataclass(frozen=True)
class Outlook:
    """A stage as it stands.

    Attributes:
        stage: its name.
        trials: of its budget; of a grid that zooms and has not begun: as many as over the search's own range.
        done: that have a result.
        failed: in earlier calls; they are run again.
        seeds: per trial; None: the configuration's own. Trials of a confirmation have one each.
        overrides: that its trials have.
    """

    stage: str
    trials: int
    done: int
    failed: int
    seeds: int | None
    overrides: tuple[str, ...]


def outlook(
    definition: Definition, storage: str | None = "journal", folder: Path = Path("mlruns/studies")
) -> tuple[Outlook, ...]:
    """Every stage, the confirmation and the final training as they stand. It runs nothing and holds nothing.

    Raises:
        ConfigError: the storage cannot be reached, or the search exists with another definition.
    """
    place = stores.location(storage, definition.study, folder)
    store = stores.opened(place) if stores.exists(place) else None
    existing = study.names(store, definition.study) if store is not None else set()
    check(store, definition, existing)
    rows = []
    for stage in definition.stages:
        known = _known(store, definition, stage) if stage.name in existing else None
        trials, space = known or ({}, definition.space)
        wanted = [one.key for one in trials_of(definition, stage, space)]
        rows.append(_outlook(stage, len(wanted), stage.seeds, {k: t for k, t in trials.items() if k in wanted}))
    confirm, final = definition.confirm, definition.final
    for name, count in (
        (CONFIRM, confirm.top * confirm.seeds if confirm is not None else 0),
        (FINAL, final.seeds if final is not None else 0),
    ):
        if count:
            stage = repeating(definition, name)
            known = _known(store, definition, stage) if name in existing else None
            rows.append(_outlook(stage, count, 1, known[0] if known else {}))
    return tuple(rows)


def _known(store: Any, definition: Definition, stage: Stage) -> Any:
    loaded = study.load(store, f"{definition.study}/{stage.name}")
    defined = study.defined(loaded)
    return None if defined is None else (remembered(loaded.get_trials(deepcopy=False)), defined[1])


def _outlook(stage: Stage, count: int, seeds: int | None, trials: dict[str, Trial]) -> Outlook:
    done = min(sum(trial.ended for trial in trials.values()), count)
    failed = sum(trial.state == "failed" for trial in trials.values())
    return Outlook(stage.name, count, done, failed, seeds, stage.overrides)
