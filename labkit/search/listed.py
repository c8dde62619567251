"""Samplers that know all of their points: Optuna's BruteForceSampler and GridSampler, also in a PartialFixedSampler.

Optuna draws their points trial by trial, and they end a study by themselves. Here a stage has its points before the
first is trained, in an order that follows from (seed, stage): so a batch holds none twice, a larger budget begins with
the points of a smaller one, and a stage ends with the last point.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from labkit.config import ConfigError, nearest, shown
from labkit.search.space import Dimension, Point, Space, Value, same

MOST_POINTS = 100_000


def lists(node: Any) -> bool:
    """Whether a sampler's node is one of these."""
    if not isinstance(node, Mapping):
        return False
    name = str(node.get("_target_")).rpartition(".")[2]
    if name == "PartialFixedSampler":
        return lists(node.get("base_sampler"))
    return name == "BruteForceSampler" or (name == "GridSampler" and "search_space" in node)


def points(node: Mapping[str, Any], space: Space, where: str = "hydra.sweeper.sampler") -> list[Point]:
    """All points of such a sampler over a space, each once.

    Raises:
        ConfigError: a range has no end of values, there are more than 100,000 points, or a written value does not fit.
    """
    name = str(node.get("_target_")).rpartition(".")[2]
    if name == "PartialFixedSampler":
        fixed = values_of_space(node, "fixed_params", space, where)
        found = [space.active({**point, **fixed}) for point in points(node["base_sampler"], space, where)]
        return list({tuple(point.items()): point for point in found}.values())
    if name == "GridSampler":
        values = values_of_space(node, "search_space", space, where)
        for key in space.keys:
            if key not in values:
                raise ConfigError(f"{where}.search_space: {key} is searched over, expected its values, got none.")
        return _product(space, [values[key] for key in space.keys], where)
    for d in space.dimensions:
        if d.choices is None and d.gap is None:
            raise ConfigError(
                f"{where}: BruteForceSampler tries every value, and {d.key} has no end of them in {d.text()}; expected "
                "choices, whole numbers or a range with a step."
            )
    return _product(space, [_every(d) for d in space.dimensions], where)


def points_of_stage(node: Mapping[str, Any], space: Space, n_trials: int, seed: int, stage: str) -> list[Point]:
    """The points of a stage, in order: at most `n_trials`, fewer where there are no more."""
    import numpy as np

    every = points(node, space)
    order = np.random.default_rng([seed, zlib.crc32(stage.encode())]).permutation(len(every))
    return [every[i] for i in order[:n_trials]]


def size(space: Space) -> int | None:
    """How many points a space has; None where it has no end of them, or more than 100,000."""
    if any(d.choices is None and d.gap is None for d in space.dimensions):
        return None
    rows = [_every(d) for d in space.dimensions]
    return len(space.product(rows)) if math.prod(map(len, rows)) <= MOST_POINTS else None


def values_of_space(node: Mapping[str, Any], part: str, space: Space, where: str) -> dict[str, Any]:
    """The values that a node writes for keys of the space, as the space writes them.

    Args:
        node: Of a sampler.
        part: The key of the node: `search_space` has a list of values for each key, `fixed_params` one value.
        space: Of the search.
        where: The node's own key, for messages.
    """
    check_values(node, where)
    given = node[part]
    for key in given:
        if key not in space.keys:
            raise ConfigError(f"{where}.{part}: {key!r} is not searched over, {nearest(str(key), space.keys)}")
    if part == "fixed_params":
        return {key: _own(space[key], value, f"{where}.{part}") for key, value in given.items()}
    return {key: [_own(space[key], value, f"{where}.{part}") for value in values] for key, values in given.items()}


def check_values(node: Mapping[str, Any], where: str) -> None:
    """Raise ConfigError where the values that a node writes are no mapping, or those of a key no list."""
    for part in {"search_space", "fixed_params"} & set(node):
        given = node[part]
        if not isinstance(given, Mapping):
            raise ConfigError(f"{where}.{part}: expected a mapping from searched keys to values, got {shown(given)}.")
        for key, values in given.items() if part == "search_space" else ():
            if not isinstance(values, Sequence) or isinstance(values, str) or not values:
                raise ConfigError(f"{where}.{part}: {key}: expected a list of values, got {shown(values)}.")


def _own(d: Dimension, value: Any, where: str) -> Value:
    """The value of a dimension that is written like this one."""
    if d.choices is not None:
        found = [choice for choice in d.choices if same(_plain(choice), _plain(value))]
        if found:
            return found[0]
    elif isinstance(value, int | float) and not isinstance(value, bool) and d.ends[0] <= value <= d.ends[1]:
        nearest_value = d.nearest(value)
        if math.isclose(nearest_value, value, rel_tol=1e-9):
            return nearest_value
    raise ConfigError(f"{where}: {d.key}: expected a value of {d.text()}, got {shown(value)}.")


def _plain(value: Any) -> str:
    return "".join(str(value).split()).lower()


def _every(d: Dimension) -> list[Value]:
    if d.choices is not None:
        return list(d.choices)
    assert d.gap is not None
    low, high = d.ends
    return [d.nth(k) for k in range(min(round((high - low) / d.gap), MOST_POINTS) + 1)]


def _product(space: Space, rows: Sequence[Sequence[Value]], where: str) -> list[Point]:
    if math.prod(map(len, rows)) > MOST_POINTS:
        raise ConfigError(f"{where}: expected at most {MOST_POINTS:,} points, got {math.prod(map(len, rows)):,}.")
    return space.product(rows)
