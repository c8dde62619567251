"""From Hydra's sweep grammar to the dimensions of a search: `interval`, `range`, `choice` and their tags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep

from labkit.config import ConfigError, nearest, shown
from labkit.multirun.override_grammar import listed_values, steps
from labkit.words import Words, merged, word

if TYPE_CHECKING:
    from labkit.search.space import Dimension, Space

_TAGS = {"log", "int"}


def divide_overrides(overrides: Sequence[Override]) -> tuple[Words, list[Override]]:
    """The fixed words, and the overrides that are searched over; a later word of a key replaces an earlier one."""
    newest = {override.get_key_element(): override for override in overrides}
    fixed = tuple(str(override.input_line) for override in newest.values() if not override.is_sweep_override())
    return fixed, [override for override in newest.values() if override.is_sweep_override()]


def space(searched: Sequence[Override], conditions: Mapping[str, Mapping[str, object]]) -> Space:
    """The space of a search.

    Args:
        searched: overrides such as `optimizer.lr=tag(log,interval(1e-4,1))`.
        conditions: key -> {other key: value or values}: the key is searched only where the others have these values.

    Raises:
        ConfigError: there is nothing to search, a tag or a condition is unknown, or a range is empty.
    """
    from labkit.search.space import Space

    keys = [override.get_key_element() for override in searched]
    if not keys:
        raise ConfigError(
            "hydra.sweeper.params: the space is empty; give at least one range, such as "
            "'optimizer.lr=tag(log,interval(1e-4,1))'."
        )
    for key, others in conditions.items():
        for name in (key, *others):
            if name not in keys:
                raise ConfigError(f"hydra.sweeper.conditions: {name!r} is not searched over, {nearest(name, keys)}")
    when = {key: {other: _texts(value) for other, value in others.items()} for key, others in conditions.items()}
    return Space(tuple(dimension(override, when.get(override.get_key_element(), {})) for override in searched))


def check_seeds(over: Space, seeds: int | None) -> None:
    """Raise ConfigError where a search over `seed` would have its value replaced by those of `seeds`."""
    if seeds is not None and any(d.key == "seed" for d in over.dimensions):
        raise ConfigError(f"seed: every trial is trained on {seeds} seeds (seeds={seeds}); expected one value, seed=0.")


def dimension(override: Override, when: Mapping[str, tuple[str, ...]]) -> Dimension:
    """Return one searched key; raise ConfigError for a range that cannot be searched.

    `interval(a, b)` is real, `int(interval(a, b))` whole; `range(a, b)` ends before b.
    """
    from labkit.search.space import Dimension

    key, value = override.get_key_element(), override.value()
    tags: set[str] = getattr(value, "tags", set())
    for tag in tags - _TAGS:
        raise ConfigError(f"{key}: unknown tag {tag!r}, {nearest(tag, _TAGS)}")
    if isinstance(value, IntervalSweep):
        assert value.start is not None
        assert value.end is not None
        whole = (isinstance(value.start, int) and isinstance(value.end, int)) or "int" in tags
        kind = int if whole else float
        return Dimension(key, low=kind(value.start), high=kind(value.end), log="log" in tags, integer=whole, when=when)
    if isinstance(value, RangeSweep):
        numbers = steps(value)
        whole = all(isinstance(number, int) for number in numbers)
        low, high = min(numbers), max(numbers)
        return Dimension(key, low=low, high=high, step=abs(value.step), integer=whole, when=when)
    if "log" in tags:
        raise ConfigError(f"{key}: the tag 'log' belongs to an interval, such as tag(log,interval(1e-4,1)).")
    return Dimension(key, choices=tuple(listed_values(override)), when=when)


def words(parameters: Mapping[str, object], over: Space) -> Words:
    """Override words for the values of a point; a choice stands for itself, as it was written."""
    choices = {d.key for d in over.dimensions if d.choices is not None}
    return tuple(f"{key}={value}" if key in choices else word(key, value) for key, value in parameters.items())


def corners(over: Space) -> list[Words]:
    """Points that a search may reach and that show what is wrong with its ranges: each key's ends and choices."""
    middle = {d.key: d.at(0.5) for d in over.dimensions}
    rows = [middle]
    for d in over.dimensions:
        ends = d.choices if d.choices is not None else (d.at(0.0), d.at(1.0))
        rows += [{**middle, d.key: end} for end in ends]
    return list(dict.fromkeys(words(over.active(row), over) for row in rows))


def sample(overrides: Sequence[Override], count: int, seed: int) -> list[Words]:
    """Return `count` random points of a space; more of them begin alike. Raise ConfigError for no count."""
    import numpy as np

    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise ConfigError(f"hydra.sweeper.samples: expected how many points, at least 1, got {shown(count)}.")
    fixed, searched = divide_overrides(overrides)
    over = space(searched, {})
    rows = []
    for number in range(count):
        draws = np.random.default_rng((seed, number)).random(len(over.dimensions))
        point = {d.key: d.at(float(u)) for d, u in zip(over.dimensions, draws, strict=True)}
        rows.append(merged(fixed, words(point, over)))
    return list(dict.fromkeys(rows))


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(inner) for inner in value) if isinstance(value, list | tuple) else (str(value),)
