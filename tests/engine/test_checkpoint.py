"""A training that is cut anywhere and goes on from its checkpoint ends as the uninterrupted one, to the last bit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from labkit.config import build
from labkit.engine.block import Outcome
from labkit.engine.checkpoint import CheckpointError, decode, encode
from labkit.engine.execution import Execution
from labkit.engine.loop import Keeper, Observer, train
from labkit.engine.recipe import Recipe
from labkit.preprocess.prepare import Parts
from tests.engine.engine_cases import (
    EXECUTED,
    FAMILIES,
    assert_bit_equal,
    executed,
    mixed,
    parts,
    recipe,
    rule,
    schedule,
    trainer,
)

LINEAR = FAMILIES["linear"]
SEEDS = (3, 1, 4, 1)


class Cut(BaseException):
    """The end of a process."""


class Knife(Keeper):
    """Asks for the state at the first update from `at` on, and ends the training with it."""

    def __init__(self, at: int) -> None:
        self.left = at
        self.content = b""

    def due(self) -> bool:
        """Count an update of a block."""
        self.left -= 1
        return self.left <= 0

    def keep(self, state: Callable[[], dict[str, Any]]) -> None:
        """Keep the state as bytes."""
        self.content = encode({}, state())
        raise Cut


def in_two(
    members: Sequence[Recipe],
    data: Parts,
    at: int,
    execution: Execution | None = None,
    observe: Observer = lambda progress: None,
) -> list[Outcome]:
    """Train up to some update, and from the checkpoint on."""
    knife = Knife(at)
    with pytest.raises(Cut):
        train(members, data, observe, execution, knife)
    return train(members, data, observe, execution, state=decode(knife.content)[1])


def said(outcome: Outcome) -> str:
    """All that an outcome says, to the last digit, NaN equal to NaN; without the time it took."""
    metrics = {key: value for key, value in outcome.metrics.items() if key != "time/seconds"}
    ends = (outcome.steps, outcome.stopped_at, outcome.diverged, outcome.suggested_range)
    return repr((outcome.history, outcome.gradient_l1, metrics, outcome.confusion.tolist(), ends))


def assert_same(members: Sequence[Recipe], data: Parts, at: int, execution: Execution | None = None) -> None:
    for one, other in zip(in_two(members, data, at, execution), train(members, data, execution=execution), strict=True):
        assert said(one) == said(other)
        assert one.parameters.keys() == other.parameters.keys()
        for name, value in other.parameters.items():
            np.testing.assert_array_equal(one.parameters[name], value)


@pytest.mark.usefixtures("every_weight")
@pytest.mark.parametrize(("name", "family"), EXECUTED)
def test_every_family_under_every_execution(name: str, family: str) -> None:
    """Mid-epoch, members that differ in every number, augmented; where blocks take turns, some are further."""
    data = parts(FAMILIES[family])
    members = mixed(FAMILIES[family], trainer(), SEEDS)
    assert_same(members, data, 11, executed(name, members, data))


@pytest.mark.parametrize("at", range(1, 21))
def test_every_update(at: int) -> None:
    members = mixed(FAMILIES["dropout"], trainer(eval_every=3), SEEDS)
    assert_same(members, parts(FAMILIES["dropout"]), at)


@pytest.mark.parametrize("name", ["sgd", "momentum", "nesterov", "adam", "adamw", "rmsprop", "lion"])
def test_every_rule(name: str) -> None:
    assert_same([recipe(LINEAR, update=rule(name, weight_decay=0.01))], parts(LINEAR), 6)


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("cyclic", {"step_size": 5, "cycles": 2, "lr_max": 0.3}),
        ("linear_decay", {}),
        ("cosine", {}),
        ("range_test", {"lr_min": 1e-3, "lr_max": 1.0}),
    ],
)
def test_every_schedule(name: str, keys: dict[str, Any]) -> None:
    how = trainer(epochs=None, steps=None) if name == "cyclic" else trainer()
    members = [recipe(LINEAR, rates=schedule(name, **keys), how=how, seed=seed) for seed in (0, 1)]
    data = parts(LINEAR)
    assert_same(members, data, 7)
    if name == "range_test":
        one, whole = in_two(members, data, 7)[0], train(members, data)[0]
        assert one.range_curve is not None
        assert whole.range_curve is not None
        np.testing.assert_array_equal(one.range_curve, whole.range_curve)


@pytest.mark.parametrize("name", ["alternating", "layer_by_layer", "weighted"])
def test_every_strategy(name: str) -> None:
    from dataclasses import replace

    keys = {"alternating": {"period": 1}, "layer_by_layer": {"rounds": 2}, "weighted": {"decay": 0.8}}[name]
    strategy = build("strategy", {"_target_": f"labkit.optim.strategies.{name}", **keys})
    one = replace(recipe(FAMILIES["skips"], update=rule("adam")), strategy=strategy)
    for at in (3, 10):
        assert_same([one], parts(FAMILIES["skips"]), at)


@pytest.mark.parametrize("at", [8, 12, 18])
def test_an_ensemble_keeps_its_networks(at: int) -> None:
    rates = schedule("cyclic", step_size=5, cycles=2, lr_max=0.3)
    how = trainer(epochs=None, steps=None, ensemble=2)
    assert_same([recipe(LINEAR, rates=rates, how=how, seed=seed) for seed in (0, 1)], parts(LINEAR), at)


@pytest.mark.parametrize("patience", [None, 2])
def test_members_that_stopped_or_diverged_stay_so(patience: int | None) -> None:
    how = trainer(epochs=8, steps=None, patience=patience, eval_every="1/epoch")
    strengths = (0.0, 0.05), (1e30, 0.05), (0.0, 50.0)
    members = [recipe(LINEAR, how=how, l2=l2, update=rule(lr=lr)) for l2, lr in strengths]
    data = parts(LINEAR)
    ends = [outcome.stopped_at for outcome in train(members, data)]
    assert len(set(ends)) > 1, "some end before others"
    for at in (3, 6, 9):
        assert_same(members, data, at)


def test_who_was_stopped_by_the_observer_stays_so() -> None:
    members = mixed(LINEAR, trainer(eval_every=5), SEEDS)
    data = parts(LINEAR)

    def prune(progress: Any) -> list[int]:
        return [1] if progress.rows and progress.step == 5 else []

    whole = train(members, data, prune)
    for one, other in zip(in_two(members, data, 9, observe=prune), whole, strict=True):
        assert_bit_equal(one, other)
    assert whole[1].stopped_at == 5


def test_a_second_cut_and_one_that_only_looks() -> None:
    """Keeping a state changes nothing; a training can be cut as often as one likes."""

    class Look(Keeper):
        seen = 0

        def due(self) -> bool:
            return True

        def keep(self, state: Callable[[], dict[str, Any]]) -> None:
            state()
            self.seen += 1

    members, data, look = mixed(LINEAR, trainer(), SEEDS), parts(LINEAR), Look()
    whole, watched = train(members, data), train(members, data, keeper=look)
    assert look.seen == 20
    first, second = Knife(4), Knife(9)
    with pytest.raises(Cut):
        train(members, data, keeper=first)
    with pytest.raises(Cut):
        train(members, data, keeper=second, state=decode(first.content)[1])
    twice = train(members, data, state=decode(second.content)[1])
    for one, two, other in zip(watched, twice, whole, strict=True):
        assert_bit_equal(one, other)
        assert_bit_equal(two, other)


def test_the_state_of_another_training_is_refused() -> None:
    knife = Knife(3)
    with pytest.raises(Cut):
        train([recipe(LINEAR)], parts(LINEAR), keeper=knife)
    with pytest.raises(ValueError, match="parameters: expected"):
        train([recipe(FAMILIES["skips"])], parts(LINEAR), state=decode(knife.content)[1])


STATE = {
    "tensor": torch.tensor([[1.5, float("nan")], [float("inf"), -0.0]], dtype=torch.float64),
    "empty": torch.zeros(0),
    "bits": torch.tensor([True, False]),
    "array": np.arange(6, dtype=np.int16).reshape(2, 3),
    "history": [[(0, {"val/loss": 0.1 + 0.2, "lr": float("inf")})], []],
    "tensor-like": {"dict": {"tensor": 3}, "tuple": [1, None, "text", True]},
}


def test_every_value_comes_back_as_it_was() -> None:
    facts, state = decode(encode({"a": [1, "é"]}, STATE))
    assert facts == {"a": [1, "é"]}
    assert state.keys() == STATE.keys()
    for name in ("tensor", "empty", "bits"):
        assert state[name].dtype == STATE[name].dtype  # type: ignore[union-attr]
        torch.testing.assert_close(state[name], STATE[name], rtol=0, atol=0, equal_nan=True)
    np.testing.assert_array_equal(state["array"], STATE["array"])  # type: ignore[arg-type]
    assert state["history"] == STATE["history"]
    assert state["tensor-like"] == STATE["tensor-like"]


def test_a_byte_that_is_missing_or_another_is_noticed() -> None:
    content = encode({"a": 1}, STATE)
    for torn in (b"", content[:40], content[:-1], content + b" ", b"\n" + content):
        with pytest.raises(CheckpointError, match="SHA-256"):
            decode(torn)
    for place in range(0, len(content), 37):
        altered = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
        with pytest.raises(CheckpointError):
            decode(altered)


@pytest.mark.parametrize("value", [{1: 2}, {"a": object()}, {"a": b"bytes"}])
def test_what_a_checkpoint_cannot_hold(value: object) -> None:
    with pytest.raises(TypeError, match="a checkpoint"):
        encode({}, value)
