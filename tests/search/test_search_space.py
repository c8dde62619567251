"""Dimensions and spaces: values in the range and on its steps, grids, conditions, differences in words.

It also covers dimension.py, scale.py and space.py.
"""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.config import ConfigError
from labkit.search.space import Dimension, Space


@st.composite
def dimensions(draw: st.DrawFn, choices: bool = False) -> Dimension:
    """Every kind of range; with `choices` also those."""
    kinds = ["real", "log", "whole", "whole log", "stepped", "whole stepped"] + (["choices"] if choices else [])
    kind = draw(st.sampled_from(kinds))
    if kind == "choices":
        values = draw(st.lists(st.sampled_from(["relu", "tanh", 1, 2.5, True]), min_size=1, unique_by=repr))
        return Dimension("key", choices=tuple(values))
    if "whole" in kind:
        low = draw(st.integers(1 if "log" in kind else -50, 50))
        step = draw(st.integers(1, 7)) if "stepped" in kind else None
        return Dimension("key", low, low + draw(st.integers(0, 90)), log="log" in kind, integer=True, step=step)
    low = draw(st.floats(1e-6, 1e3) if kind == "log" else st.floats(-100, 100))
    width = draw(st.floats(0, 1e4))
    step = draw(st.sampled_from([0.1, 0.25, 3.0])) if kind == "stepped" else None
    low = round(low, 2) if step else low
    return Dimension("key", low, low + width, kind == "log", step=step)


def test_a_log_grid_is_numpys() -> None:
    grid = Dimension("l2", 1e-5, 1e-1, log=True).grid(8)
    np.testing.assert_allclose(np.array(grid, float), np.geomspace(1e-5, 1e-1, 8), rtol=1e-12)
    assert (grid[0], grid[-1]) == (1e-5, 1e-1)


def test_grids_of_other_kinds() -> None:
    assert Dimension("p", 0, 1).grid(5) == [0, 0.25, 0.5, 0.75, 1]
    assert Dimension("p", 0, 0.35, step=0.1).grid(9) == [0, 0.1, 0.2, 0.3]
    assert Dimension("n", 1, 3, integer=True).grid(8) == [1, 2, 3]
    assert Dimension("n", 1, 100, log=True, integer=True).grid(3) == [1, 10, 100]
    assert Dimension("a", choices=("relu", "tanh")).grid(8) == ["relu", "tanh"]
    assert Dimension("p", 0, 1).grid(1) == [0.5]


@given(dimensions(choices=True), st.floats(0, 1))
def test_every_share_is_a_value_that_optuna_allows(d: Dimension, u: float) -> None:
    value: Any = d.at(u)
    distribution = d.distribution()
    assert distribution._contains(distribution.to_internal_repr(value))
    assert type(value) is (int if d.integer else float) or d.choices is not None


@given(dimensions(), st.integers(1, 12))
def test_a_grid_lies_in_the_range_in_order(d: Dimension, n: int) -> None:
    values: list[Any] = d.grid(n)
    assert 1 <= len(values) <= n
    assert values == sorted(values)
    assert all(d.distribution()._contains(value) for value in values)
    if n > 1:
        assert (values[0], values[-1]) == d.ends


@given(dimensions())
def test_the_ends_are_reached(d: Dimension) -> None:
    assert (d.at(0.0), d.at(1.0)) == d.ends


def test_whole_numbers_have_equal_shares() -> None:
    d = Dimension("n", 1, 4, integer=True)
    drawn = [d.at(u) for u in np.linspace(0, 1, 4001)]
    assert {drawn.count(value) for value in (1, 2, 3)} == {1000}


@given(dimensions(choices=True))
def test_optuna_suggests_the_same_range(d: Dimension) -> None:
    from optuna.trial import FixedTrial

    value = d.at(0.3)
    assert d.suggest(FixedTrial({"key": value})) == value


RULE = Dimension("rule", choices=("sgd", "momentum", "adam"))
CONDITIONAL = Space(
    (
        Dimension("momentum", 0, 0.9, when={"rule": ("momentum",)}),
        RULE,
        Dimension("slow", choices=(True, False), when={"momentum": (0, "0.9")}),
    )
)


def test_conditional_keys_are_left_out() -> None:
    assert CONDITIONAL.keys == ("rule", "momentum", "slow")  # deciding keys come first
    assert CONDITIONAL.grid(2) == [
        {"rule": "sgd"},
        {"rule": "momentum", "momentum": 0.0, "slow": True},
        {"rule": "momentum", "momentum": 0.0, "slow": False},
        {"rule": "momentum", "momentum": 0.9, "slow": True},
        {"rule": "momentum", "momentum": 0.9, "slow": False},
        {"rule": "adam"},
    ]
    assert CONDITIONAL.at([0.5, 0.5, 0.0]) == {"rule": "momentum", "momentum": 0.45}
    assert CONDITIONAL.complete({"rule": "sgd"})
    assert not CONDITIONAL.complete({"rule": "momentum"})


def test_optuna_is_asked_for_active_keys_only() -> None:
    from optuna.trial import FixedTrial

    assert CONDITIONAL.suggest(FixedTrial({"rule": "adam"})) == {"rule": "adam"}


@given(st.lists(dimensions(choices=True), min_size=1, max_size=3))
def test_a_space_survives_json(rows: list[Dimension]) -> None:
    from dataclasses import replace

    space = Space(tuple(replace(d, key=f"k{i}") for i, d in enumerate(rows)))
    again = Space.from_plain(json.loads(json.dumps(space.plain())))
    assert again == space
    assert space.difference(again) == ""


def test_differences_are_said() -> None:
    former = Space((Dimension("loss.l2", 1e-5, 0.1, log=True), RULE))
    assert (
        former.difference(Space((Dimension("loss.l2", 1e-6, 0.1, log=True), RULE)))
        == "loss.l2 was 1e-05..0.1 (log), is 1e-06..0.1 (log)"
    )
    assert former.difference(Space((RULE,))) == "loss.l2 was searched over, is not"
    assert Space((RULE,)).difference(former) == "loss.l2 was not searched over, is"
    close = Space((Dimension("loss.l2", 1e-5, math.nextafter(0.1, 1), log=True), RULE))
    assert former.difference(close) == "loss.l2 was (1e-05, 0.1), is (1e-05, 0.10000000000000002)"


def test_ranges_in_words() -> None:
    assert CONDITIONAL.range_text() == {
        "rule": "sgd, momentum, adam",
        "momentum": "0..0.9 where rule is momentum",
        "slow": "true, false where momentum is 0 or 0.9",
    }
    assert Dimension("n", 2, 9, integer=True, step=3).text() == "2..8 (whole, step 3)"


WRONG = [
    ({"low": 2, "high": 1}, "key: expected a range whose low end comes first, got 2..1."),
    ({"low": 0, "high": 1, "log": True}, "key: expected a logarithmic range above 0, got 0..1."),
    ({"low": 0, "high": math.inf}, "key: expected a range between two numbers, got 0 and inf."),
    ({"low": 0}, "key: expected a range between two numbers, got 0 and null."),
    ({"low": 0.5, "high": 2, "integer": True}, "key: expected whole numbers, got 0.5..2 (whole)."),
    ({"low": 0, "high": 2, "step": 0}, "key: expected a step above 0, got 0."),
    ({"low": 1, "high": 2, "step": 1, "log": True}, "key: a logarithmic range has no step."),
    ({"choices": ()}, "key: expected at least one choice, got none."),
    ({"choices": ("a", "a")}, "key: expected different choices, got 'a', 'a'."),
    ({"choices": ("a",), "low": 1}, "key: expected a range or choices, got both."),
    ({"choices": ("a",), "log": True}, "key: log, integer and step belong to a range, got choices."),
]


@pytest.mark.parametrize(("keys", "sentence"), WRONG, ids=[sentence for _, sentence in WRONG])
def test_a_wrong_dimension_is_refused(keys: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Dimension("key", **keys)
    assert str(raised.value) == sentence


def test_a_wrong_space_is_refused() -> None:
    with pytest.raises(ConfigError, match="space of the search is empty"):
        Space(())
    with pytest.raises(ConfigError, match="rule: it is searched over twice"):
        Space((RULE, RULE))
    with pytest.raises(ConfigError, match="p: its condition names 'rul', did you mean 'rule'"):
        Space((RULE, Dimension("p", 0, 1, when={"rul": ("sgd",)})))
    with pytest.raises(ConfigError, match="p: its condition wants rule to be 'sdg', did you mean 'sgd'"):
        Space((RULE, Dimension("p", 0, 1, when={"rule": ("sdg",)})))
    circle = (Dimension("a", 0, 1, when={"b": (1,)}), Dimension("b", 0, 1, when={"a": (1,)}))
    with pytest.raises(ConfigError, match="conditions of a, b depend on each other"):
        Space(circle)


@pytest.mark.parametrize(
    ("d", "n", "expected"),
    [
        (Dimension("lr", 1e-4, 1.0, log=True), 5, [0.0001, 0.001, 0.01, 0.1, 1.0]),
        (Dimension("lr", 1e-7, 1e3, log=True), 11, [1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0]),
        (Dimension("p", 0.0, 0.9), 10, [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]),
        (Dimension("p", -0.3, 0.3), 7, [-0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3]),
    ],
)
def test_a_grid_has_the_decimals_that_it_means(d: Dimension, n: int, expected: list[float]) -> None:
    assert d.grid(n) == pytest.approx(expected, abs=1e-15)
    assert [abs(value) for value in d.grid(n) if abs(value) > 1e-15] == [abs(value) for value in expected if value]


def test_points_that_are_no_short_decimal_stay_to_the_last_bit() -> None:
    """So the identity of runs that were trained at random draws stays."""
    from labkit.search import scale

    d = Dimension("lr", 1e-4, 1.0, log=True)
    for k in range(1, 200):
        u = (k * 0.6180339887498949) % 1
        assert d.at(u) == scale.between(1e-4, 1.0, u, True)
    narrow = Dimension("lr", 0.1, 0.1 + 1e-13)
    assert len({narrow.at(u / 7) for u in range(8)}) > 1


def test_a_number_is_written_with_the_fewest_digits_that_read_back() -> None:
    from labkit.search import scale

    for value, text in ((1.0, "1"), (1e-5, "1e-05"), (0.30000000000000004, "0.30000000000000004"), (512, "512")):
        assert scale.shortest_text(value) == text
        assert float(scale.shortest_text(value)) == value
