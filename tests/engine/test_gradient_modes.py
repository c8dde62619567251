"""The hand-written backward pass and autograd train the same network, update after update."""

from __future__ import annotations

import pytest

from labkit.engine import population
from labkit.engine.loop import train
from tests.engine.engine_cases import FAMILIES, Family, assert_same_outcome, mixed, parts, trainer


@pytest.mark.parametrize("least", [10**9, 1], ids=["gradients", "factors"])
@pytest.mark.parametrize("family", FAMILIES.values(), ids=list(FAMILIES))
def test_analytic_is_autograd_over_100_updates(family: Family, least: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With every gradient in memory, and with linear weights moved by the factors of theirs."""
    monkeypatch.setattr(population, "_PRODUCT_PAYS", least)
    data = parts(family)
    outcomes = [
        train(mixed(family, trainer(steps=100, gradient=gradient), (3, 1, 4, 1)), data)
        for gradient in ("analytic", "autograd")
    ]
    for found, expected in zip(*outcomes, strict=True):
        assert_same_outcome(found, expected, 1e-10)
