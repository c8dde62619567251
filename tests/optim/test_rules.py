"""Every update rule against torch.optim: 200 steps of a real network, each member against a run of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from labkit.config import build
from labkit.engine.vector import Layout
from labkit.models.entries import Sizing
from labkit.models.network import Network, layers
from labkit.nn.layer import Context
from labkit.nn.loss import cross_entropy, cross_entropy_backward, squared_weights
from labkit.optim.rules import Rule, decay_gradient, decay_parameters, initial_slots

Peer = Callable[..., torch.optim.Optimizer]
STEPS, BATCH = 200, 8


def torch_sgd(parameters: Any, *, lr: float, momentum: float = 0.0, weight_decay: float = 0.0) -> torch.optim.SGD:
    return torch.optim.SGD(parameters, lr=lr, momentum=momentum, weight_decay=weight_decay)


def torch_nesterov(parameters: Any, *, lr: float, momentum: float, weight_decay: float = 0.0) -> torch.optim.SGD:
    return torch.optim.SGD(parameters, lr=lr, momentum=momentum, weight_decay=weight_decay, nesterov=True)


def torch_adam(parameters: Any, *, beta1: float, beta2: float, epsilon: float, **keys: float) -> torch.optim.Adam:
    return torch.optim.Adam(parameters, betas=(beta1, beta2), eps=epsilon, **keys)


def torch_adamw(parameters: Any, *, beta1: float, beta2: float, epsilon: float, **keys: float) -> torch.optim.AdamW:
    return torch.optim.AdamW(parameters, betas=(beta1, beta2), eps=epsilon, **keys)


class PaperLion(torch.optim.Optimizer):
    """Chen et al. 2023, algorithm 2, line by line; torch has no Lion of its own."""

    def __init__(self, parameters: Any, *, lr: float, beta1: float, beta2: float, weight_decay: float) -> None:
        super().__init__(parameters, {"eta": lr, "beta1": beta1, "beta2": beta2, "lambda": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for theta in group["params"]:
                g, m = theta.grad, self.state[theta].get("m", torch.zeros_like(theta))
                c = group["beta1"] * m + (1 - group["beta1"]) * g
                theta -= group["eta"] * (torch.sign(c) + group["lambda"] * theta)
                self.state[theta]["m"] = group["beta2"] * m + (1 - group["beta2"]) * g


def torch_rmsprop(parameters: Any, *, decay: float, epsilon: float, **keys: float) -> torch.optim.RMSprop:
    return torch.optim.RMSprop(parameters, alpha=decay, eps=epsilon, **keys)


# rule, torch's own, the numbers of three members
RULES: dict[str, tuple[str, Peer, dict[str, list[float]]]] = {
    "sgd": ("sgd", torch_sgd, {"lr": [0.1, 0.02, 0.0]}),
    "sgd with weight decay": ("sgd", torch_sgd, {"lr": [0.1, 0.05, 0.1], "weight_decay": [0.0, 0.1, 0.01]}),
    "momentum": ("momentum", torch_sgd, {"lr": [0.02, 0.05, 0.01], "momentum": [0.9, 0.0, 0.5]}),
    "momentum with weight decay": (
        "momentum",
        torch_sgd,
        {"lr": [0.02, 0.05, 0.01], "momentum": [0.9, 0.5, 0.9], "weight_decay": [0.01, 0.0, 0.1]},
    ),
    "nesterov": (
        "nesterov",
        torch_nesterov,
        {"lr": [0.02, 0.05, 0.01], "momentum": [0.9, 0.5, 0.7], "weight_decay": [0.01, 0.0, 0.1]},
    ),
    "adam": (
        "adam",
        torch_adam,
        {
            "lr": [0.01, 0.003, 0.02],
            "beta1": [0.9, 0.8, 0.0],
            "beta2": [0.999, 0.99, 0.9],
            "epsilon": [1e-8, 1e-6, 1e-3],
            "weight_decay": [0.0, 0.01, 0.1],
        },
    ),
    "adamw": (
        "adamw",
        torch_adamw,
        {
            "lr": [0.01, 0.003, 0.02],
            "beta1": [0.9, 0.8, 0.0],
            "beta2": [0.999, 0.99, 0.9],
            "epsilon": [1e-8, 1e-6, 1e-3],
            "weight_decay": [0.0, 0.3, 2.0],
        },
    ),
    "lion": (
        "lion",
        PaperLion,
        {
            "lr": [0.003, 0.001, 0.002],
            "beta1": [0.9, 0.95, 0.5],
            "beta2": [0.99, 0.98, 0.9],
            "weight_decay": [0.0, 0.3, 2.0],
        },
    ),
    "rmsprop": (
        "rmsprop",
        torch_rmsprop,
        {
            "lr": [0.01, 0.003, 0.002],
            "decay": [0.99, 0.9, 0.5],
            "epsilon": [1e-8, 1e-6, 1e-3],
            "weight_decay": [0.0, 0.01, 0.1],
        },
    ),
    "rmsprop with momentum": (
        "rmsprop",
        torch_rmsprop,
        {"lr": [0.003, 0.001, 0.002], "decay": [0.99, 0.9, 0.5], "epsilon": [1e-8] * 3, "momentum": [0.9, 0.5, 0.0]},
    ),
}


def rule_of(name: str, numbers: dict[str, float]) -> Rule:
    return build("optimizer", {"_target_": f"labkit.optim.rules.{name}", **numbers})  # type: ignore[no-any-return]


def network() -> Network:
    entries = [{"linear": {"units": 5}}, {"linear": {"units": "classes"}}]
    return layers(layers=entries, activation="tanh").build((6,), Sizing(3))


def data() -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(STEPS, BATCH, 6, generator=draw, dtype=torch.float64)
    return x, torch.randint(3, (STEPS, BATCH), generator=draw)


def labkit_run(rules: list[Rule], start: Tensor) -> list[Tensor]:
    """The members' parameters after all steps."""
    net = network()
    layout = Layout(tuple(p.shape for _, p in net.parameters), len(rules))
    flat, gradient = start.clone(), torch.zeros_like(start)
    own, given = net.by_stage(layout.views(flat), []), net.by_stage(layout.views(gradient), [])
    names = rules[0].numbers
    numbers = {name: torch.tensor([[r.numbers[name]] for r in rules], dtype=torch.float64) for name in names}
    slots = {name: layout.blocks(slot) for name, slot in initial_slots(rules[0], flat).items()}
    for t, (x, labels) in enumerate(zip(*data(), strict=True), start=1):
        scores, tape = net.forward(x.unsqueeze(0), own, Context(training=True))
        _, logs = cross_entropy(scores, labels.unsqueeze(0))
        net.backward(cross_entropy_backward(logs, labels.unsqueeze(0)), tape, own, given)
        for i, (theta, g) in enumerate(zip(layout.blocks(flat), layout.blocks(gradient), strict=True)):
            if rules[0].decay == "coupled":
                decay_gradient(theta, g, numbers["weight_decay"])
            else:
                decay_parameters(theta, numbers["lr"], numbers["weight_decay"])
            rules[0].update(theta, g, {name: blocks[i] for name, blocks in slots.items()}, numbers, t)
    return layout.views(flat)


def torch_run(peer: Peer, numbers: dict[str, float], start: list[Tensor]) -> list[Tensor]:
    model = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    with torch.no_grad():
        for own, given in zip(model.parameters(), start, strict=True):
            own.copy_(given)
    optimiser = peer(model.parameters(), **numbers)
    for x, labels in zip(*data(), strict=True):
        optimiser.zero_grad()
        functional.cross_entropy(model(x), labels).backward()
        optimiser.step()
    return [p.detach() for p in model.parameters()]


@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("case", RULES.values(), ids=list(RULES))
def test_200_steps_are_torchs(case: tuple[str, Peer, dict[str, list[float]]], members: int) -> None:
    name, peer, table = case
    numbers = [{key: values[m] for key, values in table.items()} for m in range(members)]
    layout = Layout(tuple(p.shape for _, p in network().parameters), members)
    start = torch.randn(layout.size, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    found = labkit_run([rule_of(name, n) for n in numbers], start)
    for m in range(members):
        own_start = [view[m] for view in layout.views(start)]
        expected = torch_run(peer, numbers[m], own_start)
        for view, before, other in zip(found, own_start, expected, strict=True):
            torch.testing.assert_close(view[m], other, rtol=1e-10, atol=1e-10)
            assert (numbers[m]["lr"] > 0) != torch.equal(view[m], before)  # the parameters moved


PRODUCTS = [(name, table) for name, _, table in RULES.values() if rule_of(name, {"lr": 0.1}).product is not None]


@pytest.mark.parametrize(("name", "table"), PRODUCTS)
def test_an_update_by_factors_is_the_update_by_their_product(name: str, table: dict[str, list[float]]) -> None:
    draw = torch.Generator().manual_seed(3)
    for member in range(3):
        rule = rule_of(name, {key: values[member] for key, values in table.items()})
        numbers = {key: torch.tensor([[value]], dtype=torch.float64) for key, value in rule.numbers.items()}
        theta = torch.randn(4, 5, generator=draw, dtype=torch.float64)
        found = theta.clone()
        slots = {slot: torch.zeros(1, 20, dtype=torch.float64) for slot in rule.slots}
        own = {slot: torch.zeros(4, 5, dtype=torch.float64) for slot in rule.slots}
        for t in range(1, 21):
            left, right = (torch.randn(*shape, generator=draw, dtype=torch.float64) for shape in ((4, 3), (3, 5)))
            gradient = (left @ right + 0.3 * theta).view(1, 20)
            rule.update(theta.view(1, 20), gradient, slots, numbers, t)
            assert rule.product is not None
            rule.product(found, left, right, 0.3, own, rule.numbers)
        torch.testing.assert_close(found, theta, rtol=1e-12, atol=1e-12)


def test_l2_adds_twice_lambda_times_the_weights() -> None:
    draw = torch.Generator().manual_seed(1)
    weights = [torch.randn(3, *shape, generator=draw, dtype=torch.float64) for shape in ((4, 5), (2, 4))]
    l2 = torch.rand(3, 2, generator=draw, dtype=torch.float64)
    leaves = [w.clone().requires_grad_() for w in weights]
    expected = torch.autograd.grad(squared_weights(leaves, l2).sum(), leaves)
    for i, weight in enumerate(weights):
        gradient = torch.zeros(3, weight[0].numel(), dtype=torch.float64)
        decay_gradient(weight.flatten(1), gradient, 2 * l2[:, i : i + 1])
        torch.testing.assert_close(gradient.view_as(weight), expected[i], rtol=1e-12, atol=1e-12)


def test_one_members_nan_stays_with_it() -> None:
    for name, _, table in RULES.values():
        rule = rule_of(name, {key: values[0] for key, values in table.items()})
        numbers = {key: torch.full((3, 1), value, dtype=torch.float64) for key, value in rule.numbers.items()}
        theta = torch.ones(3, 4, dtype=torch.float64)
        slots = {slot: torch.zeros_like(theta) for slot in rule.slots}
        gradient = torch.ones_like(theta)
        gradient[1] = torch.nan
        rule.update(theta, gradient, slots, numbers, 1)
        assert torch.isnan(theta[1]).all()
        assert torch.isfinite(theta[::2]).all()


def test_lion_moves_every_parameter_by_its_rate_along_the_sign() -> None:
    rule = rule_of("lion", {"lr": 0.01, "beta1": 0.9, "beta2": 0.99, "weight_decay": 0.0})
    draw = torch.Generator().manual_seed(2)
    numbers = {key: torch.full((3, 1), value, dtype=torch.float64) for key, value in rule.numbers.items()}
    theta, gradient = (torch.randn(3, 50, generator=draw, dtype=torch.float64) for _ in range(2))
    gradient[:, :5] = 0.0
    moved = theta.clone()
    rule.update(moved, gradient.clone(), {"mean": torch.zeros_like(theta)}, numbers, 1)
    torch.testing.assert_close(theta - moved, 0.01 * gradient.sign(), rtol=0, atol=1e-15)
