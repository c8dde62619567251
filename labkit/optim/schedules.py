"""Learning-rate schedules: pure functions from the number of an update to its rate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import pi
from typing import Literal

import torch
from torch import Tensor

from labkit.config import ConfigError, Count, Memberwise, NonNegative, Positive
from labkit.shipped import IN_FILE, defaults

Numbers = Mapping[str, Tensor]


@dataclass(frozen=True)
class Length:
    """How long one epoch and one run are, in updates."""

    per_epoch: int
    samples: int
    batch_size: int
    total: int  # updates of the whole run; 0 while a schedule has yet to say


@dataclass(frozen=True)
class Schedule:
    """A schedule.

    Attributes:
        kind: `constant`, `cyclic`, `linear_decay`, `cosine` or `range_test`.
        rates: `rates(t, numbers, length)` is `(T, M)` for update numbers t `(T, 1)`, counted from 1; `numbers` are
            `(M,)` tensors: this schedule's own and the update rule's `lr`.
        numbers: bounds, each a member's own.
        updates: the length of the run in updates, where the schedule decides it.
        cycle: the updates in one cycle, where there are cycles.
        structure: keys that are no numbers of a member: schedules that differ in them cannot share a population.
    """

    kind: str
    rates: Callable[[Tensor, Numbers, Length], Tensor]
    numbers: Mapping[str, float]
    updates: Callable[[Length], int] | None = None
    cycle: Callable[[Length], int] | None = None
    structure: tuple[float | str, ...] = ()


def constant() -> Schedule:
    """`optimizer.lr` throughout."""
    return Schedule("constant", lambda t, numbers, length: numbers["lr"].expand(len(t), -1), {})


@defaults("schedule/cyclic")
def cyclic(
    *,
    lr_min: Memberwise[NonNegative] = IN_FILE,
    lr_max: Memberwise[NonNegative] = IN_FILE,
    step_size: Count | Positive = IN_FILE,
    step_unit: Literal["updates", "epochs"] = IN_FILE,
    cycles: Count = IN_FILE,
    peak_decay: Memberwise[Positive] = IN_FILE,
) -> Schedule:
    """Triangular cycles of `2 step_size` updates (KTH eqs. 14 and 15; Smith 2015), for t = 1 .. 2 step_size cycles.

    Args:
        step_size: updates from the lowest to the highest rate, or with `step_unit=epochs` that many times
            floor(n / batch size), the KTH lab's rule of thumb.
        peak_decay: factor on `lr_max - lr_min` from one cycle to the next.
    """
    if lr_min > lr_max:
        raise ConfigError(f"schedule.lr_min: {lr_min} is above schedule.lr_max {lr_max}.")
    if step_unit == "updates" and step_size != int(step_size):
        raise ConfigError(f"schedule.step_size: {step_size} updates is not a whole number.")

    def half(length: Length) -> int:
        if step_unit == "updates":
            return int(step_size)
        if length.batch_size > length.samples:
            raise ConfigError(
                f"trainer.batch_size: {length.batch_size} is more than the {length.samples} training samples, "
                "and schedule.step_unit=epochs counts full batches."
            )
        return max(1, round(step_size * (length.samples // length.batch_size)))

    def rates(t: Tensor, numbers: Numbers, length: Length) -> Tensor:
        n = half(length)
        cycle = torch.div(t, 2 * n, rounding_mode="floor")  # l of the equations
        height = 1 - (t - (2 * cycle + 1) * n).abs() / n  # 0 at the ends of a cycle, 1 at its middle
        peak = numbers["peak_decay"] ** cycle
        return numbers["lr_min"] + height * peak * (numbers["lr_max"] - numbers["lr_min"])

    return Schedule(
        "cyclic",
        rates,
        {"lr_min": lr_min, "lr_max": lr_max, "peak_decay": peak_decay},
        updates=lambda length: 2 * half(length) * cycles,
        cycle=lambda length: 2 * half(length),
        structure=(step_size, step_unit, cycles),
    )


@defaults("schedule/linear_decay")
def linear_decay(*, lr_end: Memberwise[NonNegative] = IN_FILE) -> Schedule:
    """From `optimizer.lr` at the first update in a straight line to `lr_end` one after the last (Li et al. 2020)."""

    def rates(t: Tensor, numbers: Numbers, length: Length) -> Tensor:
        return numbers["lr"] + (numbers["lr_end"] - numbers["lr"]) * (t - 1) / length.total

    return Schedule("linear_decay", rates, {"lr_end": lr_end})


@defaults("schedule/cosine")
def cosine(*, lr_end: Memberwise[NonNegative] = IN_FILE) -> Schedule:
    """From `optimizer.lr` along half a cosine to `lr_end` (Loshchilov and Hutter 2017, eq. 5, one period)."""

    def rates(t: Tensor, numbers: Numbers, length: Length) -> Tensor:
        share = 0.5 * (1 + torch.cos(pi * (t - 1) / length.total))
        return numbers["lr_end"] + (numbers["lr"] - numbers["lr_end"]) * share

    return Schedule("cosine", rates, {"lr_end": lr_end})


@defaults("schedule/range_test")
def range_test(
    *,
    lr_min: Memberwise[Positive] = IN_FILE,
    lr_max: Memberwise[Positive] = IN_FILE,
    spacing: Literal["linear", "exponential"] = IN_FILE,
) -> Schedule:
    """From `lr_min` at the first update to `lr_max` at the last (Smith 2015, 3.3); the run restores its weights."""
    if lr_min >= lr_max:
        raise ConfigError(f"schedule.lr_min: {lr_min} is not below schedule.lr_max {lr_max}.")

    def rates(t: Tensor, numbers: Numbers, length: Length) -> Tensor:
        share = (t - 1) / max(1, length.total - 1)
        low, high = numbers["lr_min"], numbers["lr_max"]
        return low + (high - low) * share if spacing == "linear" else low * (high / low) ** share

    return Schedule("range_test", rates, {"lr_min": lr_min, "lr_max": lr_max}, structure=(spacing,))
