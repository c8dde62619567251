"""Which layers an update moves."""

from __future__ import annotations

import pytest

from labkit.config import ConfigError
from labkit.optim.schedules import Length
from labkit.optim.strategies import Strategy, alternating, layer_by_layer, together, weighted

LENGTH = Length(per_epoch=4, samples=32, batch_size=8, total=12)


def table(strategy: Strategy, layers: int, updates: int = LENGTH.total) -> list[list[float]]:
    assert strategy.shares is not None
    return [strategy.shares(t, layers, LENGTH) for t in range(1, updates + 1)]


def test_together_leaves_the_update_rule_alone() -> None:
    assert together().shares is None


def test_body_and_classifier_take_turns() -> None:
    body, classifier = [1, 1, 0], [0, 0, 1]
    assert table(alternating(period=2), 3, 6) == [body, body, classifier, classifier, body, body]


@pytest.mark.parametrize(("rounds", "turns"), [(1, [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]), (2, [0, 0, 1, 1, 2, 2] * 2)])
def test_layers_take_turns_over_the_whole_run(rounds: int, turns: list[int]) -> None:
    found = table(layer_by_layer(rounds=rounds), 4)
    assert [row[:3].index(1) for row in found] == turns
    assert all(sum(row) == 2 and row[-1] == 1 for row in found)


def test_every_turn_comes_even_where_they_do_not_divide_the_run() -> None:
    found = table(layer_by_layer(rounds=1), 6)  # five layers, twelve updates
    counts = [sum(row[layer] for row in found) for layer in range(5)]
    assert sum(counts) == 12
    assert max(counts) - min(counts) <= 1


def test_rates_grow_towards_the_classifier() -> None:
    assert table(weighted(decay=0.5), 3, 1) == [[0.25, 0.5, 1.0]]


@pytest.mark.parametrize("strategy", [alternating(), layer_by_layer()], ids=lambda strategy: strategy.kind)
def test_a_classifier_alone_has_no_turns(strategy: Strategy) -> None:
    with pytest.raises(ConfigError, match=f"strategy={strategy.kind}: .*classifier alone"):
        table(strategy, 1)
