"""The scale of a range: even steps in the number itself, or in its logarithm."""

from __future__ import annotations

import math


def position(value: float, log: bool) -> float:
    """Return the place of a value on the scale: its logarithm, or the number itself."""
    return math.log(value) if log else float(value)


def value_at(place: float, log: bool) -> float:
    """Return the value at a place of the scale."""
    return math.exp(place) if log else place


def between(low: float, high: float, u: float, log: bool) -> float:
    """Return the value at a share `u` in [0, 1] of the way from `low` to `high`; exactly the ends at 0 and 1."""
    if u in (0, 1):
        return high if u else low
    start, end = position(low, log), position(high, log)
    return min(max(value_at(start + u * (end - start), log), low), high)


def decimal(value: float) -> float:
    """Return the decimal that a computed value stands for: 0.001 for 0.0010000000000000002.

    It is the one with the fewest digits within a relative 1e-12, if eight are enough; a value that is no such decimal
    (a random draw, a point between decades) stays to its last bit, and so does the identity of its run.
    """
    texts = (f"{value:.{digits}g}" for digits in range(1, 9))
    return next((found for text in texts if math.isclose(found := float(text), value, rel_tol=1e-12)), value)


def shortest_text(value: float) -> str:
    """Return the shortest text that reads back as this number: 1, 0.001, 1e-05."""
    texts = (f"{value:.{digits}g}" for digits in range(1, 18))
    return next((text for text in texts if float(text) == value), str(value))
