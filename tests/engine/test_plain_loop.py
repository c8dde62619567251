"""Two epochs against a training loop in plain torch, written out: order, short batch, l2, decay, metrics, norms.

It also covers batches.py and evaluate.py.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from labkit.engine.population import Population
from labkit.engine.streams import generator
from tests.engine.engine_cases import BATCH, FAMILIES, SAMPLES, alone, parts, recipe, rule, schedule, trainer

FAMILY = FAMILIES["linear"]
LR, MOMENTUM, DECAY, L2, SEED = 0.1, 0.9, 0.01, {"linear_1": 0.02, "linear_2": 0.005}, 17


def scores(x: Tensor, theta: list[Tensor]) -> Tensor:
    w1, b1, w2, b2 = theta
    return torch.tanh(x @ w1.T + b1) @ w2.T + b2


def penalty(theta: list[Tensor]) -> Tensor:
    return L2["linear_1"] * (theta[0] ** 2).sum() + L2["linear_2"] * (theta[2] ** 2).sum()


def plain_run(data: Any, start: list[Tensor], rates: list[float]) -> tuple[list[Tensor], list[Any], Tensor]:
    """Parameters, (loss, cost, accuracy) on the training part after each epoch, and L1 norms of epoch 1 per tensor."""
    theta = [p.clone().requires_grad_() for p in start]
    velocity = [torch.zeros_like(p) for p in start]
    shuffle = generator(SEED, "shuffle")
    x, labels = data.train.features, data.train.labels
    rows, norms, updates = [], torch.zeros(4, dtype=torch.float64), iter(rates)
    for epoch in range(2):
        for batch in torch.randperm(SAMPLES, generator=shuffle).split(BATCH):
            lr = next(updates)
            loss = functional.cross_entropy(scores(x[batch], theta), labels[batch])  # the last of 4 samples: / 4
            if epoch == 0:
                data_gradients = torch.autograd.grad(loss, theta, retain_graph=True)
                norms += torch.stack([g.abs().sum() for g in data_gradients]) / (SAMPLES / BATCH).__ceil__()
            gradients = torch.autograd.grad(loss + penalty(theta), theta)
            with torch.no_grad():
                for p, m, g in zip(theta, velocity, gradients, strict=True):
                    m.mul_(MOMENTUM).add_(g + DECAY * p)
                    p.sub_(lr * m)
        with torch.no_grad():
            found = scores(x, theta)
            loss = functional.cross_entropy(found, labels)
            accuracy = (found.argmax(1) == labels).double().mean()
            rows.append([value.item() for value in (loss, loss + penalty(theta), accuracy)])
    return [p.detach() for p in theta], rows, norms


SCHEDULES = {
    "constant": (schedule(), {"epochs": 2}, [LR] * 8),
    "cyclic": (
        schedule("cyclic", lr_min=0.0, lr_max=0.4, step_size=4),
        {"steps": None},
        [0.1, 0.2, 0.3, 0.4, 0.3, 0.2, 0.1, 0.0],
    ),
}


@pytest.mark.parametrize(("rates", "keys", "by_hand"), SCHEDULES.values(), ids=list(SCHEDULES))
def test_two_epochs_by_hand(rates: Any, keys: dict[str, Any], by_hand: list[float]) -> None:
    data = parts(FAMILY)
    update = rule("momentum", lr=LR, momentum=MOMENTUM, weight_decay=DECAY)
    how = trainer(**keys, eval_every="1/epoch")
    one = recipe(FAMILY, seed=SEED, l2=L2, update=update, rates=rates, how=how)
    population = Population([one], data)
    start = [view[0].clone() for view in population.layout.views(population.initial_state().parameters)]
    found = alone(one, data)
    theta, rows, norms = plain_run(data, start, by_hand)
    for value, expected in zip(found.parameters.values(), theta, strict=True):
        torch.testing.assert_close(value, expected, rtol=1e-10, atol=1e-12)
    for (_, row), expected in zip(found.history[1:3], rows, strict=True):
        assert [row[f"train/{key}"] for key in ("loss", "cost", "accuracy")] == pytest.approx(expected, rel=1e-10)
    per_layer = {"linear_1": (norms[0] + norms[1]).item(), "linear_2": (norms[2] + norms[3]).item()}
    total = sum(per_layer.values())
    assert found.gradient_l1 == pytest.approx({**per_layer, "total": total, "mean": total / 2}, rel=1e-10)
    for name, value in found.gradient_l1.items():
        assert found.metrics[f"grad_l1/{name}"] == value


def test_cost_is_loss_plus_the_penalty_on_every_part() -> None:
    data = parts(FAMILY)
    one = recipe(FAMILY, l2=L2)
    found = alone(one, data)
    final = penalty([*found.parameters.values()]).item()
    for part in ("train", "val", "test"):
        assert found.metrics[f"{part}/cost"] - found.metrics[f"{part}/loss"] == pytest.approx(final, rel=1e-10)


def test_decoupled_decay_follows_the_schedule_and_leaves_l2_to_the_gradient() -> None:
    data, by_hand = parts(FAMILY), SCHEDULES["cyclic"][2]
    update = rule("adamw", lr=LR, weight_decay=0.5)
    how = trainer(steps=None)
    one = recipe(FAMILY, seed=SEED, l2=L2, update=update, rates=SCHEDULES["cyclic"][0], how=how)
    population = Population([one], data)
    start = population.layout.views(population.initial_state().parameters)
    theta = [view[0].clone().requires_grad_() for view in start]
    optimiser = torch.optim.AdamW(theta, weight_decay=0.5)
    shuffle, updates = generator(SEED, "shuffle"), iter(by_hand)
    for _ in range(2):
        for batch in torch.randperm(SAMPLES, generator=shuffle).split(BATCH):
            optimiser.param_groups[0]["lr"] = next(updates)
            optimiser.zero_grad()
            loss = functional.cross_entropy(scores(data.train.features[batch], theta), data.train.labels[batch])
            (loss + penalty(theta)).backward()
            optimiser.step()
    for value, expected in zip(alone(one, data).parameters.values(), theta, strict=True):
        torch.testing.assert_close(value, expected.detach(), rtol=1e-10, atol=1e-12)
