"""Update rules: pure pairs of state and update on tensors `(M, n)`, one row per member."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from torch import Tensor

from labkit.config import Fraction, Memberwise, NonNegative, Positive
from labkit.shipped import IN_FILE, defaults

Slots = Mapping[str, Tensor]
Numbers = Mapping[str, Tensor]
Update = Callable[[Tensor, Tensor, Slots, Numbers, int], None]


@dataclass(frozen=True)
class Rule:
    """An update rule.

    Attributes:
        update: `update(theta, gradient, slots, numbers, t)` moves `theta` in place. `theta`, `gradient` and each
            slot are `(M, n)`, each number `(M, 1)`, among them `lr`, the rate of this very update; t = 1, 2, ...
            The gradient is scratch space of the update.
        slots: names of the tensors the rule remembers; they start at 0.
        numbers: hyper-parameters, each a member's own; `lr` must be there, `weight_decay` may be.
        decay: what the engine does with `weight_decay`: `coupled` adds it to the gradient that the rule sees,
            `decoupled` shrinks the parameters beside the rule (Loshchilov and Hutter 2019). The `l2` of the loss is
            part of the cost, so its gradient reaches every rule.
    """

    update: Update
    slots: tuple[str, ...] = ()
    numbers: Mapping[str, float] = field(default_factory=dict)
    decay: Literal["coupled", "decoupled"] = "coupled"


def _sgd(theta: Tensor, gradient: Tensor, slots: Slots, numbers: Numbers, t: int) -> None:
    theta.addcmul_(gradient, numbers["lr"], value=-1)


def _momentum(theta: Tensor, gradient: Tensor, slots: Slots, numbers: Numbers, t: int) -> None:
    velocity = slots["velocity"].mul_(numbers["momentum"]).add_(gradient)
    theta.addcmul_(velocity, numbers["lr"], value=-1)


def _nesterov(theta: Tensor, gradient: Tensor, slots: Slots, numbers: Numbers, t: int) -> None:
    velocity = slots["velocity"].mul_(numbers["momentum"]).add_(gradient)
    theta.addcmul_(gradient.addcmul_(velocity, numbers["momentum"]), numbers["lr"], value=-1)


def _adam(theta: Tensor, gradient: Tensor, slots: Slots, numbers: Numbers, t: int) -> None:
    beta1, beta2 = numbers["beta1"], numbers["beta2"]
    mean = slots["mean"].mul_(beta1).addcmul_(gradient, 1 - beta1)
    square = slots["square"].mul_(beta2).addcmul_(gradient * gradient, 1 - beta2)
    root = (square / (1 - beta2**t)).sqrt_().add_(numbers["epsilon"])
    theta.addcmul_(mean / root, numbers["lr"] / (1 - beta1**t), value=-1)


def _rmsprop(theta: Tensor, gradient: Tensor, slots: Slots, numbers: Numbers, t: int) -> None:
    decay = numbers["decay"]
    square = slots["square"].mul_(decay).addcmul_(gradient * gradient, 1 - decay)
    step = gradient.div_(square.sqrt().add_(numbers["epsilon"]))
    velocity = slots["velocity"].mul_(numbers["momentum"]).add_(step)
    theta.addcmul_(velocity, numbers["lr"], value=-1)


def _lion(theta: Tensor, gradient: Tensor, slots: Slots, numbers: Numbers, t: int) -> None:
    beta1, beta2 = numbers["beta1"], numbers["beta2"]
    mixed = (slots["mean"] * beta1).addcmul_(gradient, 1 - beta1)
    # Not torch.sign: that of nan is 0, and a member that diverged would stand still and look alive.
    sign = torch.where(mixed > 0, 1.0, torch.where(mixed < 0, -1.0, mixed))
    theta.addcmul_(sign, numbers["lr"], value=-1)
    slots["mean"].mul_(beta2).addcmul_(gradient, 1 - beta2)


@defaults("optimizer/sgd")
def sgd(*, lr: Memberwise[NonNegative], weight_decay: Memberwise[NonNegative] = IN_FILE) -> Rule:
    """`theta <- theta - lr (g + weight_decay theta)` (Boulder lab, eqs. 1 and 6)."""
    return Rule(_sgd, (), {"lr": lr, "weight_decay": weight_decay})


@defaults("optimizer/momentum")
def momentum(
    *,
    lr: Memberwise[NonNegative],
    momentum: Memberwise[Fraction] = IN_FILE,
    weight_decay: Memberwise[NonNegative] = IN_FILE,
) -> Rule:
    """`m <- momentum m + g + weight_decay theta`, `theta <- theta - lr m` (Boulder lab, eqs. 8 and 9)."""
    return Rule(_momentum, ("velocity",), {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})


@defaults("optimizer/nesterov")
def nesterov(
    *,
    lr: Memberwise[NonNegative],
    momentum: Memberwise[Fraction] = IN_FILE,
    weight_decay: Memberwise[NonNegative] = IN_FILE,
) -> Rule:
    """As `momentum`, but steps along `g + momentum m` (Sutskever et al. 2013, in torch's form)."""
    return Rule(_nesterov, ("velocity",), {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})


@defaults("optimizer/adam")
def adam(
    *,
    lr: Memberwise[NonNegative],
    beta1: Memberwise[Fraction] = IN_FILE,
    beta2: Memberwise[Fraction] = IN_FILE,
    epsilon: Memberwise[Positive] = IN_FILE,
    weight_decay: Memberwise[NonNegative] = IN_FILE,
) -> Rule:
    """Adam with bias correction (Kingma and Ba 2015, algorithm 1); weight decay and l2 enter the gradient (coupled)."""
    numbers = {"lr": lr, "beta1": beta1, "beta2": beta2, "epsilon": epsilon, "weight_decay": weight_decay}
    return Rule(_adam, ("mean", "square"), numbers)


@defaults("optimizer/adamw")
def adamw(
    *,
    lr: Memberwise[NonNegative],
    beta1: Memberwise[Fraction] = IN_FILE,
    beta2: Memberwise[Fraction] = IN_FILE,
    epsilon: Memberwise[Positive] = IN_FILE,
    weight_decay: Memberwise[NonNegative] = IN_FILE,
) -> Rule:
    """Adam with decoupled weight decay, `theta <- theta - lr weight_decay theta` (Loshchilov and Hutter 2019)."""
    return replace(adam(lr=lr, beta1=beta1, beta2=beta2, epsilon=epsilon, weight_decay=weight_decay), decay="decoupled")


@defaults("optimizer/lion")
def lion(
    *,
    lr: Memberwise[NonNegative],
    beta1: Memberwise[Fraction] = IN_FILE,
    beta2: Memberwise[Fraction] = IN_FILE,
    weight_decay: Memberwise[NonNegative] = IN_FILE,
) -> Rule:
    """`theta <- theta - lr sign(beta1 m + (1 - beta1) g)`, `m <- beta2 m + (1 - beta2) g` (Chen et al. 2023,
    algorithm 2), with decoupled weight decay."""
    numbers = {"lr": lr, "beta1": beta1, "beta2": beta2, "weight_decay": weight_decay}
    return Rule(_lion, ("mean",), numbers, "decoupled")


@defaults("optimizer/rmsprop")
def rmsprop(
    *,
    lr: Memberwise[NonNegative],
    decay: Memberwise[Fraction] = IN_FILE,
    epsilon: Memberwise[Positive] = IN_FILE,
    momentum: Memberwise[Fraction] = IN_FILE,
    weight_decay: Memberwise[NonNegative] = IN_FILE,
) -> Rule:
    """`theta <- theta - lr g / (sqrt(mean of g^2) + epsilon)` (Hinton 2012), with momentum on the step."""
    numbers = {"lr": lr, "decay": decay, "epsilon": epsilon, "momentum": momentum, "weight_decay": weight_decay}
    return Rule(_rmsprop, ("square", "velocity"), numbers)


def decay_gradient(theta: Tensor, gradient: Tensor, decay: Tensor) -> None:
    """`g <- g + decay theta` in place, before the rule sees the gradient: `2 lambda` of `loss.l2`, coupled decay."""
    gradient.addcmul_(theta, decay)


def decay_parameters(theta: Tensor, lr: Tensor, decay: Tensor) -> None:
    """`theta <- theta - lr decay theta` in place, before the rule moves them: decoupled decay, as `torch.optim.AdamW`.

    Args:
        theta: Parameters, shape (M, n).
        lr: Rate of this very update, shape (M, 1); the schedule's, so that a lower rate decays less.
        decay: `weight_decay` of each member, shape (M, 1).
    """
    theta.mul_(1 - lr * decay)


def initial_slots(rule: Rule, flat: Tensor) -> dict[str, Tensor]:
    """The state of a rule before the first update: zeros of the parameters' shape."""
    return {name: torch.zeros_like(flat) for name in rule.slots}
