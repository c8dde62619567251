"""Learning-rate schedules: pure functions from the number of an update to its rate.

Updates count from 1. A schedule gives the rates of all T updates and all M members at once, shape (T, M).
"""

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
    """The length of an epoch and of a run.

    Attributes:
        per_epoch: Number of updates in one epoch, a shorter last batch included.
        samples: Number of training samples.
        batch_size: Number of samples in a full batch.
        total: Number of updates in the whole run; 0 until a schedule that decides it has been asked.
    """

    per_epoch: int
    samples: int
    batch_size: int
    total: int


@dataclass(frozen=True)
class Schedule:
    """A schedule as data.

    Attributes:
        kind: Name: `constant`, `cyclic`, `linear_decay`, `cosine` or `range_test`.
        rates: Function `rates(t, numbers, length)` that returns the rates, shape (T, M), of the updates t, shape
            (T, 1), counted from 1. `numbers` are tensors of shape (M,): this schedule's own and the rule's `lr`.
        numbers: Bounds of the rate, which members may choose freely.
        updates: Function that returns the run's number of updates for a `Length` whose total is not yet known; None
            where the trainer decides it.
        cycle: Function that returns the number of updates in one cycle for a `Length`; None without cycles.
        structure: Keys that are not numbers of a member: schedules that differ in them cannot share a population.
    """

    kind: str
    rates: Callable[[Tensor, Numbers, Length], Tensor]
    numbers: Mapping[str, float]
    updates: Callable[[Length], int] | None = None
    cycle: Callable[[Length], int] | None = None
    structure: tuple[float | str, ...] = ()


def constant() -> Schedule:
    """Return the schedule that keeps `optimizer.lr` throughout."""
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
    """Return triangular cycles between two rates (KTH lab, eqs. 14 and 15; Smith 2015).

    Args:
        lr_min: Rate at the ends of a cycle.
        lr_max: Rate in the middle of the first cycle.
        step_size: Number of updates from the lowest to the highest rate, half a cycle. With `step_unit=epochs` it
            counts floor(n / batch size) updates, the KTH lab's rule of thumb.
        step_unit: Unit of `step_size`.
        cycles: Number of cycles in the run, which is `2 step_size cycles` updates long.
        peak_decay: Factor on `lr_max - lr_min` from one cycle to the next.

    Raises:
        ConfigError: `lr_min` is above `lr_max`, or `step_size` is not a whole number of updates.
    """
    if lr_min > lr_max:
        raise ConfigError(f"schedule.lr_min: {lr_min} is above schedule.lr_max {lr_max}.")
    if step_unit == "updates" and step_size != int(step_size):
        raise ConfigError(f"schedule.step_size: {step_size} updates is not a whole number.")

    def half(length: Length) -> int:
        """Return half a cycle in updates; raise ConfigError where an epoch has no full batch to count."""
        if step_unit == "updates":
            return int(step_size)
        if length.batch_size > length.samples:
            raise ConfigError(
                f"trainer.batch_size: {length.batch_size} is more than the {length.samples} training samples, "
                "and schedule.step_unit=epochs counts full batches."
            )
        return max(1, round(step_size * (length.samples // length.batch_size)))

    def rates(t: Tensor, numbers: Numbers, length: Length) -> Tensor:
        """Return the rates, shape (T, M), by KTH eqs. 14 and 15."""
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
    """Return a straight line from `optimizer.lr` at the first update to `lr_end` (Li et al. 2020).

    It would reach `lr_end` one update after the last.
    """

    def rates(t: Tensor, numbers: Numbers, length: Length) -> Tensor:
        """Return the rates, shape (T, M)."""
        # Over `total`, not `total - 1`: with lr_end = 0 the last update still moves.
        return numbers["lr"] + (numbers["lr_end"] - numbers["lr"]) * (t - 1) / length.total

    return Schedule("linear_decay", rates, {"lr_end": lr_end})


@defaults("schedule/cosine")
def cosine(*, lr_end: Memberwise[NonNegative] = IN_FILE) -> Schedule:
    """Return half a cosine from `optimizer.lr` to `lr_end` (Loshchilov and Hutter 2017, eq. 5, one period)."""

    def rates(t: Tensor, numbers: Numbers, length: Length) -> Tensor:
        """Return the rates, shape (T, M)."""
        # Over `total`, as in linear_decay: the last update stands one step before the end of the cosine.
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
    """Return rates that rise from `lr_min` at the first update to `lr_max` at the last (Smith 2015, section 3.3).

    The engine restores the weights afterwards. Raise ConfigError unless `lr_min` is below `lr_max`.
    """
    if lr_min >= lr_max:
        raise ConfigError(f"schedule.lr_min: {lr_min} is not below schedule.lr_max {lr_max}.")

    def rates(t: Tensor, numbers: Numbers, length: Length) -> Tensor:
        """Return the rates, shape (T, M)."""
        # Over `total - 1`, so that the test's last update really has lr_max; a test of one update divides by 1.
        share = (t - 1) / max(1, length.total - 1)
        low, high = numbers["lr_min"], numbers["lr_max"]
        return low + (high - low) * share if spacing == "linear" else low * (high / low) ** share

    return Schedule("range_test", rates, {"lr_min": lr_min, "lr_max": lr_max}, structure=(spacing,))
