"""The space of a search: its dimensions, and which of them a point has."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labkit.config import ConfigError, nearest, shown
from labkit.search.dimension import Dimension, Json, PlainDimension, Point, Value

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

__all__ = ["Dimension", "Json", "PlainDimension", "Point", "Space", "Value", "same"]


@dataclass(frozen=True)
class Space:
    """The dimensions of a search, conditions in order: a key comes after those that decide whether it is active.

    Raises:
        ConfigError: There is no dimension, a key comes twice, or a condition names a key that is not searched over,
            a value that this key never has, or is circular.
    """

    dimensions: tuple[Dimension, ...]

    def __post_init__(self) -> None:
        keys = [dimension.key for dimension in self.dimensions]
        if not keys:
            raise ConfigError("The space of the search is empty: expected at least one key with a range or choices.")
        for key in keys:
            if keys.count(key) > 1:
                raise ConfigError(f"{key}: it is searched over twice, expected one range per key.")
        for dimension in self.dimensions:
            _check_conditions(dimension, {d.key: d for d in self.dimensions})
        object.__setattr__(self, "dimensions", _in_order(self.dimensions))

    @property
    def keys(self) -> tuple[str, ...]:
        """Return the searched keys."""
        return tuple(dimension.key for dimension in self.dimensions)

    def __getitem__(self, key: str) -> Dimension:
        return next(dimension for dimension in self.dimensions if dimension.key == key)

    def active(self, values: Mapping[str, Value]) -> Point:
        """Return the point without the keys whose conditions do not hold."""
        point: Point = {}
        for dimension in self.dimensions:
            if dimension.key in values and _holds(dimension.when, point):
                point[dimension.key] = values[dimension.key]
        return point

    def complete(self, point: Mapping[str, Value]) -> bool:
        """Tell whether a point has every key that is active in it."""
        wanted = self.active({**dict.fromkeys(self.keys), **point})
        return set(wanted) <= set(point)

    def at(self, shares: Sequence[float]) -> Point:
        """Return the point at the given share of each dimension, a number in [0, 1] for each."""
        return self.active({d.key: d.at(float(u)) for d, u in zip(self.dimensions, shares, strict=True)})

    def grid(self, n: int) -> list[Point]:
        """Return every combination of at most `n` values per range and all choices; points that coincide come once."""
        return self.product([dimension.grid(n) for dimension in self.dimensions])

    def product(self, rows: Sequence[Sequence[Value]]) -> list[Point]:
        """Return every combination of the given values, a row for each key; points that coincide come once."""
        combined = itertools.product(*rows)
        points = (self.active(dict(zip(self.keys, row, strict=True))) for row in combined)
        return list({tuple(point.items()): point for point in points}.values())

    def suggest(self, trial: BaseTrial) -> Point:
        """Draw a point by the sampler of an Optuna trial, key by key."""
        point: Point = {}
        for dimension in self.dimensions:
            if _holds(dimension.when, point):
                point[dimension.key] = dimension.suggest(trial)
        return point

    def with_dimensions(self, dimensions: Mapping[str, Dimension]) -> Space:
        """Return the same space with some dimensions exchanged."""
        return Space(tuple(dimensions.get(d.key, d) for d in self.dimensions))

    def plain(self) -> list[PlainDimension]:
        """Return it as JSON."""
        return [dimension.plain() for dimension in self.dimensions]

    @staticmethod
    def from_plain(plain: Sequence[PlainDimension]) -> Space:
        """Return the space that `plain` wrote."""
        return Space(tuple(Dimension.from_plain(row) for row in plain))

    def range_text(self) -> dict[str, str]:
        """Return key -> its range in words."""
        return {dimension.key: dimension.text() for dimension in self.dimensions}

    def difference(self, other: Space) -> str:
        """Say in a clause what is different in `other`: `loss.l2 was 1e-05..0.1 (log), is 1..2`; "" if nothing is."""
        for key in dict.fromkeys((*self.keys, *other.keys)):
            if key not in other.keys:
                return f"{key} was searched over, is not"
            if key not in self.keys:
                return f"{key} was not searched over, is"
            was, now = self[key], other[key]
            if was.plain() != now.plain():
                exact = {True: (repr(was.ends), repr(now.ends))} if was.choices is None and now.choices is None else {}
                before, after = exact.get(was.text() == now.text(), (was.text(), now.text()))
                return f"{key} was {before}, is {after}"
        return ""


def _holds(when: Mapping[str, tuple[Value, ...]], point: Mapping[str, Value]) -> bool:
    return all(key in point and any(same(point[key], value) for value in values) for key, values in when.items())


def same(one: Value, other: Value) -> bool:
    """Tell whether two values are equal, or written the same way: 2 and "2"."""
    return one == other or str(one) == str(other)


def _check_conditions(dimension: Dimension, known: Mapping[str, Dimension]) -> None:
    others = {key: d for key, d in known.items() if key != dimension.key}
    for key, values in dimension.when.items():
        if key not in others:
            raise ConfigError(f"{dimension.key}: its condition names {key!r}, {nearest(key, others)}")
        choices = others[key].choices
        for value in values:
            if choices is not None and not any(same(value, choice) for choice in choices):
                raise ConfigError(
                    f"{dimension.key}: its condition wants {key} to be {shown(value)}, "
                    f"{nearest(str(value), map(str, choices))}"
                )


def _in_order(dimensions: tuple[Dimension, ...]) -> tuple[Dimension, ...]:
    """Return conditions before what depends on them, the given order otherwise."""
    placed: dict[str, Dimension] = {}
    while len(placed) < len(dimensions):
        ready = [d for d in dimensions if d.key not in placed and placed.keys() >= d.when.keys()]
        if not ready:
            circle = ", ".join(d.key for d in dimensions if d.key not in placed)
            raise ConfigError(f"The conditions of {circle} depend on each other, expected one to come first.")
        placed |= {d.key: d for d in ready[:1]}
    return tuple(placed.values())
