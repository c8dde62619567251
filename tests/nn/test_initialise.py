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
    ("glorot_sigmoid", LIMIT / sqrt(3), LIMIT),
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


def test_a_sigmoid_network_starts_with_centred_units_of_even_size() -> None:
    """Behind layers of sigmoids whose outputs average 1/2, units stay centred and signals keep their size."""
    from labkit.engine.population import Population
    from labkit.engine.recipe import Recipe
    from labkit.engine.trainer import Trainer
    from labkit.models.entries import Sizing
    from labkit.models.network import layers
    from labkit.nn.initialise import glorot, glorot_sigmoid
    from labkit.optim.rules import sgd
    from labkit.optim.schedules import constant
    from labkit.preprocess.prepare import Part, Parts

    x = torch.randn(500, 200, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    part = Part(x, torch.zeros(500, dtype=torch.int64))
    parts = Parts(part, part, part, (200,), "vector", ("a", "b"))
    entries = [{"linear": {"units": 200}}] * 6 + [{"linear": {"units": "classes"}}]
    network = layers(layers=entries, activation="sigmoid", skips=[]).build((200,), Sizing(2, 0))
    trainer = Trainer(steps=1, device="cpu", threads=1, precision="float64")
    spread = {}
    for start in (glorot(), glorot_sigmoid()):
        recipe = Recipe(network, start, sgd(lr=0.1), constant(), trainer, l2=(0.0,) * 7)
        population = Population([recipe], parts)
        tensors = population.layout.views(population.initial_state().parameters)
        h, centres = x, []
        for i in range(6):
            s = h @ tensors[2 * i][0].T + tensors[2 * i + 1][0]
            centres.append(s.mean(0).abs().max().item())
            h = 1 / (1 + (-s).exp())
        spread[start.gain] = h.std(0).mean().item(), max(centres)
    assert spread[1.0][0] < 1e-3  # Glorot alone: after six layers all samples look alike
    assert spread[4.0][0] > 0.05
    assert spread[4.0][1] < 1.0  # a hundred outputs of 1/2 more on one side would push a unit by several units


def test_only_layers_right_behind_sigmoids_are_centred() -> None:
    from labkit.engine.population import behind_sigmoids
    from labkit.models.entries import Sizing
    from labkit.models.network import layers

    sequence = [
        {"conv2d": {"channels": 3}},
        {"linear": {"units": 4, "activation": "relu"}},
        {"linear": {"units": 4}},
        {"linear": {"units": 4}},
        {"linear": {"units": "classes"}},
    ]
    network = layers(layers=sequence, activation="sigmoid", skips=[[2, 3]]).build((1, 6, 6), Sizing(2, 0))
    centred = [stage.name for stage, yes in zip(network.stages, behind_sigmoids(network), strict=True) if yes]
    assert centred == ["linear_2", "linear_5"]  # not the first, not behind ReLUs, not behind a sum
    texts = layers(layers=[{"embedding": {"size": 3}}, {"rnn": {"units": 4}}, {"linear": {"units": "classes"}}])
    assert not any(behind_sigmoids(texts.build((7,), Sizing(2, 9))))
