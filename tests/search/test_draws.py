"""Grid, random and quasi-random points: functions of their place alone, evenly spread, of the budget that was given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from labkit.config import ConfigError
from labkit.search import draws
from labkit.search.space import Dimension, Space
from tests.search.search_cases import LAMBDA

PLANE = Space((Dimension("lr", 1e-4, 1, log=True), Dimension("l2", 1e-5, 1e-1, log=True)))
RULE = Dimension("rule", choices=("sgd", "adam", "rmsprop"))


@pytest.mark.parametrize("kind", ["random", "qmc"])
def test_a_larger_budget_begins_with_the_points_of_a_smaller_one(kind: str) -> None:
    few, many = (draws.points(kind, PLANE, n, 7, "fine") for n in (5, 40))
    assert many[:5] == few
    assert len({tuple(point.values()) for point in many}) == 40


@pytest.mark.parametrize("kind", ["random", "qmc"])
def test_seed_and_stage_change_the_points(kind: str) -> None:
    rows = [draws.points(kind, PLANE, 4, seed, stage) for seed, stage in ((0, "a"), (1, "a"), (0, "b"))]
    assert rows[0] != rows[1] != rows[2] != rows[0]
    assert rows[0] == draws.points(kind, PLANE, 4, 0, "a")


def test_quasi_random_points_are_sobols_in_the_scale_of_the_range() -> None:
    rows = draws.points("qmc", PLANE, 16, 0, "a")
    shares = [(np.log10(np.array([float(p["lr"] or 0) for p in rows])) + 4) / 4]
    shares += [(np.log10(np.array([float(p["l2"] or 0) for p in rows])) + 5) / 4]
    for column in shares:  # one point in every sixteenth
        assert sorted((column * 16).astype(int)) == list(range(16))


@pytest.mark.parametrize(
    ("space", "budget", "points"),
    [
        (LAMBDA, 8, 8),
        (PLANE, 64, 64),
        (PLANE, 70, 64),
        (Space((RULE,)), 3, 3),
        (Space((RULE,)), 50, 3),
        (Space((RULE, Dimension("n", 1, 2, integer=True))), 50, 6),
        (Space((RULE, Dimension("p", 0, 1, when={"rule": ("sgd",)}))), 12, 12),
    ],
)
def test_a_grid_has_as_many_points_as_its_budget_allows(space: Space, budget: int, points: int) -> None:
    rows: list[Any] = draws.grid(space, budget)
    assert len(rows) == points
    assert len({tuple(row.items()) for row in rows}) == points


def test_a_budget_too_small_for_a_grid_is_refused() -> None:
    with pytest.raises(ConfigError, match="n_trials is 3, but the smallest grid over lr, l2 has 4 points"):
        draws.grid(PLANE, 3)
