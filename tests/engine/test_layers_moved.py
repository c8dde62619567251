"""Strategies in the engine, against torch's own optimisers told the same: a layer without gradient is left alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.nn import functional

from labkit.engine.loop import train
from labkit.engine.population import Population
from labkit.engine.recipe import Recipe, layers_moved
from labkit.engine.step import Stepper
from labkit.engine.streams import generator
from labkit.optim.schedules import Length
from labkit.optim.strategies import Strategy, alternating, layer_by_layer, weighted
from tests.engine.engine_cases import (
    BATCH,
    FAMILIES,
    SAMPLES,
    alone,
    assert_same_outcome,
    mixed,
    parts,
    recipe,
    rule,
    trainer,
)

FAMILY = FAMILIES["skips"]  # lifting layer, two residual blocks, classifier
STRATEGIES = [alternating(period=3), layer_by_layer(rounds=2), weighted(decay=0.7)]
RULES = {
    "sgd": {"lr": 0.1},
    "momentum": {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.01},
    "adam": {"lr": 0.01},
    "adamw": {"lr": 0.01, "weight_decay": 0.5},
}
each_strategy = pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda strategy: strategy.kind)


def by_torch(one: Recipe, data: Any, strategy: Strategy) -> list[torch.Tensor]:
    """The parameters after the run, by torch's optimiser with a group for every layer."""
    population = Population([one], data)
    network, length = population.network, population.length
    start = population.layout.views(population.initial_state().parameters)
    theta = [view.clone().requires_grad_() for view in start]
    names = [name.split(".")[0] for name, _ in network.parameters]
    layers = list(dict.fromkeys(names))
    numbers = one.rule.numbers
    groups = [{"params": [p for p, name in zip(theta, names, strict=True) if name == layer]} for layer in layers]
    momentum, decay = numbers.get("momentum", 0.0), numbers.get("weight_decay", 0.0)
    optimiser = (
        (torch.optim.AdamW if one.rule.decay == "decoupled" else torch.optim.Adam)(groups, weight_decay=decay)
        if "beta1" in numbers
        else torch.optim.SGD(groups, lr=1.0, momentum=momentum, weight_decay=decay)
    )
    shuffle, order = generator(one.seed, "shuffle"), torch.empty(0, dtype=torch.int64)
    for t in range(1, length.total + 1):
        order = order if len(order) else torch.randperm(SAMPLES, generator=shuffle)
        batch, order = order[:BATCH], order[BATCH:]
        scores, _ = network.forward(
            data.train.features[batch].unsqueeze(0), network.by_stage(theta, []), population_context()
        )
        optimiser.zero_grad()
        functional.cross_entropy(scores[0], data.train.labels[batch]).backward()
        assert strategy.shares is not None
        for group, share in zip(optimiser.param_groups, strategy.shares(t, len(layers), length), strict=True):
            group["lr"] = share * numbers["lr"]
            if share == 0:
                for p in group["params"]:
                    p.grad = None
        optimiser.step()
    return [p.detach()[0] for p in theta]


def population_context() -> Any:
    from labkit.nn.layer import Context

    return Context(training=True)


@each_strategy
@pytest.mark.parametrize("name", RULES)
def test_a_strategy_is_torch_with_groups(strategy: Strategy, name: str) -> None:
    data = parts(FAMILY)
    one = replace(recipe(FAMILY, update=rule(name, **RULES[name]), how=trainer(steps=24)), strategy=strategy)
    for found, expected in zip(alone(one, data).parameters.values(), by_torch(one, data, strategy), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


@each_strategy
def test_members_with_a_strategy_are_runs_with_it(strategy: Strategy) -> None:
    data = parts(FAMILY)
    members = [replace(one, strategy=strategy) for one in mixed(FAMILY, trainer(), (3, 1, 4, 1))]
    for found, one in zip(train(members, data), members, strict=True):
        assert_same_outcome(found, alone(one, data), 1e-10)


def test_a_norm_moves_with_its_layer() -> None:
    one = replace(recipe(FAMILIES["batch norm"]), strategy=weighted(decay=0.5))
    moved = layers_moved(one, Length(4, SAMPLES, BATCH, 20))
    assert moved is not None
    names = [name.split(".")[0] for name, _ in one.network.parameters]
    assert dict(zip(names, moved(1), strict=True)) == {
        "conv2d_1": 0.25,
        "batch_norm_1": 0.25,
        "linear_2": 0.5,
        "batch_norm_2": 0.5,
        "linear_3": 1.0,
    }


@each_strategy
def test_a_restored_run_goes_on_where_it_was(strategy: Strategy) -> None:
    data = parts(FAMILY)
    one = replace(recipe(FAMILY, update=rule("adam", lr=0.01), how=trainer(steps=24)), strategy=strategy)
    population = Population([one], data)
    state = population.initial_state()
    stepper = Stepper(population, state)
    for _ in range(10):
        stepper.step(state)
    saved = state.plain()
    again = population.initial_state()
    fresh = Stepper(population, again)
    again.restore(saved)
    for _ in range(14):
        stepper.step(state)
        fresh.step(again)
    assert torch.equal(state.parameters, again.parameters)


def test_strategies_split_a_population() -> None:
    one = recipe(FAMILY)
    structures = {replace(one, strategy=strategy).structure for strategy in (*STRATEGIES, alternating(period=4))}
    assert len(structures) == 4
