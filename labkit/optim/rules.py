"""Update rules: pure pairs of state and update on tensors of shape (M, n), one row per member.

Every number of a rule is a tensor of shape (M, 1), so that each member trains with its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from torch import Tensor

from labkit.config import Fraction, Memberwise, NonNegative, Positive
from labkit.nn.constant import constant
from labkit.shipped import IN_FILE, defaults

Slots = Mapping[str, Tensor]
Numbers = Mapping[str, Tensor]
Update = Callable[[Tensor, Tensor, Slots, Numbers, int], None]
ProductUpdate = Callable[[Tensor, Tensor, Tensor, float, Slots, Mapping[str, float]], None]


@dataclass(frozen=True)
class Rule:
    """An update rule as data; the engine calls `update` and handles weight decay.

    Attributes:
        update: Function `update(theta, gradient, slots, numbers, t)` that moves `theta` in place. `theta`, `gradient`
            and each slot have shape (M, n), each number shape (M, 1), among them `lr`, the rate of this very update;
            t = 1, 2, ... The update may overwrite the gradient.
        slots: Names of the tensors that the rule remembers; they start at 0.
        numbers: Hyper-parameters, which members may choose freely; `lr` must be there, `weight_decay` may be.
        decay: Treatment of `weight_decay` by the engine: `coupled` adds it to the gradient that the rule sees,
            `decoupled` shrinks the parameters beside the rule (Loshchilov and Hutter 2019). The `l2` of the loss is
            part of the cost, so its gradient reaches every rule.
        product: Function `product(theta, left, right, decay, slots, numbers)` that moves one member's matrix as
            `update` does by the gradient `left right + decay theta`, which it need not hold in memory; None where the
            rule needs the gradient itself.
    """

    update: Update
    slots: tuple[str, ...] = ()
    numbers: Mapping[str, float] = field(default_factory=dict)
    decay: Literal["coupled", "decoupled"] = "coupled"
    product: ProductUpdate | None = None


# Every update below writes into theta and the slots in place, because the engine holds views of both.
def _sgd(theta: Tensor, gradient: Tensor, slots: Slots, numbers: Numbers, t: int) -> None:
    theta.addcmul_(gradient, numbers["lr"], value=-1)


def _momentum(theta: Tensor, gradient: Tensor, slots: Slots, numbers: Numbers, t: int) -> None:
    velocity = slots["velocity"].mul_(numbers["momentum"]).add_(gradient)
    theta.addcmul_(velocity, numbers["lr"], value=-1)


def _nesterov(theta: Tensor, gradient: Tensor, slots: Slots, numbers: Numbers, t: int) -> None:
    velocity = slots["velocity"].mul_(numbers["momentum"]).add_(gradient)
    # The gradient becomes `g + momentum m` in place; the caller does not need it any more.
    theta.addcmul_(gradient.addcmul_(velocity, numbers["momentum"]), numbers["lr"], value=-1)


def _adam(theta: Tensor, gradient: Tensor, slots: Slots, numbers: Numbers, t: int) -> None:
    beta1, beta2 = numbers["beta1"], numbers["beta2"]
    # Both bias corrections 1 - beta^t are tensors (M, 1); the first one is folded into the rate.
    mean = slots["mean"].mul_(beta1).addcmul_(gradient, 1 - beta1)
    square = slots["square"].mul_(beta2).addcmul_(gradient * gradient, 1 - beta2)
    root = (square / (1 - beta2**t)).sqrt_().add_(numbers["epsilon"])
    theta.addcmul_(mean / root, numbers["lr"] / (1 - beta1**t), value=-1)


def _rmsprop(theta: Tensor, gradient: Tensor, slots: Slots, numbers: Numbers, t: int) -> None:
    decay = numbers["decay"]
    square = slots["square"].mul_(decay).addcmul_(gradient * gradient, 1 - decay)
    # As in torch.optim.RMSprop: epsilon stands outside the root, and momentum gathers steps that are already scaled.
    step = gradient.div_(square.sqrt().add_(numbers["epsilon"]))
    velocity = slots["velocity"].mul_(numbers["momentum"]).add_(step)
    theta.addcmul_(velocity, numbers["lr"], value=-1)


def _sign(x: Tensor) -> Tensor:
    """Return -1, 0 or 1 for each number of x, and NaN where it is not finite.

    Not torch.sign: that of NaN is 0, and a member that diverged would stand still and look alive.
    """
    above, below = (compare(x, constant(0.0, x), out=torch.empty_like(x)) for compare in (torch.gt, torch.lt))
    return above.sub_(below).add_(x - x)


def _lion(theta: Tensor, gradient: Tensor, slots: Slots, numbers: Numbers, t: int) -> None:
    beta1, beta2 = numbers["beta1"], numbers["beta2"]
    mixed = (slots["mean"] * beta1).addcmul_(gradient, 1 - beta1)
    theta.addcmul_(_sign(mixed), numbers["lr"], value=-1)
    slots["mean"].mul_(beta2).addcmul_(gradient, 1 - beta2)


def _add_product(target: Tensor, left: Tensor, right: Tensor, keep: float, scale: float) -> None:
    """`target <- keep target + scale left right`, in one pass over the target where all have one dtype."""
    if left.dtype == target.dtype:
        target.addmm_(left, right, beta=keep, alpha=scale)
    else:
        target.mul_(keep).add_(left @ right, alpha=scale)


def _sgd_product(
    theta: Tensor, left: Tensor, right: Tensor, decay: float, slots: Slots, numbers: Mapping[str, float]
) -> None:
    _add_product(theta, left, right, 1 - numbers["lr"] * decay, -numbers["lr"])


def _momentum_product(
    theta: Tensor, left: Tensor, right: Tensor, decay: float, slots: Slots, numbers: Mapping[str, float]
) -> None:
    velocity = slots["velocity"]
    _add_product(velocity, left, right, numbers["momentum"], 1.0)
    if decay:
        velocity.add_(theta, alpha=decay)
    theta.add_(velocity, alpha=-numbers["lr"])


@defaults("optimizer/sgd")
def sgd(*, lr: Memberwise[NonNegative], weight_decay: Memberwise[NonNegative] = IN_FILE) -> Rule:
    """Return gradient descent, `theta <- theta - lr (g + weight_decay theta)` (Boulder lab, eqs. 1 and 6)."""
    return Rule(_sgd, (), {"lr": lr, "weight_decay": weight_decay}, product=_sgd_product)


@defaults("optimizer/momentum")
def momentum(
    *,
    lr: Memberwise[NonNegative],
    momentum: Memberwise[Fraction] = IN_FILE,
    weight_decay: Memberwise[NonNegative] = IN_FILE,
) -> Rule:
    """Return gradient descent with momentum: `m <- momentum m + g + weight_decay theta`, `theta <- theta - lr m`.

    Boulder lab, eqs. 8 and 9.
    """
    numbers = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
    return Rule(_momentum, ("velocity",), numbers, product=_momentum_product)


@defaults("optimizer/nesterov")
def nesterov(
    *,
    lr: Memberwise[NonNegative],
    momentum: Memberwise[Fraction] = IN_FILE,
    weight_decay: Memberwise[NonNegative] = IN_FILE,
) -> Rule:
    """Return Nesterov's rule: as `momentum`, but along `g + momentum m` (Sutskever et al. 2013, in torch's form)."""
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
    """Return Adam with bias correction (Kingma and Ba 2015, algorithm 1) and coupled weight decay."""
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
    """Return Adam with decoupled decay, `theta <- theta - lr weight_decay theta` (Loshchilov and Hutter 2019)."""
    return replace(adam(lr=lr, beta1=beta1, beta2=beta2, epsilon=epsilon, weight_decay=weight_decay), decay="decoupled")


@defaults("optimizer/lion")
def lion(
    *,
    lr: Memberwise[NonNegative],
    beta1: Memberwise[Fraction] = IN_FILE,
    beta2: Memberwise[Fraction] = IN_FILE,
    weight_decay: Memberwise[NonNegative] = IN_FILE,
) -> Rule:
    """Return Lion with decoupled weight decay (Chen et al. 2023, algorithm 2).

    `theta <- theta - lr sign(beta1 m + (1 - beta1) g)`, then `m <- beta2 m + (1 - beta2) g`.
    """
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
    """Return RMSprop, `theta <- theta - lr g / (sqrt(mean of g^2) + epsilon)` (Hinton 2012), with momentum."""
    numbers = {"lr": lr, "decay": decay, "epsilon": epsilon, "momentum": momentum, "weight_decay": weight_decay}
    return Rule(_rmsprop, ("square", "velocity"), numbers)


def decay_gradient(theta: Tensor, gradient: Tensor, decay: Tensor) -> None:
    """Add `decay theta` to the gradient in place, before the rule sees it.

    Args:
        theta: Parameters, shape (M, n).
        gradient: Gradient of the mean data loss, shape (M, n).
        decay: Factor of every parameter, shape (M, n): `2 lambda` of `loss.l2` plus the coupled `weight_decay`.
    """
    gradient.addcmul_(theta, decay)


def decay_parameters(theta: Tensor, lr: Tensor, decay: Tensor) -> None:
    """Shrink the parameters by `lr decay theta` in place, before the rule moves them: decoupled as torch.optim.AdamW.

    Args:
        theta: Parameters, shape (M, n).
        lr: Rate of this very update, shape (M, 1); the schedule's, so that a lower rate decays less.
        decay: `weight_decay` of each member, shape (M, 1).
    """
    theta.mul_(1 - lr * decay)


def initial_slots(rule: Rule, flat: Tensor) -> dict[str, Tensor]:
    """Return the state of a rule before the first update: for each slot, zeros of the shape of `flat`."""
    return {name: torch.zeros_like(flat) for name in rule.slots}
