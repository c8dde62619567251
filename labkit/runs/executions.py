"""How the runs of this machine are executed: chosen by timing once, remembered, or named by the user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from labkit.config import ConfigError
from labkit.engine.execution import Execution, changed, fits, stated
from labkit.engine.processor import processor
from labkit.engine.recipe import Recipe
from labkit.engine.timing import Choice, choose, is_short, ratio, work
from labkit.engine.trainer import most_threads
from labkit.preprocess.prepare import Parts
from labkit.runs.remembered import remembered
from labkit.tracking import session
from labkit.tracking.queries import Wanted
from labkit.tracking.rows import RunRow
from labkit.tracking.settings import Tracking


def chosen(recipes: Sequence[Recipe], parts: Parts, root: Path) -> Choice:
    """Return how to execute a training: as the user says, as remembered, or timed now and remembered.

    So the same command, its other jobs, later seeds and a continued run are computed alike.

    Args:
        recipes: Recipes of the members.
        parts: Training, validation and test part.
        root: Key `paths.root`.
    """
    if recipes[0].trainer.execution != "auto":
        return Choice(_given(recipes, parts), "given by trainer.execution")
    if is_short(recipes, parts):
        return choose(recipes, parts)
    key = f"{_machine()} threads={recipes[0].trainer.threads} cores={most_threads()} {work(recipes, parts)}"
    # What a short training had no time to try is not settled for a longer one.
    own = f"{key} updates={recipes[0].trainer.length(len(parts.train), recipes[0].schedule).total}"

    def read(entry: Any) -> Choice:
        execution = Execution(**entry["execution"])
        return Choice(fits(execution, recipes), "timed earlier", True, entry["seconds"])

    def measure() -> tuple[Choice, str, dict[str, Any]]:
        choice = choose(recipes, parts)
        entry = {"execution": asdict(choice.execution), "seconds": dict(choice.seconds)}
        return choice, key if choice.complete else own, entry

    return remembered((own, key), root, read, measure)


def low_precision_ratio(recipe: Recipe, parts: Parts, root: Path) -> float:
    """Return the time with bfloat16 products as a multiple of that in float32, measured once: see `timing.ratio`.

    For one member, whoever trains beside it: the identity of a run must not depend on its company.
    """
    # On one thread: how much a second one helps depends on who else is at work.
    low, full = (
        replace(recipe, trainer=replace(recipe.trainer, precision=p, threads=1)) for p in ("bfloat16", "float32")
    )
    key = f"{_machine()} bfloat16/float32 updates and evaluations {work([full], parts)}"

    def measure() -> tuple[float, str, dict[str, Any]]:
        found = round(ratio(low, full, parts), 3)
        return found, key, {"ratio": found}

    return remembered((key,), root, lambda entry: float(entry["ratio"]), measure)


def decided(recipe: Recipe, parts: Parts, tracking: Tracking, root: Path) -> Recipe:
    """Return the recipe with a precision in the place of `fast`, and parts of an execution in that of a run's id.

    Args:
        recipe: Recipe of one run.
        parts: Training, validation and test part.
        tracking: Settings of the store that knows the run.
        root: Key `paths.root`.

    Raises:
        ConfigError: `trainer.execution` names no run that can be followed here, or parts that do not fit.
    """
    trainer = recipe.trainer
    if trainer.precision == "fast":
        faster = trainer.chosen_device().type == "cpu" and low_precision_ratio(recipe, parts, root) < 1
        trainer = replace(trainer, precision="bfloat16" if faster else "float32")
    if isinstance(trainer.execution, str) and trainer.execution != "auto":
        tracker = session.tracker(tracking, root)
        rows = tracker.find(Wanted(run_ids=(trainer.execution,))) if tracker.reads else []
        trainer = replace(trainer, execution=_followed(trainer.execution, rows))
    recipe = replace(recipe, trainer=trainer)
    if trainer.execution != "auto":
        _given([recipe], parts)
    return recipe


def slower(recipe: Recipe, parts: Parts, root: Path) -> str:
    """Return a sentence where the user insists on bfloat16 and it is the slower one here; empty otherwise."""
    if recipe.trainer.precision != "bfloat16" or recipe.trainer.chosen_device().type != "cpu":
        return ""
    if is_short([recipe], parts) or (times := low_precision_ratio(recipe, parts, root)) <= 1:
        return ""
    return (
        f"trainer.precision=bfloat16: training takes up to {times:.3g} times as long as in float32 on this processor; "
        "trainer.precision=fast takes the faster of both."
    )


def _given(recipes: Sequence[Recipe], parts: Parts) -> Execution:
    """Return the execution that the user gives in parts; the rest is as stated."""
    asked = recipes[0].trainer.execution
    assert isinstance(asked, Mapping)  # a run's id was looked up by the plan
    return fits(changed(stated(recipes, len(parts.train.features)), asked), recipes)


def _followed(run_id: str, rows: Sequence[RunRow]) -> dict[str, Any]:
    """Return the parts of the execution that the stored run `rows` was computed with; raise ConfigError."""
    if not rows:
        raise ConfigError(f"trainer.execution: there is no run {run_id!r}; valid: auto, a run's id, or parts to set.")
    told = rows[0].execution
    if not told:
        raise ConfigError(f"trainer.execution: run {run_id} has recorded no execution.")
    if rows[0].processor != processor():
        raise ConfigError(
            f"trainer.execution: run {run_id} ran on another processor, {rows[0].processor}; here it is "
            f"{processor()}. To set its parts all the same, name them: {told}."
        )
    pairs = (word.split("=") for word in told.split())
    return {name: int(value) if value.isdecimal() else value for name, value in pairs}


def _machine() -> str:
    return f"{processor()} torch={version('torch')}"
