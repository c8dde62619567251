"""The scale of a range: even steps in the number itself, or in its logarithm."""

from __future__ import annotations

import math


def position(value: float, log: bool) -> float:
    """Where a value lies on the scale."""
    return math.log(value) if log else float(value)


def value_at(place: float, log: bool) -> float:
    """The value at a place of the scale."""
    return math.exp(place) if log else place


def between(low: float, high: float, u: float, log: bool) -> float:
    """The value at a share `u` in [0, 1] of the way from `low` to `high`; exactly the ends at 0 and 1."""
    if u in (0, 1):
        return high if u else low
    start, end = position(low, log), position(high, log)
    return min(max(value_at(start + u * (end - start), log), low), high)
