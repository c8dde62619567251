"""Initialisers by the statistics of many draws."""

from __future__ import annotations

from math import sqrt

import pytest
import torch

from labkit.config import build
from labkit.nn.layer import Parameter

WEIGHT = Parameter((200, 300), "weight", fan_in=300, fan_out=200)
LIMIT = sqrt(6 / 500)
# name, standard deviation, largest value
RULES = [
    ("zero", 0.0, 0.0),
    ("normal", 1.0, None),
    ("scaled_normal", 1 / sqrt(300), None),
    ("glorot", LIMIT / sqrt(3), LIMIT),
    ("he", sqrt(2 / 300), None),
]
every = pytest.mark.parametrize(("name", "deviation", "limit"), RULES, ids=[rule[0] for rule in RULES])


def draw(name: str, parameter: Parameter = WEIGHT, gain: float = 1.0, seed: int = 1) -> torch.Tensor:
    initialiser = build("init", {"_target_": f"labkit.nn.initialise.{name}", "gain": gain})
    return initialiser.draw(parameter, torch.Generator().manual_seed(seed), torch.float64)


@every
def test_moments(name: str, deviation: float, limit: float | None) -> None:
    weight = draw(name)
    assert weight.shape == WEIGHT.shape
    # 60,000 draws: the mean is within 4 deviations / sqrt(60000), the deviation within 2%
    assert abs(weight.mean().item()) <= 4 * deviation / sqrt(60_000)
    assert weight.std().item() == pytest.approx(deviation, rel=0.02)
    if limit is None:
        kurtosis = ((weight - weight.mean()) ** 4).mean() / weight.var() ** 2
        assert kurtosis.item() == pytest.approx(3, abs=0.1)  # a normal distribution's
    elif limit:
        assert 0.99 * limit < weight.abs().max().item() <= limit


@every
def test_gain_is_a_factor_and_seeds_differ(name: str, deviation: float, limit: float | None) -> None:
    torch.testing.assert_close(draw(name, gain=2.5), 2.5 * draw(name))
    assert torch.equal(draw(name), draw(name))
    assert name == "zero" or not torch.equal(draw(name), draw(name, seed=2))


@every
def test_biases_start_at_0_and_scales_at_1(name: str, deviation: float, limit: float | None) -> None:
    assert (draw(name, Parameter((7,), "bias"), gain=3.0) == 0).all()
    assert (draw(name, Parameter((7,), "scale"), gain=3.0) == 1).all()
