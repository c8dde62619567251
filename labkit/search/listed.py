"""Samplers that know all of their points: Optuna's BruteForceSampler and GridSampler, also in a PartialFixedSampler.

Optuna draws their points trial by trial, and they end a study by themselves. Here a stage has its points before the
first is trained, in an order that follows from (seed, stage): so a batch holds none twice, a larger budget begins with
the points of a smaller one, and a stage ends with the last point.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence

from labkit.config import ConfigError, nearest, shown
from labkit.search.space import Dimension, Json, Point, Space, Value, same

MOST_POINTS = 100_000


def lists(node: object) -> bool:
    """Tell whether a node names a sampler that knows all of its points."""
    if not isinstance(node, Mapping):
        return False
    name = str(node.get("_target_")).rpartition(".")[2]
    if name == "PartialFixedSampler":
        return lists(node.get("base_sampler"))
    return name == "BruteForceSampler" or (name == "GridSampler" and "search_space" in node)


def points(node: Mapping[str, Json], space: Space, where: str = "hydra.sweeper.sampler") -> list[Point]:
    """Return all points of such a sampler over a space, each once.

    Raises:
        ConfigError: A range has no end of values, there are more than 100,000 points, or a written value does not fit.
    """
    name = str(node.get("_target_")).rpartition(".")[2]
    if name == "PartialFixedSampler":
        fixed = fixed_values(node, space, where)
        base = node["base_sampler"]
        assert isinstance(base, Mapping)  # `lists` has looked into it
        found = [space.active({**point, **fixed}) for point in points(base, space, where)]
        return list({tuple(point.items()): point for point in found}.values())
    if name == "GridSampler":
        values = grid_values(node, space, where)
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


def points_of_stage(node: Mapping[str, Json], space: Space, n_trials: int, seed: int, stage: str) -> list[Point]:
    """Return the points of a stage, in order: at most `n_trials`, fewer where there are no more."""
    import numpy as np

    # Shuffled, for a budget smaller than the grid would otherwise see the first values of the first key only.
    every = points(node, space)
    order = np.random.default_rng([seed, zlib.crc32(stage.encode())]).permutation(len(every))
    return [every[i] for i in order[:n_trials]]


def size(space: Space) -> int | None:
    """Return the number of points of a space; None where it has no end of them, or more than 100,000."""
    if any(d.choices is None and d.gap is None for d in space.dimensions):
        return None
    rows = [_every(d) for d in space.dimensions]
    return len(space.product(rows)) if math.prod(map(len, rows)) <= MOST_POINTS else None


def fixed_values(node: Mapping[str, Json], space: Space, where: str) -> dict[str, Value]:
    """Return the `fixed_params` of a sampler's node, each value as the space writes it.

    Args:
        node: Sampler as a configuration writes it.
        space: Space of the search.
        where: Key of the node, for messages.

    Raises:
        ConfigError: A key is not searched over, or its dimension has no such value.
    """
    given = _values_by_key(node, "fixed_params", space, where)
    return {key: _own(space[key], value, f"{where}.fixed_params") for key, value in given.items()}


def grid_values(node: Mapping[str, Json], space: Space, where: str) -> dict[str, list[Value]]:
    """Return the `search_space` of a sampler's node, a list of values for each key; arguments as in `fixed_values`.

    Raises:
        ConfigError: A key is not searched over, or its dimension has no such value.
    """
    given = _values_by_key(node, "search_space", space, where)
    rows = {key: values for key, values in given.items() if isinstance(values, Sequence)}  # all: they are checked
    return {key: [_own(space[key], value, f"{where}.search_space") for value in row] for key, row in rows.items()}


def _values_by_key(node: Mapping[str, Json], part: str, space: Space, where: str) -> Mapping[str, Json]:
    check_values(node, where)
    given = node[part]
    assert isinstance(given, Mapping)
    for key in given:
        if key not in space.keys:
            raise ConfigError(f"{where}.{part}: {key!r} is not searched over, {nearest(str(key), space.keys)}")
    return given


def check_values(node: Mapping[str, Json], where: str) -> None:
    """Check that the values that a node writes are a mapping, and those of each key of a grid a list.

    Raises:
        ConfigError: They are not.
    """
    for part in {"search_space", "fixed_params"} & set(node):
        given = node[part]
        if not isinstance(given, Mapping):
            raise ConfigError(f"{where}.{part}: expected a mapping from searched keys to values, got {shown(given)}.")
        for key, values in given.items() if part == "search_space" else ():
            if not isinstance(values, Sequence) or isinstance(values, str) or not values:
                raise ConfigError(f"{where}.{part}: {key}: expected a list of values, got {shown(values)}.")


def _own(d: Dimension, value: Json, where: str) -> Value:
    """Return the value of a dimension that is written like this one."""
    if d.choices is not None:
        found = [choice for choice in d.choices if same(_plain(choice), _plain(value))]
        if found:
            return found[0]
    elif isinstance(value, int | float) and not isinstance(value, bool) and d.ends[0] <= value <= d.ends[1]:
        nearest_value = d.nearest(value)
        if math.isclose(nearest_value, value, rel_tol=1e-9):
            return nearest_value
    raise ConfigError(f"{where}: {d.key}: expected a value of {d.text()}, got {shown(value)}.")


def _plain(value: Json) -> str:
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
