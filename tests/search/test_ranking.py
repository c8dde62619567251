"""Best first: one objective by value, several by fronts, and what has no value is left out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.search.ranking import best_first

VALUES = st.integers(-5, 5).map(float)


@dataclass(frozen=True)
class One:
    values: tuple[float, ...] | None


def rows(*values: tuple[float, ...] | None) -> list[One]:
    return [One(value) for value in values]


def test_one_objective() -> None:
    given_rows = rows((0.2,), None, (0.9,), (math.nan,), (0.5,), (0.9,))
    assert [given_rows.index(one) for one in best_first(given_rows, ["maximize"])] == [2, 2, 4, 0]
    assert best_first(given_rows, ["minimize"])[0].values == (0.2,)
    assert best_first(rows(None), ["minimize"]) == []


@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=12))
def test_the_first_front_is_optunas(values: list[tuple[float, float]]) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(directions=["maximize", "minimize"])
    for pair in values:
        study.add_trial(optuna.trial.create_trial(values=list(pair)))
    front = sorted(tuple(trial.values) for trial in study.best_trials)
    found = best_first(rows(*values), ["maximize", "minimize"])
    assert sorted(one.values or () for one in found[: len(front)]) == front
    assert len(found) == len(values)


def test_within_a_front_the_loneliest_come_first() -> None:
    front = rows((0.0, 10.0), (1.0, 5.0), (1.5, 4.5), (9.0, 1.0), (10.0, 0.0))
    found = [one.values for one in best_first([*front, One((20.0, 20.0))], ["minimize", "minimize"])]
    # by hand: ends infinite; (9, 1): 8.5/10 + 4.5/10, (1.5, 4.5): 8/10 + 4/10, (1, 5): 1.5/10 + 5.5/10
    assert found == [(0.0, 10.0), (10.0, 0.0), (9.0, 1.0), (1.5, 4.5), (1.0, 5.0), (20.0, 20.0)]


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_equals_keep_their_order(direction: str) -> None:
    same = rows((1.0,), (1.0,), (1.0,))
    assert [id(one) for one in best_first(same, [direction])] == [id(one) for one in same]
