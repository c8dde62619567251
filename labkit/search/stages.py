"""The parts of a search: stages from coarse to fine, the best again on fresh seeds, the winner's last training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Annotated, Literal, TypedDict, TypeVar

from pydantic import Field

from labkit.config import ConfigError, Count, checked, shown
from labkit.limits import MOST_TRIALS
from labkit.search import draws, rehearsal, samplers
from labkit.search.samplers import Node
from labkit.search.space import Json, PlainDimension, Space
from labkit.search.zoom import Zoom, check_zoom

CONFIRM, FINAL = "confirm", "final"
FIXED: Literal["fixed settings"] = "fixed settings"  # of a definition: what all trials of the search share
Seeds = Annotated[int, Field(ge=1, le=1000, strict=True)]  # 1000 above the first begin the fresh ones
T = TypeVar("T")

# Everything that makes a stage what it is, as the storage keeps it: `labkit.search.plans.definition_of` says of what.
StageDefinition = TypedDict(
    "StageDefinition",
    {
        "directions": list[str],
        "objectives": list[str],
        "code": dict[str, str],
        "space": list[PlainDimension],
        "seed": int,
        "sampler": Node,
        "overrides": list[str],
        "zoom": Mapping[str, Json] | None,
        "seeds": int | None,
        "pruner": Node | None,
        "points of the grid": int,
        "fixed settings": dict[str, Json],
    },
    total=False,
)


@dataclass(frozen=True)
class SearchStage:
    """A row of trials over one range.

    Attributes:
        name: Name of the stage.
        sampler: `grid random qmc tpe gp cmaes nsgaii`, or a node that names one of Optuna's.
        n_trials: Number of trials, those of earlier calls included.
        n_jobs: Number of trials proposed at once; None: as `labkit.search.samplers.batch` says.
        overrides: Override words added to every trial of the stage.
        zoom: Rule by which its range follows from the stage before; None: the range of the search.
        seeds: Number of seeds of each trial, its value their mean; None: the configuration's own seed.
        pruner: Name or node of the pruner; None: all trials run to their end.
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
        top: Number of points.
        seeds: Number of seeds of each; the first is 1000 above the search's first.
        overrides: Override words added after those of the last stage.
    """

    top: Count = 3
    seeds: Seeds = 5
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True)
class Final:
    """The winner alone, on the final split; it opens the test set.

    Attributes:
        seeds: Number of seeds; the first is 2000 above the search's first, so that none took part in choosing.
        overrides: Override words added after those of the last stage and of the confirmation.
    """

    seeds: Seeds = 1
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True)
class Definition:
    """A whole search.

    Attributes:
        study: Name under which it is remembered.
        space: Keys that are searched over, with their ranges.
        stages: Stages in order.
        confirm, final: Confirmation and last training; None: left out.
        objectives: Names of the metrics.
        directions: `maximize` or `minimize`, one per objective.
        seed: Seed of the samplers.
        base_seed: First seed of the jobs.
        max_failure_rate: Share of a stage's trials so far, in [0, 1]; more that failed end the search.
        fixed: Settings that all trials share, as flat keys and JSON values; empty where nobody compares them.
        code: Versions of the user's own code that the jobs train with, by file.

    Raises:
        ConfigError: The parts contradict each other.
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
    fixed: Mapping[str, Json] = field(default_factory=dict)
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
    node: object, defaults: Mapping[str, object] | None = None, where: str = "hydra.sweeper.stages"
) -> tuple[SearchStage, ...]:
    """Read the stages of a mapping name -> keys, or of a list of mappings with `name`.

    Args:
        node: Plain values; None or empty: one stage named `search`, made of `defaults`.
        defaults: Values of the keys that a stage leaves out.
        where: Key that the node belongs to, for messages.

    Raises:
        ConfigError: The node has another form, or a stage's key or value is wrong.
    """
    given = {key: value for key, value in (defaults or {}).items() if value is not None}
    return tuple(
        _stage(name, {**given, **keys}, f"{where}.{name}") for name, keys in _rows(node or {"search": {}}, where)
    )


def read_confirm(node: object, where: str = "hydra.sweeper.confirm") -> Confirm | None:
    """Read the confirmation; `true` or an empty mapping takes every default, null or false leaves it out."""
    return None if node is None or node is False else _part(where, Confirm, node)


def read_final(node: object, where: str = "hydra.sweeper.final") -> Final | None:
    """Read the winner's training likewise."""
    return None if node is None or node is False else _part(where, Final, node)


def plain(stage: SearchStage) -> StageDefinition:
    """Return everything of a stage that makes it what it is, as JSON; budget and batch are not part of it."""
    return {
        "sampler": stage.sampler,
        "overrides": list(stage.overrides),
        "zoom": None if stage.zoom is None else asdict(stage.zoom),
        "seeds": stage.seeds,
        "pruner": stage.pruner,
    }


def _rows(node: object, where: str) -> list[tuple[str, Mapping[str, object]]]:
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


def _name_and_keys(keys: object, where: str) -> tuple[str, Mapping[str, object]]:
    if not isinstance(keys, Mapping) or not isinstance(keys.get("name"), str):
        raise ConfigError(f"{where}: expected the keys of a stage with its 'name', got {shown(keys)}.")
    return keys["name"], {key: value for key, value in keys.items() if key != "name"}


def _stage(name: str, keys: Mapping[str, object], where: str) -> SearchStage:
    if name in (CONFIRM, FINAL, "") or "/" in name:
        raise ConfigError(f"{where}: a stage needs a name without '/', other than {CONFIRM!r} and {FINAL!r}.")
    found = checked(where, _keys_of_a_stage, keys)
    samplers.check_sampler(found["sampler"], f"{where}.sampler")
    if found["pruner"] is not None:
        samplers.check_pruner(found["pruner"], f"{where}.pruner")
        rehearsal.rehearse_pruner(found["pruner"], f"{where}.pruner")
    zoom = found["zoom"]
    found["zoom"] = None if zoom is None or zoom is False else _part(f"{where}.zoom", Zoom, zoom)
    return SearchStage(name, **found)


def _keys_of_a_stage(
    *,
    sampler: str | dict[str, object] = "tpe",
    n_trials: Annotated[int, Field(ge=1, le=MOST_TRIALS, strict=True)] = 20,
    n_jobs: Count | None = None,
    overrides: tuple[str, ...] = (),
    zoom: object = None,
    seeds: Seeds | None = None,
    pruner: str | dict[str, object] | None = None,
) -> None:
    """Do nothing; the signature says which keys a configuration may write for a stage, and `checked` reads it."""


def _part(where: str, constructor: Callable[..., T], node: object) -> T:
    if node is not True and not isinstance(node, Mapping):
        raise ConfigError(f"{where}: expected true or keys, got {shown(node)}.")
    return constructor(**checked(where, constructor, {} if node is True else dict(node)))


def _check_numbers(definition: Definition) -> None:
    for name, seed in (("hydra.sweeper.seed", definition.seed), ("seed", definition.base_seed)):
        if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
            raise ConfigError(f"{name}: expected a whole number of at least 0, got {shown(seed)}.")
    rate: object = definition.max_failure_rate
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
