"""The order of trials: by their value, or by several values that contradict each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol, TypeVar


class Valued(Protocol):
    """Anything that has a value for each objective; None where it came to none."""

    @property
    def values(self) -> tuple[float, ...] | None: ...


V = TypeVar("V", bound=Valued)


def best_first(candidates: Sequence[V], directions: Sequence[str]) -> list[V]:
    """Return the candidates with finite values, best first; equals in the given order.

    With several objectives: front after front of those that no other one beats in everything, and within a front in
    crowding order, the loneliest first (Deb et al., A fast and elitist multiobjective genetic algorithm, 2002).

    Args:
        candidates: Candidates in order.
        directions: `maximize` or `minimize`, one per objective.
    """
    signs = [-1.0 if direction == "maximize" else 1.0 for direction in directions]
    costs = {
        i: tuple(sign * value for sign, value in zip(signs, one.values, strict=True))
        for i, one in enumerate(candidates)
        if one.values is not None and all(math.isfinite(value) for value in one.values)
    }
    if len(signs) == 1:
        return [candidates[i] for i in sorted(costs, key=lambda i: (costs[i], i))]
    order: list[int] = []
    while costs:
        front = [i for i in costs if not any(_beats(other, costs[i]) for other in costs.values())]
        lonely = _crowding([costs[i] for i in front])
        order += [front[k] for k in sorted(range(len(front)), key=lambda k: (-lonely[k], front[k]))]
        costs = {i: cost for i, cost in costs.items() if i not in front}
    return [candidates[i] for i in order]


def _beats(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))


def _crowding(front: Sequence[tuple[float, ...]]) -> list[float]:
    """Return crowding distances: over the objectives, the gap between the neighbours as a share of the whole."""
    distance = [0.0] * len(front)
    for column in zip(*front, strict=True):
        order = sorted(range(len(front)), key=lambda k: column[k])
        width = column[order[-1]] - column[order[0]]
        distance[order[0]] = distance[order[-1]] = math.inf
        for before, k, after in zip(order, order[1:], order[2:], strict=False):
            distance[k] += (column[after] - column[before]) / width if width else 0.0
    return distance
