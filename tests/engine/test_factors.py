"""Weights that the rule moves by the factors of their gradients: the same training, with less to write.

It also covers step.py, beside the suites of the whole engine.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from labkit.engine.execution import changed, large_weights, stated
from labkit.engine.loop import train
from labkit.engine.population import Population
from tests.engine.engine_cases import (
    FAMILIES,
    OUT,
    Family,
    assert_near,
    mixed,
    parts,
    recipe,
    rule,
    stepped,
    trainer,
)

SEEDS = (3, 1, 4, 1)
LINEAR = FAMILIES["linear"]


@pytest.mark.parametrize("stop", [2, 4, 6], ids=["in epoch 1", "behind it", "later"])
def test_a_continued_run_is_the_uninterrupted_one(stop: int, every_weight: None) -> None:
    def run() -> Population:
        return Population(mixed(LINEAR, trainer(steps=9, precision="float32"), SEEDS), parts(LINEAR, torch.float32))

    whole, continued = stepped(run(), 9), stepped(run(), 9 - stop, stepped(run(), stop).plain())
    assert torch.equal(whole.parameters, continued.parameters)
    assert torch.equal(whole.slots["velocity"], continued.slots["velocity"])


@pytest.mark.usefixtures("every_weight")
def test_bfloat16_rounds_the_factors_and_keeps_the_weight() -> None:
    data, members = parts(LINEAR, torch.float32), mixed(LINEAR, trainer(precision="bfloat16"), SEEDS)
    given = stated(members, len(data.train.features))
    assert given.update == "gradient"
    outcomes = [train(members, data, execution=changed(given, {"update": how})) for how in ("factors", "gradient")]
    for one, other in zip(*outcomes, strict=True):
        assert_near([*one.parameters.values()], [*other.parameters.values()], 2e-3)
        assert {value.dtype for value in one.parameters.values()} == {torch.float32}


def test_large_weights_are_moved_so_and_no_others() -> None:
    wide = Family((300,), ({"linear": {"units": 400}}, {"linear": {"units": 5}}, OUT))
    one = recipe(wide)
    assert large_weights(one) == [0]  # 120,000 numbers; the second weight has 2,000, the third 20
    assert large_weights(replace(one, rule=rule("sgd"))) == [0]
    assert large_weights(replace(one, rule=rule("adam"))) == []
    assert large_weights(replace(one, trainer=trainer(gradient="autograd"))) == []
    decaying = rule("sgd", weight_decay=0.1)
    assert large_weights(replace(one, rule=decaying)) == [0]
    decoupled = replace(decaying, decay="decoupled")
    assert large_weights(replace(one, rule=decoupled)) == [], "the product would leave it out"


def test_the_gradients_of_epoch_1_are_measured_as_ever(every_weight: None) -> None:
    data, members = parts(LINEAR), mixed(LINEAR, trainer(epochs=3), SEEDS)
    given = stated(members, len(data.train.features))
    outcomes = [train(members, data, execution=changed(given, {"update": how})) for how in ("factors", "gradient")]
    for one, other in zip(*outcomes, strict=True):
        assert one.gradient_l1 == other.gradient_l1
