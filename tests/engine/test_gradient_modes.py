"""The hand-written backward pass and autograd train the same network, update after update, under every execution."""

from __future__ import annotations

import pytest

from labkit.engine.loop import train
from tests.engine.engine_cases import EXECUTED, FAMILIES, assert_same_outcome, executed, mixed, parts, trainer


@pytest.mark.parametrize(("name", "family"), EXECUTED)
@pytest.mark.usefixtures("every_weight")
def test_analytic_is_autograd_over_100_updates(name: str, family: str) -> None:
    data = parts(FAMILIES[family])
    outcomes = []
    for gradient, how in (("analytic", name), ("autograd", "stated")):
        members = mixed(FAMILIES[family], trainer(steps=100, gradient=gradient), (3, 1, 4, 1))
        outcomes.append(train(members, data, execution=executed(how, members, data)))
    for found, expected in zip(*outcomes, strict=True):
        assert_same_outcome(found, expected, 1e-10)
