"""From a stage's range to that of the next: around the best of what was tried."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from labkit.config import ConfigError, Count, Flag, nearest
from labkit.search import scale
from labkit.search.space import Dimension, Space, Value


@dataclass(frozen=True)
class Zoom:
    """Rule by which the range of a stage follows from the stage before.

    Attributes:
        around: Number k of best trials that the new range holds.
        keys: Keys whose ranges are zoomed; None: all.
        widen: True where the new range may go on beyond the search's own if the best lies at one of its ends.
        limits: Searched key -> (low, high), which no widened range leaves.
    """

    around: Count = 3
    keys: tuple[str, ...] | None = None
    widen: Flag = False
    limits: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def check_zoom(space: Space, rule: Zoom, where: str) -> None:
    """Check that a rule fits a space.

    Args:
        space: Space of the search.
        rule: Rule of a stage.
        where: Key of the rule, for messages.

    Raises:
        ConfigError: There is no range, a key is a choice or not searched over, or a limit has no effect.
    """
    ranges = {d.key: d for d in space.dimensions if d.choices is None}
    if not ranges:
        raise ConfigError(f"{where}: there is no range to zoom, all of {', '.join(space.keys)} are choices.")
    for part, keys in (("keys", rule.keys or ()), ("limits", tuple(rule.limits))):
        for key in keys:
            if key not in space.keys:
                raise ConfigError(f"{where}.{part}: {key!r} is not searched over, {nearest(key, ranges)}")
            if key not in ranges:
                raise ConfigError(f"{where}.{part}: {key} is a choice and has no range, {nearest(key, ranges)}")
    for key, (low, high) in rule.limits.items():
        start, end = ranges[key].ends
        if not low <= start <= end <= high:
            raise ConfigError(
                f"{where}.limits: {key} is searched over {start:g}..{end:g}, expected limits around it, "
                f"got {low:g}..{high:g}."
            )
    if rule.limits and not rule.widen:
        raise ConfigError(
            f"{where}.limits: no range leaves the one that the search was given, so they limit nothing; "
            "expected widen: true beside them, or no limits."
        )


def zoom(
    space: Space,
    rule: Zoom,
    tried: Sequence[Mapping[str, Value]],
    best: Sequence[Mapping[str, Value]],
    walls: Space | None = None,
) -> Space:
    """Return the space of the next stage.

    For every range [L, H], in its own scale (logarithms where it is logarithmic), with the k best values b_1 (the very
    best), ..., b_k, the distinct values tried t_1 < ... < t_m, and their mean spacing h = (t_m - t_1) / (m - 1)
    (half the range where m = 1):

        low  = min(min_i b_i - h/2, the value tried next below b_1, or b_1 - h where there is none)
        high = max(max_i b_i + h/2, the value tried next above b_1, or b_1 + h where there is none)

    cut off at L and H. So where an objective with one optimum was measured without noise, the new range holds it.
    Where b_1 lies on an end of the former range (within h/2), the optimum may lie beyond: the new range goes on beyond
    that end by as much as it reaches inside, but never leaves the walls, which are the search's own range. `widen`
    takes them down: then only `limits` hold, and numbers that were all at least 0 (or at most 0) stay so. A range that
    an earlier stage widened is not cut back. Whole-numbered and stepped ranges keep their values, the ends rounded
    outwards, but not through a wall. Choices stay. A key that none of the best has (its condition does not hold) stays.

    Args:
        space: Space of the stage before, with its ranges.
        rule: Rule by which the range follows.
        tried: Points of that stage.
        best: Points of that stage with a value, best first; at least one.
        walls: Space of the search itself; None: `space`.
    """
    walls = walls or space
    wanted = [d for d in space.dimensions if d.choices is None and (rule.keys is None or d.key in rule.keys)]
    zoomed: dict[str, Dimension] = {}
    for d in wanted:
        good = [float(v) for point in best if isinstance(v := point.get(d.key), int | float)][: rule.around]
        if good:
            others = [float(v) for point in tried if isinstance(v := point.get(d.key), int | float)]
            zoomed[d.key] = _range_around(d, others, good, bounds(d, rule, walls[d.key]))
    return space.with_dimensions(zoomed)


def spacing(d: Dimension, places: Sequence[float]) -> float:
    """Return the mean distance of the places tried on the scale of a range; half the range where there is one place.

    Args:
        d: Range that they lie in.
        places: Places on its scale, in order, each once.
    """
    start, end = (scale.position(value, d.log) for value in d.ends)
    return (places[-1] - places[0]) / (len(places) - 1) if len(places) > 1 else (end - start) / 2


def bounds(d: Dimension, rule: Zoom, wall: Dimension) -> tuple[float, float]:
    """Return the ends that a new range never leaves.

    They are its walls; where it widens, its limits and the sign that all its values had.

    Args:
        d: Range before.
        rule: Rule by which the new one follows.
        wall: Range that the search itself has for the key.
    """
    low, high = d.ends
    if not rule.widen:
        return min(wall.ends[0], low), max(wall.ends[1], high)
    limits = rule.limits.get(d.key, (-math.inf, math.inf))
    return max(limits[0], 0.0 if low >= 0 else -math.inf), min(limits[1], 0.0 if high <= 0 and low < 0 else math.inf)


def _range_around(d: Dimension, tried: Sequence[float], good: Sequence[float], room: tuple[float, float]) -> Dimension:
    start, end = (scale.position(value, d.log) for value in d.ends)
    best = min(max(scale.position(good[0], d.log), start), end)
    places = sorted({scale.position(value, d.log) for value in (*tried, *good)})
    h = spacing(d, places)
    low = min(scale.position(min(good), d.log) - h / 2, max((p for p in places if p < best), default=best - h))
    high = max(scale.position(max(good), d.log) + h / 2, min((p for p in places if p > best), default=best + h))
    low, high = max(low, start), min(high, end)
    inside = (high - start, end - low)
    # A best value at an end: the optimum may lie beyond, so go beyond by as much as the new range reaches inside.
    if best - start <= h / 2:
        low = start - inside[0]
    if end - best <= h / 2:
        high = end + inside[1]
    bottom, top = room
    known = (*d.ends, *tried, *good)
    first, last = (_value(d, place, known) for place in (low, high))
    return _between(d, max(min(first, *good), bottom), min(max(last, *good), top), bottom, top)


def _value(d: Dimension, place: float, known: Sequence[float]) -> float:
    """Return the value at a place of the scale; a former end and a value that was tried exactly as they were."""
    places = {scale.position(value, d.log): value for value in reversed(known)}
    if place in places:
        return places[place]
    return scale.decimal(scale.value_at(place, d.log))


def _between(d: Dimension, low: float, high: float, bottom: float, top: float) -> Dimension:
    """Return the dimension with new ends, on its own values where they are whole or stepped."""
    if d.gap is not None:
        start = d.ends[0]
        first, last = math.floor((low - start) / d.gap + 1e-9), math.ceil((high - start) / d.gap - 1e-9)
        first += d.nth(first) < bottom
        last -= d.nth(last) > top
        low, high = d.nth(first), d.nth(last)
        low = max(low, 1) if d.log else low
    return d.between(low, high)
