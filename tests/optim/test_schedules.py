"""Schedules against their equations, and the cyclic one against torch's CyclicLR."""

from __future__ import annotations

from itertools import pairwise
from math import cos, pi
from typing import Any

import pytest
import torch

from labkit.config import ConfigError, build
from labkit.optim.schedules import Length, Schedule

LENGTH = Length(per_epoch=7, samples=50, batch_size=8, total=20)


def schedule(name: str, **keys: Any) -> Schedule:
    return build("schedule", {"_target_": f"labkit.optim.schedules.{name}", **keys})  # type: ignore[no-any-return]


def rates(made: Schedule, lr: float = 0.3, length: Length = LENGTH) -> list[float]:
    """The rate of every update of a run of one."""
    total = made.updates(length) if made.updates else length.total
    t = torch.arange(1, total + 1, dtype=torch.float64).unsqueeze(1)
    numbers = {name: torch.tensor([value], dtype=torch.float64) for name, value in {**made.numbers, "lr": lr}.items()}
    found = made.rates(t, numbers, Length(length.per_epoch, length.samples, length.batch_size, total))
    assert found.shape == (total, 1)
    return found[:, 0].tolist()


def equations_14_and_15(t: int, n: int, low: float, high: float) -> float:
    """KTH lab: up while 2 l n <= t <= (2 l + 1) n, down while (2 l + 1) n <= t <= 2 (l + 1) n."""
    cycle = 0
    while t > 2 * (cycle + 1) * n:
        cycle += 1
    if t <= (2 * cycle + 1) * n:
        return low + (t - 2 * cycle * n) / n * (high - low)
    return high - (t - (2 * cycle + 1) * n) / n * (high - low)


CYCLES = [(5, 1, 1e-5, 0.1), (5, 3, 1e-5, 0.1), (1, 4, 0.0, 1.0), (800, 3, 1e-5, 0.1), (7, 2, 0.2, 0.2)]


@pytest.mark.parametrize(("n", "cycles", "low", "high"), CYCLES)
def test_cyclic_follows_the_equations_and_torch(n: int, cycles: int, low: float, high: float) -> None:
    found = rates(schedule("cyclic", step_size=n, cycles=cycles, lr_min=low, lr_max=high))
    assert len(found) == 2 * n * cycles
    by_hand = [equations_14_and_15(t, n, low, high) for t in range(1, 2 * n * cycles + 1)]
    assert found == pytest.approx(by_hand, rel=1e-10, abs=1e-14)
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=low)
    peer = torch.optim.lr_scheduler.CyclicLR(optimiser, low, high, step_size_up=n, cycle_momentum=False)
    by_torch = []
    for _ in found:
        optimiser.step()
        peer.step()
        by_torch.append(peer.get_last_lr()[0])
    assert found == pytest.approx(by_torch, rel=1e-10, abs=1e-12)
    assert found[n - 1] == high
    assert found[-1] == pytest.approx(low, abs=1e-15)


def test_peaks_decay_from_cycle_to_cycle() -> None:
    found = rates(schedule("cyclic", step_size=4, cycles=3, lr_min=0.1, lr_max=0.9, peak_decay=0.5))
    assert found[3::8] == pytest.approx([0.9, 0.5, 0.3])
    assert found[7::8] == pytest.approx([0.1] * 3)
    assert max(found[8:16]) == pytest.approx(0.5)
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    peer = torch.optim.lr_scheduler.CyclicLR(optimiser, 0.1, 0.9, 4, mode="triangular2", cycle_momentum=False)
    for rate in found:
        optimiser.step()
        peer.step()
        assert rate == pytest.approx(peer.get_last_lr()[0], rel=1e-10)


EPOCHS = [
    # step_size, samples, batch size, updates in half a cycle: step_size * floor(samples / batch size)
    (2, 50, 8, 12),
    (5, 45_000, 100, 2250),
    (1.5, 50, 8, 9),
    (0.01, 50, 8, 1),
]


@pytest.mark.parametrize(("step_size", "samples", "batch", "half"), EPOCHS)
def test_step_size_in_epochs(step_size: float, samples: int, batch: int, half: int) -> None:
    made = schedule("cyclic", step_size=step_size, step_unit="epochs", cycles=2)
    length = Length(-(-samples // batch), samples, batch, 0)
    assert made.updates is not None
    assert made.cycle is not None
    assert made.updates(length) == 4 * half
    assert made.cycle(length) == 2 * half


def test_epochs_of_less_than_a_batch_are_refused() -> None:
    made = schedule("cyclic", step_size=1, step_unit="epochs")
    assert made.updates is not None
    with pytest.raises(ConfigError, match=r"trainer\.batch_size: 8 is more than the 5 training samples"):
        made.updates(Length(1, 5, 8, 0))


def test_constant() -> None:
    assert rates(schedule("constant")) == [0.3] * 20


def test_linear_decay() -> None:
    found = rates(schedule("linear_decay", lr_end=0.1))
    assert found == pytest.approx([0.3 - 0.2 * (t - 1) / 20 for t in range(1, 21)])


def test_cosine() -> None:
    found = rates(schedule("cosine", lr_end=0.1))
    assert found == pytest.approx([0.1 + 0.1 * (1 + cos(pi * (t - 1) / 20)) for t in range(1, 21)])


@pytest.mark.parametrize("spacing", ["linear", "exponential"])
def test_range_test(spacing: str) -> None:
    found = rates(schedule("range_test", lr_min=1e-4, lr_max=1.0, spacing=spacing))
    assert (found[0], found[-1]) == pytest.approx((1e-4, 1.0))
    steps = [b - a if spacing == "linear" else b / a for a, b in pairwise(found)]
    assert steps == pytest.approx([steps[0]] * 19)


def test_members_have_bounds_of_their_own() -> None:
    made = schedule("cyclic", step_size=3, cycles=2)
    numbers = {"lr_min": [0.0, 0.1], "lr_max": [1.0, 0.5], "peak_decay": [0.5, 1.0], "lr": [9.0, 9.0]}
    t = torch.arange(1, 13, dtype=torch.float64).unsqueeze(1)
    found = made.rates(t, {name: torch.tensor(pair, dtype=torch.float64) for name, pair in numbers.items()}, LENGTH)
    for m in range(2):
        own = {name: pair[m] for name, pair in numbers.items() if name != "lr"}
        assert found[:, m].tolist() == pytest.approx(rates(schedule("cyclic", step_size=3, cycles=2, **own)))


STRUCTURES = [
    ("cyclic", {"step_size": 5}, {"step_size": 6}),
    ("cyclic", {"cycles": 1}, {"cycles": 2}),
    ("cyclic", {"step_unit": "updates"}, {"step_unit": "epochs"}),
    ("range_test", {"spacing": "linear"}, {"spacing": "exponential"}),
]


@pytest.mark.parametrize(("name", "one", "other"), STRUCTURES)
def test_what_members_cannot_differ_in_is_structure(name: str, one: dict[str, Any], other: dict[str, Any]) -> None:
    assert schedule(name, **one).structure != schedule(name, **other).structure
    assert schedule(name, **one, lr_max=0.7).structure == schedule(name, **one, lr_max=0.9).structure


WRONG = [
    ("cyclic", {"lr_min": 0.2, "lr_max": 0.1}, "schedule.lr_min: 0.2 is above"),
    ("cyclic", {"step_size": 2.5}, "schedule.step_size: 2.5 updates is not a whole number"),
    ("cyclic", {"step_size": 0}, "schedule.step_size"),
    ("cyclic", {"step_unit": "epoch"}, "schedule.step_unit"),
    ("cyclic", {"cycles": 0}, "schedule.cycles"),
    ("range_test", {"lr_min": 1.0, "lr_max": 1.0}, "schedule.lr_min: 1.0 is not below"),
    ("cosine", {"lr_min": 0.1}, "unknown key 'lr_min'"),
]


@pytest.mark.parametrize(("name", "keys", "complaint"), WRONG)
def test_wrong_numbers(name: str, keys: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        schedule(name, **keys)
