"""Why a network stays at ln K: three networks that do, each for a reason of its own."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from labkit.engine.loop import train
from labkit.engine.silence import Silence, silence
from labkit.models.entries import Sizing
from labkit.models.network import layers
from tests.engine.engine_cases import CLASSES, FAMILIES, OUT, Family, parts, recipe, rule, trainer

DEEP = Family((6,), (*[{"linear": {"units": 16}}] * 6, OUT))


def seen(activation: str, **keys: Any) -> Silence:
    network = layers(layers=list(DEEP.entries), activation=activation, skips=[]).build(DEEP.shape, Sizing(CLASSES, 0))
    one = recipe(DEEP, update=rule("sgd", lr=1e-6), how=trainer(steps=8), **keys)
    one = type(one)(**{**one.__dict__, "network": network, "l2": (0.0,) * 7})
    data = parts(DEEP)
    outcome = train([one], data)[0]
    return silence(network, outcome.parameters, data.train.features, outcome.gradient_l1)


def test_sigmoids_shrink_the_gradient_on_its_way_back() -> None:
    found = seen("sigmoid")
    sizes = list(found.gradient.values())
    assert sizes == sorted(sizes)  # from the first layer to the last it grows
    assert max(found.saturated.values()) == 0
    assert "the gradient fades on its way back" in found.why
    assert "init=glorot_sigmoid" in found.why
    assert "fades" not in seen("sigmoid", init="glorot_sigmoid", gain=4.0).why


@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_large_weights_saturate(activation: str) -> None:
    found = seen(activation, gain=1e3)
    assert min(found.saturated.values()) > 0.9
    assert "saturated or shut and let no gradient through" in found.why


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_zero_weights_have_no_gradient_but_the_last_biases(activation: str) -> None:
    found = seen(activation, init="zero")
    assert list(found.gradient.values())[:-1] == [0.0] * 6
    assert found.spread == 0
    assert found.why.startswith("no gradient reaches any layer but the last: weights that start at 0")


def test_the_share_is_that_of_small_slopes() -> None:
    family = FAMILIES["linear"]
    one = recipe(family, gain=3.0, how=trainer(steps=1))
    outcome, data = train([one], parts(family))[0], parts(family)
    found = silence(one.network, outcome.parameters, data.train.features, outcome.gradient_l1)
    weight, bias = list(outcome.parameters.values())[:2]
    x = (data.train.features @ weight.T + bias).requires_grad_()
    slope = torch.autograd.grad(torch.tanh(x).sum(), x)[0]
    assert 0 < found.saturated["tanh_1"] == (slope < 0.01).double().mean().item() < 1
