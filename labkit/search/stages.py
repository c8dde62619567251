"""What a search consists of: stages from coarse to fine, the best again on fresh seeds, the winner's last training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any

from pydantic import Field

from labkit.config import ConfigError, Count, checked, shown
from labkit.search import draws, rehearsal, samplers
from labkit.search.samplers import Node
from labkit.search.space import Space
from labkit.search.zoom import Zoom, check_zoom

CONFIRM, FINAL = "confirm", "final"
Seeds = Annotated[int, Field(ge=1, le=1000, strict=True)]  # 1000 above the first begin the fresh ones


@dataclass(frozen=True)
class SearchStage:
    """A row of trials.

    Attributes:
        name: of the stage.
        sampler: `grid random qmc tpe gp cmaes nsgaii`, or a node that names one of Optuna's.
        n_trials: in all, those of earlier calls included.
        n_jobs: trials proposed at once; None: as `labkit.search.samplers.batch` says.
        overrides: words added to every trial of the stage.
        zoom: how its range follows from the stage before; None: the range of the search.
        seeds: on how many seeds each trial runs, its value their mean; None: on the configuration's own.
        pruner: gives trials up; None: all run to their end.
    """

    name: str
    sampler: Node = "tpe"
    n_trials: int = 20
    n_jobs: int | None = None
    overrides: tuple[str, ...] = ()
    zoom: Zoom | None = None
    seeds: int | None = None
    pruner: Node | None = None


@dataclass(frozen=True)
class Confirm:
    """The `top` points of the last stage again, each on `seeds` fresh seeds.

    Attributes:
        top: how many.
        seeds: on how many seeds each; the first is 1000 above the search's first.
        overrides: words added after those of the last stage.
    """

    top: Count = 3
    seeds: Seeds = 5
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True)
class Final:
    """The winner alone, on the final split; it opens the test set.

    Attributes:
        seeds: on how many seeds; the first is 2000 above the search's first, so that none took part in choosing.
        overrides: words added after those of the last stage and of the confirmation.
    """

    seeds: Seeds = 1
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True)
class Definition:
    """A whole search.

    Attributes:
        study: its name.
        space: what is searched.
        stages: in order.
        confirm, final: None: left out.
        objectives: names of the metrics.
        directions: `maximize` or `minimize`, one per objective.
        seed: of the samplers.
        base_seed: the first seed of the jobs.
        max_failure_rate: share of a stage's trials so far; more that failed end the search.
        fixed: What all trials share, as flat keys and JSON values; empty where nobody compares it.
        code: versions of the user's own code that the jobs train with, by file.

    Raises:
        ConfigError: the parts contradict each other.
    """

    study: str
    space: Space
    stages: tuple[SearchStage, ...]
    confirm: Confirm | None = None
    final: Final | None = None
    objectives: tuple[str, ...] = ("val/accuracy",)
    directions: tuple[str, ...] = ("maximize",)
    seed: int = 0
    base_seed: int = 0
    max_failure_rate: float = 0.0
    fixed: Mapping[str, Any] = field(default_factory=dict)
    code: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_numbers(self)
        _check_stages(self)
        for direction in self.directions:
            if direction not in ("maximize", "minimize"):
                raise ConfigError(f"hydra.sweeper.direction: expected maximize or minimize, got {shown(direction)}.")
        if len(self.directions) > 1:
            _check_several(self)
        for stage in self.stages:
            where = f"hydra.sweeper.stages.{stage.name}.sampler"
            rehearsal.rehearse_sampler(stage.sampler, self.space, self.directions, where)


def read_stages(
    node: Any, defaults: Mapping[str, Any] | None = None, where: str = "hydra.sweeper.stages"
) -> tuple[SearchStage, ...]:
    """The stages of a mapping name -> keys, or of a list of mappings with `name`; raises ConfigError.

    Args:
        node: plain values; None or empty: one stage named `search`, made of `defaults`.
        defaults: values of the keys that a stage leaves out.
        where: the key that the node belongs to, for messages.
    """
    given = {key: value for key, value in (defaults or {}).items() if value is not None}
    return tuple(
        _stage(name, {**given, **keys}, f"{where}.{name}") for name, keys in _rows(node or {"search": {}}, where)
    )


def read_confirm(node: Any, where: str = "hydra.sweeper.confirm") -> Confirm | None:
    """The confirmation; `true` or an empty mapping takes every default, null or false leaves it out."""
    return None if node is None or node is False else Confirm(**_part(where, Confirm, node))


def read_final(node: Any, where: str = "hydra.sweeper.final") -> Final | None:
    """The winner's training, read likewise."""
    return None if node is None or node is False else Final(**_part(where, Final, node))


def plain(stage: SearchStage) -> dict[str, Any]:
    """What makes a stage what it is, as JSON; budget and batch are not part of it."""
    kept = {key: value for key, value in asdict(stage).items() if key not in ("name", "n_trials", "n_jobs")}
    return {**kept, "overrides": list(stage.overrides)}


def _rows(node: Any, where: str) -> list[tuple[str, Mapping[str, Any]]]:
    if isinstance(node, Mapping):
        rows = [(str(name), {} if keys is None else keys) for name, keys in node.items()]
    elif isinstance(node, Sequence) and not isinstance(node, str):
        rows = [_name_and_keys(keys, f"{where}[{i}]") for i, keys in enumerate(node)]
    else:
        raise ConfigError(f"{where}: expected a mapping from the name of a stage to its keys, got {shown(node)}.")
    for name, keys in rows:
        if not isinstance(keys, Mapping):
            raise ConfigError(f"{where}.{name}: expected the keys of a stage, got {shown(keys)}.")
    return rows


def _name_and_keys(keys: Any, where: str) -> tuple[str, Mapping[str, Any]]:
    if not isinstance(keys, Mapping) or not isinstance(keys.get("name"), str):
        raise ConfigError(f"{where}: expected the keys of a stage with its 'name', got {shown(keys)}.")
    return keys["name"], {key: value for key, value in keys.items() if key != "name"}


def _stage(name: str, keys: Mapping[str, Any], where: str) -> SearchStage:
    if name in (CONFIRM, FINAL, "") or "/" in name:
        raise ConfigError(f"{where}: a stage needs a name without '/', other than {CONFIRM!r} and {FINAL!r}.")
    found = checked(where, _keys_of_a_stage, keys)
    samplers.check_sampler(found["sampler"], f"{where}.sampler")
    if found["pruner"] is not None:
        samplers.check_pruner(found["pruner"], f"{where}.pruner")
        rehearsal.rehearse_pruner(found["pruner"], f"{where}.pruner")
    zoom = found["zoom"]
    found["zoom"] = None if zoom is None or zoom is False else Zoom(**_part(f"{where}.zoom", Zoom, zoom))
    return SearchStage(name, **found)


def _keys_of_a_stage(
    *,
    sampler: str | dict[str, Any] = "tpe",
    n_trials: Count = 20,
    n_jobs: Count | None = None,
    overrides: tuple[str, ...] = (),
    zoom: Any = None,
    seeds: Seeds | None = None,
    pruner: str | dict[str, Any] | None = None,
) -> None:
    """The keys of a stage, as a configuration writes them."""


def _part(where: str, constructor: type[Any], node: Any) -> dict[str, Any]:
    if node is not True and not isinstance(node, Mapping):
        raise ConfigError(f"{where}: expected true or keys, got {shown(node)}.")
    return checked(where, constructor, {} if node is True else dict(node))


def _check_numbers(definition: Definition) -> None:
    for name, seed in (("hydra.sweeper.seed", definition.seed), ("seed", definition.base_seed)):
        if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
            raise ConfigError(f"{name}: expected a whole number of at least 0, got {shown(seed)}.")
    rate: Any = definition.max_failure_rate
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= 1:
        raise ConfigError(f"hydra.sweeper.max_failure_rate: expected a share from 0 to 1, got {shown(rate)}.")
    if not definition.study.strip("/ "):
        raise ConfigError(f"hydra.sweeper.study_name: expected a name, got {shown(definition.study)}.")


def _check_stages(definition: Definition) -> None:
    if not definition.stages:
        raise ConfigError("hydra.sweeper.stages: expected at least one stage, got none.")
    names = [stage.name for stage in definition.stages]
    for i, stage in enumerate(definition.stages):
        where = f"hydra.sweeper.stages.{stage.name}"
        if names.index(stage.name) < i:
            raise ConfigError(f"{where}: there are two stages of this name, expected different ones.")
        if stage.zoom is not None:
            if i == 0:
                raise ConfigError(f"{where}.zoom: the first stage has none before it to zoom on, expected null.")
            check_zoom(definition.space, stage.zoom, f"{where}.zoom")
            if "search_space" in str(stage.sampler):
                raise ConfigError(f"{where}.zoom: the values of its sampler's search_space are written, expected null.")
        if samplers.kind(stage.sampler) == "grid":
            draws.grid(definition.space, stage.n_trials)


def _check_several(definition: Definition) -> None:
    for stage in definition.stages:
        where = f"hydra.sweeper.stages.{stage.name}"
        if stage.pruner not in (None, "nop"):
            raise ConfigError(f"{where}.pruner: a search with several objectives cannot prune, expected null.")
        if stage.sampler == "cmaes":
            raise ConfigError(f"{where}.sampler: cmaes knows one objective, there are {len(definition.directions)}.")
    if definition.final is not None:
        raise ConfigError(
            "hydra.sweeper.final: a search with several objectives has no single winner, expected null; "
            "train the one you choose."
        )
