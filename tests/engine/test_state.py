"""The state of a run is one plain value: saved in mid-epoch, loaded elsewhere, it goes on as if nothing had been."""

from __future__ import annotations

import io
from typing import Any

import pytest
import torch

from labkit.engine.population import Population
from labkit.engine.step import Stepper
from labkit.preprocess.prepare import Parts
from tests.engine.engine_cases import FAMILIES, Family, mixed, parts, stepped, trainer, with_rate

EVERYTHING = Family(
    (1, 6, 6),
    (
        {"conv2d": {"channels": 3, "batch_norm": True}},
        "DROPOUT",
        {"linear": {"units": 6, "batch_norm": True}},
        "DROPOUT",
        {"linear": {"units": "classes"}},
    ),
    "image",
    dropout=True,
)
CASES = {"dropout, batch norm, augmentation": EVERYTHING, "texts": FAMILIES["recurrent"]}


def population(family: Family, data: Parts, seeds: tuple[int, ...]) -> Population:
    return Population(mixed(family, trainer(steps=13, precision="float32"), seeds), data)


def assert_equal(one: Any, other: Any) -> None:
    """Bit by bit, NaNs included."""
    if isinstance(one, torch.Tensor):
        assert torch.equal(torch.nan_to_num(one, -1.0), torch.nan_to_num(other, -1.0))
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_equal(one[key], other[key])
    elif isinstance(one, list | tuple):
        for value, match in zip(one, other, strict=True):
            assert_equal(value, match)
    else:
        assert one == other


@pytest.mark.parametrize("family", CASES.values(), ids=list(CASES))
@pytest.mark.parametrize("seeds", [(3, 1, 4, 1), (5, 5, 5, 5)], ids=["mixed seeds", "equal seeds"])
@pytest.mark.parametrize("stop", [0, 4, 6], ids=["before the start", "between epochs", "in mid-epoch"])
def test_a_continued_run_is_the_uninterrupted_one(family: Family, seeds: tuple[int, ...], stop: int) -> None:
    data = parts(family, torch.float32)
    whole = stepped(population(family, data, seeds), 13)
    file = io.BytesIO()
    torch.save(stepped(population(family, data, seeds), stop).plain(), file)
    file.seek(0)
    saved = torch.load(file, weights_only=True)
    continued = stepped(population(family, data, seeds), 13 - stop, saved)
    assert_equal(continued.plain(), whole.plain())
    assert continued.step == 13


def test_a_saved_value_does_not_move_with_the_run() -> None:
    run = population(EVERYTHING, parts(EVERYTHING, torch.float32), (1, 2, 3, 4))
    state = run.initial_state()
    saved, again = state.plain(), state.plain()
    stepper = Stepper(run, state)
    for _ in range(5):
        state = stepper.step(state)
    assert_equal(saved, again)
    assert not torch.equal(saved["parameters"], state.parameters)


def test_frozen_members_stay_frozen_after_a_restart() -> None:
    """Even where the update that is thrown away would be NaN."""
    data = parts(EVERYTHING, torch.float32)
    run = population(EVERYTHING, data, (1, 2, 3, 4))
    state = stepped(run, 3)
    state.frozen[2] = True
    wild = Population([with_rate(one, float("inf")) if m == 2 else one for m, one in enumerate(run.recipes)], data)
    continued = stepped(wild, 5, state.plain())
    for layout, before, after in (
        (run.layout, state.parameters, continued.parameters),
        (run.buffer_layout, state.buffers, continued.buffers),
    ):
        for then, now in zip(layout.views(before), layout.views(after), strict=True):
            assert torch.equal(then[2], now[2])
            assert torch.isfinite(now).all()
            assert not torch.equal(then[0], now[0])
